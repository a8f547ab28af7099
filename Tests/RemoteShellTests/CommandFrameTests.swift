import ClusterModel
import RemoteShell
import Testing
import TestSupport

@Suite("Command frame")
struct CommandFrameTests {
    private func connection(shell: String = "/bin/sh") throws -> FramedConnection {
        let host = try #require(HostName("here"))
        return FramedConnection(LocalTransport(host: host, folder: "/nonexistent", shell: shell), become: .no)
    }

    @Test("exit code, output and arguments come back as they were", arguments: ["/bin/sh", "/bin/bash"])
    func roundTrip(shell: String) async throws {
        let awkward = ["", "a b", "it's", "$(id)`id`", "-n", "line\nbreak", "\u{1F600}", "*", "\\", "\"", "!x"]
        let command = RemoteCommand("printf '%s\\0' \"$@\"; echo problem >&2; exit 7", awkward)
        let result = try await connection(shell: shell).run(command)
        #expect(result.exitCode == 7)
        #expect(result.output.text == awkward.map { $0 + "\0" }.joined())
        #expect(result.errorOutput.text == "problem\n")
    }

    @Test("a script too long for the exec request travels on standard input, before the command's own input")
    func longScript() async throws {
        let long = String(repeating: "x", count: 30_000)
        let batch = ProbeBatch([RemoteCommand("printf %s \"$1\"", [long]), RemoteCommand("exit 3")])
        let result = try await connection().run(batch.command)
        let answers = batch.answers(output: result.output.bytes, errorOutput: result.errorOutput.bytes)
        #expect(answers.map { $0?.exitCode } == [0, 3])
        #expect(answers[0]?.text == long)
    }

    @Test("input reaches the command to the last byte")
    func input() async throws {
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let result = try await connection().run(RemoteCommand("cat"), input: .bytes(bytes), limits: .short)
        #expect(result.output.bytes == bytes)
    }

    @Test("a command killed by a signal is told by the shell's code")
    func killed() async throws {
        let result = try await connection().run(RemoteCommand("sh -c 'kill -9 $$'"))
        #expect(result.exitCode == 137)
    }

    @Test("a missing end line is an unknown outcome, whatever the exit status says")
    func lostEnd() async throws {
        let host = try #require(HostName("here"))
        let silent = FramedConnection(CannedTransport(host: host, output: "\nRB1 n BEGIN\nhalf"), become: .no) { "n" }
        let error = await #expect(throws: TransportError.self) { try await silent.run(RemoteCommand("true")) }
        #expect(error?.kind == .lost)
        #expect(error?.exitCode == .outcomeUnknown)
    }

    @Test(
        "an end line with another nonce, a cut one, or one with more behind it proves nothing",
        arguments: [
            "\nRB1 n BEGIN\nx\nRB1 m rc=0 END\n", "\nRB1 n BEGIN\nx\nRB1 n rc=0 END",
            "\nRB1 n BEGIN\nx\nRB1 n rc=0 END\n.",
            "\nRB1 n BEGIN\nx\nRB1 n rc=256 END\n", "\nRB1 n BEGIN\nx\nRB1 n rc= END\n",
        ]
    )
    func falseEnds(stream: String) async throws {
        let host = try #require(HostName("here"))
        let connection = FramedConnection(CannedTransport(host: host, output: stream), become: .no) { "n" }
        await #expect(throws: TransportError.self) { try await connection.run(RemoteCommand("true")) }
    }

    @Test("sudo's refusal is told apart from the command's failure")
    func sudoRefuses() async throws {
        let host = try #require(HostName("here"))
        let stream = "\nRB1 n rc=1 END\n"
        let connection = FramedConnection(CannedTransport(host: host, output: stream), become: .sudo) { "n" }
        let error = await #expect(throws: TransportError.self) { try await connection.run(RemoteCommand("true")) }
        #expect(error?.kind == .becomeRefused)
        #expect(error?.exitCode == .refused)
    }

    @Test("noise of the login shell before the begin line is dropped, in chunks of every size")
    func noise() async throws {
        let host = try #require(HostName("here"))
        let stream = "Welcome!\nRB1 n BEGI\n\nRB1 n BEGIN\npay\nRB1 load\nRB1 n rc=12 END\n"
        for size in 1...stream.utf8.count {
            let transport = CannedTransport(host: host, output: stream, chunk: size)
            let result = try await FramedConnection(transport, become: .no) { "n" }.run(RemoteCommand("true"))
            #expect(result.output.text == "pay\nRB1 load", "chunks of \(size)")
            #expect(result.exitCode == 12)
        }
    }
}

/// A transport that answers every command with the same bytes and an exit status of 0, as a lost link does.
private struct CannedTransport: ExecTransport {
    let host: HostName
    let output: String
    var chunk = 4096

    func exec(_ request: ExecRequest) async throws(TransportError) -> ChannelEnd {
        let bytes = Array(output.utf8)
        do {
            for start in stride(from: 0, to: bytes.count, by: chunk) {
                let part = Array(bytes[start..<min(start + chunk, bytes.count)])
                try request.output.write(unsafe part.span.bytes)
            }
        } catch { throw TransportError(.localStream, host: host, "\(error)") }
        return ChannelEnd(exitStatus: 0)
    }

    func close() async {}
}
