import Foundation
import Testing

@testable import RollbookCLI

@Suite("Manual pages")
struct ManualTests {
    private static let hasGroff = FileManager.default.isExecutableFile(atPath: "/usr/bin/groff")

    @Test("the program and every command has a page that names all its options")
    func complete() throws {
        let program = try CommandDescription.program()
        let pages = Dictionary(uniqueKeysWithValues: ManualPage.all(of: program).map { ($0.name, $0.text) })
        #expect(pages.count == program.shownSubcommands.count + 1)
        #expect(pages["rollbook-manual.1"] == nil, "what is hidden has no page")
        let run = try #require(pages["rollbook-run.1"])
        for word in [
            "\\-\\-inventory", "\\-\\-parallel", "\\-\\-set", "\\-\\-progress", "name=value", "By default 32.",
        ] {
            #expect(run.contains(word), "\(word)")
        }
        let backups = try #require(pages["rollbook-backups.1"])
        #expect(backups.contains(".SS \"rollbook backups verify\""))
        let root = try #require(pages["rollbook.1"])
        for command in program.shownSubcommands { #expect(root.contains("rollbook\\-\(command.commandName)\\fR(1)")) }
    }

    @Test("the exit codes are those of the documents")
    func exitCodes() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Docs/ExitCodes.md")
        let lines = try String(contentsOf: path, encoding: .utf8).split(
            separator: "\n",
            omittingEmptySubsequences: false
        )
        let rows = lines.drop { !$0.hasPrefix("|---") }.dropFirst().prefix { $0.hasPrefix("|") }
        let codes = rows.compactMap { $0.split(separator: "|").first?.trimmingCharacters(in: .whitespaces) }
        #expect(codes == ManualText.exitCodes.map(\.0))
    }

    @Test("groff renders every page without a warning", .enabled(if: hasGroff))
    func renders() throws {
        for page in ManualPage.all(of: try .program()) {
            let process = Process()
            let (input, output, errors) = (Pipe(), Pipe(), Pipe())
            process.executableURL = URL(filePath: "/usr/bin/groff")
            process.arguments = ["-man", "-ww", "-Tascii", "-P-cbou"]
            (process.standardInput, process.standardOutput, process.standardError) = (input, output, errors)
            try process.run()
            try input.fileHandleForWriting.write(contentsOf: Data(page.text.utf8))
            try input.fileHandleForWriting.close()
            let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            #expect(said.isEmpty, "\(page.name): \(said)")
            #expect(text.contains("SYNOPSIS"), "\(page.name)")
        }
    }
}
