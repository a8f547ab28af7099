import Foundation
import RemoteShell
import TestSupport
import Testing

/// A quoted text is the text again in every shell a host may have, whatever it holds (but NUL, which no argument can hold).
@Suite("Shell quoting")
struct ShellQuotingTests {
    enum Shell: String, CaseIterable { case dash, bash, busybox }

    /// `ROLLBOOK_QUOTED` strings in all, each through every shell.
    private static let count = ProcessInfo.processInfo.environment["ROLLBOOK_QUOTED"].flatMap { Int($0) } ?? 6_000
    private static let batch = 2_000

    @Test("quoted texts come back byte for byte", arguments: Shell.allCases)
    func property(_ shell: Shell) throws {
        var random = SplitMix64(seed: 15)
        var compared = 0
        while compared < Self.count {
            let texts = (0..<min(Self.batch, Self.count - compared)).map { _ in text(&random) }
            let output = try Self.echo(texts, through: shell)
            let wanted = Self.bytes(of: texts)
            if output != wanted {
                let parts = output.split(separator: 0, omittingEmptySubsequences: false)
                let wrong = zip(texts, parts).first { !$0.utf8.elementsEqual($1) }
                Issue.record("\(shell.rawValue), after \(compared): \(Array((wrong?.0 ?? "").utf8)) is another text")
                return
            }
            compared += texts.count
        }
        #expect(compared == Self.count)
    }

    @Test("every single character below 128, and every pair of those that shells obey", arguments: Shell.allCases)
    func exhaustive(_ shell: Shell) throws {
        let obeyed = Array("'\"\\$`!#&*()[]{}<>|;?~=%^@-+ \t\n\r\u{1}\u{7F}a0")
        let singles = (1...127).compactMap { Unicode.Scalar(UInt8($0)) }.map { String(Character($0)) }
        let pairs = obeyed.flatMap { first in obeyed.map { String([first, $0]) } }
        let texts = [""] + singles + pairs
        #expect(try Self.echo(texts, through: shell) == Self.bytes(of: texts))
    }

    private static func bytes(of texts: [String]) -> [UInt8] {
        var bytes: [UInt8] = []
        for text in texts { bytes += Array(text.utf8) + [0] }
        return bytes
    }

    @Test("a quote with a combining mark after it is a quote", arguments: Shell.allCases)
    func combiningMarks(_ shell: Shell) throws {
        let texts = ["'\u{301}; touch /nonexistent; '\u{301}", "a'\u{FE0F}b", "''\u{200D}'"]
        #expect(try Self.echo(texts, through: shell) == Self.bytes(of: texts))
    }

    /// Texts of 0 to 40 characters, from one of five kinds of alphabet.
    private func text(_ random: inout SplitMix64) -> String {
        let pieces = [
            "'", "''", "'\\''", "\"", "\\", "$", "$(id)", "`id`", "${x}", "$'", "!", "!!", "\n", "\r", "\t", " ", "-n",
            "--", "%s",
            "\\0", "#", ";", "&", "|", "<", ">", "*", "?", "[", "]", "~", "=", "\u{1B}[0m", "é", "\u{1F600}", "\u{85}",
            "\u{2028}",
            "\u{FEFF}", "a\u{301}", "'\u{301}", "\\\u{308}",
        ]
        let kind = random.next() % 5
        var text = ""
        for _ in 0..<Int.random(in: 0...40, using: &random) {
            switch kind {
            case 0: text += pieces.randomElement(using: &random) ?? ""
            case 1: text.unicodeScalars.append(Unicode.Scalar(UInt8.random(in: 1...127, using: &random)))
            case 2: text.unicodeScalars.append(scalar(below: 0x11_0000, &random))
            case 3: text += Bool.random(using: &random) ? "'" : "\\"
            default:
                text += Bool.random(using: &random) ? pieces.randomElement(using: &random) ?? "" : "x"
                text.unicodeScalars.append(scalar(below: 0x800, &random))
            }
        }
        return text
    }

    private func scalar(below limit: UInt32, _ random: inout SplitMix64) -> Unicode.Scalar {
        Unicode.Scalar(UInt32.random(in: 1..<limit, using: &random)) ?? "?"
    }

    /// What the shell prints for `texts` when they stand quoted in its script, each ended by NUL.
    private static func echo(_ texts: [String], through shell: Shell) throws -> [UInt8] {
        let folder = FileManager.default.temporaryDirectory.appending(path: "rollbook-quoting-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let script = folder.appending(path: "script")
        let output = folder.appending(path: "output")
        // printf is built in, so that no limit of exec counts.
        let lines = texts.map { "printf '%s\\0' \(quotedForShell($0))\n" }.joined()
        try Data(lines.utf8).write(to: script)
        try Data().write(to: output)
        let process = Foundation.Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = (shell == .busybox ? ["busybox", "sh"] : [shell.rawValue]) + [script.path]
        process.environment = ["PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try FileHandle(forWritingTo: output)
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return [UInt8](try Data(contentsOf: output))
    }
}
