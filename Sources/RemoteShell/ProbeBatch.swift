/// Many read-only commands for one host as one command: one round trip, parsed apart here (Format.md, section 2).
package struct ProbeBatch: Sendable {
    package let command: RemoteCommand
    private let nonce: String
    private let count: Int

    /// Composes the batch.
    ///
    /// Probes run one after another, each in a subshell of its own; root if any needs it.
    package init(_ probes: [RemoteCommand], nonce: String = randomNonce()) {
        // One end mark and the next begin mark are printed together: what is written at once travels in one packet.
        var script = "q() { printf '\\nRBP1 \(nonce) %s\\n' \"$@\"; printf '\\nRBP1 \(nonce) %s\\n' \"$@\" >&2; }\n"
        if !probes.isEmpty { script += "q '0 BEGIN'\n" }
        for (index, probe) in probes.enumerated() {
            let arguments = probe.arguments.map { " " + quotedForShell($0) }.joined()
            let next = index + 1 < probes.count ? " '\(index + 1) BEGIN'" : ""
            script += "(set --\(arguments)\n\(probe.script)\n) </dev/null; q \"\(index) rc=$? END\"\(next)\n"
        }
        let privilege: RemoteCommand.Privilege = probes.contains { $0.privilege == .root } ? .root : .login
        command = RemoteCommand(joined: script, [], as: privilege)
        self.nonce = nonce
        count = probes.count
    }

    /// What one probe printed, and its exit code.
    package struct Answer: Sendable, Hashable {
        package let exitCode: Int
        package let output: [UInt8]
        package let errorOutput: [UInt8]
        /// The controller's uptime when the batch was sent, and when the end of this answer had come; nil when nobody looked.
        package var window: ClosedRange<Duration>?

        package init(exitCode: Int, output: [UInt8], errorOutput: [UInt8] = []) {
            self.exitCode = exitCode
            self.output = output
            self.errorOutput = errorOutput
        }

        package var text: String { String(decoding: output, as: UTF8.self) }
    }

    /// The answers in the order of the probes; nil for a probe whose lines are not all there.
    ///
    /// `window` says between which moments the host printed the first so many bytes of its output, if that was noted.
    package func answers(
        output: [UInt8],
        errorOutput: [UInt8],
        window: (Int) -> ClosedRange<Duration>? = { _ in nil }
    ) -> [Answer?] {
        let outputs = sections(of: output)
        let errors = sections(of: errorOutput)
        return (0..<count).map { index in
            guard let section = outputs[index] else { return nil }
            var answer = Answer(
                exitCode: section.exitCode,
                output: section.bytes,
                errorOutput: errors[index]?.bytes ?? []
            )
            answer.window = window(section.end)
            return answer
        }
    }

    private func sections(of stream: [UInt8]) -> [Int: (exitCode: Int, bytes: [UInt8], end: Int)] {
        let mark = Array("\nRBP1 \(nonce) ".utf8)
        var found: [Int: (exitCode: Int, bytes: [UInt8], end: Int)] = [:]
        var open: (index: Int, start: Int)?
        var position = 0
        while let at = nextMark(mark, in: stream, from: position) {
            guard let end = stream[(at + mark.count)...].firstIndex(of: UInt8(ascii: "\n")) else { break }
            let words = String(decoding: stream[(at + mark.count)..<end], as: UTF8.self).split(separator: " ")
            position = end
            guard let index = words.first.flatMap({ Int($0) }) else { continue }
            if words.count == 2, words[1] == "BEGIN" {
                open = (index, end + 1)
            } else if words.count == 3, words[1].hasPrefix("rc="), words[2] == "END", let begun = open,
                begun.index == index, let code = Int(words[1].dropFirst(3))
            {
                found[index] = (code, Array(stream[begun.start..<max(begun.start, at)]), end)
                open = nil
            }
        }
        return found
    }

    /// An empty section's end mark shares its leading newline with the begin line, so the search may start on it.
    private func nextMark(_ mark: [UInt8], in stream: [UInt8], from start: Int) -> Int? {
        guard stream.count >= mark.count, start <= stream.count - mark.count else { return nil }
        return (start...(stream.count - mark.count)).first {
            stream[$0] == mark[0] && stream[$0..<($0 + mark.count)].elementsEqual(mark)
        }
    }
}
