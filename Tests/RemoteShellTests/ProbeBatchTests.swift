import ClusterModel
import RemoteShell
import Testing
import TestSupport

@Suite("Probe batch")
struct ProbeBatchTests {
    @Test("outputs, errors and exit codes stay apart, whatever a probe does to its shell")
    func apart() async throws {
        let host = try #require(HostName("here"))
        let connection = FramedConnection(LocalTransport(host: host, folder: "/nonexistent"), become: .no)
        let probes = [
            RemoteCommand("echo one; echo err >&2"), RemoteCommand("exit 3"),
            RemoteCommand("set -e; false; echo never"),
            RemoteCommand("printf 'no newline'"), RemoteCommand("printf '%s|' \"$@\"", ["a b", "it's"]),
            RemoteCommand("cat"), RemoteCommand("printf '\\0\\1'; cd /; umask 0; PATH=; exit 0"),
            RemoteCommand("echo last"),
        ]
        let batch = ProbeBatch(probes)
        let result = try await connection.run(batch.command)
        let answers = batch.answers(output: result.output.bytes, errorOutput: result.errorOutput.bytes).compactMap {
            $0
        }
        #expect(answers.map(\.exitCode) == [0, 3, 1, 0, 0, 0, 0, 0])
        #expect(answers.map(\.text) == ["one\n", "", "", "no newline", "a b|it's|", "", "\0\u{1}", "last\n"])
        #expect(String(decoding: answers[0].errorOutput, as: UTF8.self) == "err\n")
    }

    @Test("a probe whose lines are missing has no answer")
    func missing() {
        let batch = ProbeBatch([RemoteCommand("true"), RemoteCommand("true")], nonce: "n")
        let stream = Array("\nRBP1 n 0 BEGIN\nx\nRBP1 n 0 rc=0 END\n\nRBP1 n 1 BEGIN\ncut".utf8)
        let answers = batch.answers(output: stream, errorOutput: [])
        #expect(answers[0]?.text == "x")
        #expect(answers[1] == nil)
    }

    @Test("an answer carries the window of its own end, not of the whole batch")
    func windows() {
        let batch = ProbeBatch([RemoteCommand("true"), RemoteCommand("true")], nonce: "n")
        let first = "\nRBP1 n 0 BEGIN\nx\nRBP1 n 0 rc=0 END"
        let stream = Array((first + "\n\nRBP1 n 1 BEGIN\ny\nRBP1 n 1 rc=0 END\n").utf8)
        let answers = batch.answers(output: stream, errorOutput: []) { end in
            end <= first.utf8.count ? .seconds(1) ... .seconds(2) : .seconds(1) ... .seconds(9)
        }
        #expect(answers.map { $0?.window?.upperBound } == [.seconds(2), .seconds(9)])
        let untimed = batch.answers(output: stream, errorOutput: [])
        #expect(untimed.allSatisfy { $0 != nil && $0?.window == nil })
    }
}
