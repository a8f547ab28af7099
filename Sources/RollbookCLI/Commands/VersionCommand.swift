import ArgumentParser
import BackupStore
import ClusterModel
import Journal
import RemoteShell
import RunEngine
import SSHTransport

/// `version`: the program, the libraries it runs with, and the formats it reads and writes.
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version",
        abstract: "Show versions of program, libraries and formats."
    )

    @Option(help: "How to print the answer: text or json.") var format: OutputFormat = .text

    func run() throws {
        let libraries = LinkedLibraries.versions.map { ($0.name, $0.version) } + [("swift", Self.swift)]
        let formats = [
            ("plan", Plan.formatVersion), ("journal", 1), ("backup", Manifest.currentFormat), ("commandFrame", 1),
            ("inventory", 1), ("runbook", 1),
        ]
        if format == .json {
            return try JSONAnswer.print(
                .object([
                    "v": .integer(1), "version": .string(Version.number),
                    "libraries": .object(libraries.reduce(into: [:]) { $0[$1.0] = .string($1.1) }),
                    "formats": .object(formats.reduce(into: [:]) { $0[$1.0] = .integer(Int64($1.1)) }),
                ])
            )
        }
        Terminal.answer(Version.program)
        for (name, version) in libraries { Terminal.answer("  \(name) \(version)") }
        Terminal.answer("  formats: " + formats.map { "\($0.0) \($0.1)" }.joined(separator: ", "))
    }

    private static var swift: String {
        #if swift(>=6.4)
        "6.4 or later"
        #elseif swift(>=6.3)
        "6.3"
        #else
        "6.2"
        #endif
    }
}
