import Crypto
import Foundation
import RemoteShell
import Synchronization
import Testing

@testable import SSHTransport

@Suite("Commands over a real sshd", .sshd())
struct ExecTests {
    @Test("both streams and the exit status come back")
    func streams() async throws {
        try await withConnection { connection in
            let outcome = try await connection.run("echo out; echo err >&2; exit 3")
            #expect(outcome.output.text == "out\n")
            #expect(outcome.errorOutput.text == "err\n")
            #expect(outcome.end == ChannelEnd(exitStatus: 3))
        }
    }

    @Test("every byte value survives both ways")
    func binary() async throws {
        try await withConnection { connection in
            let bytes = (0..<1024).map { UInt8(truncatingIfNeeded: $0) }
            let outcome = try await connection.run("tee /dev/stderr", input: Bytes(bytes))
            #expect(outcome.output.bytes == bytes)
            #expect(outcome.errorOutput.bytes == bytes)
        }
    }

    @Test("a command without input sees the end of its input at once")
    func noInput() async throws {
        try await withConnection { connection in
            let text = try await connection.run("cat; echo end").output.text
            #expect(text == "end\n")
        }
    }

    @Test("64 MiB come and go unchanged")
    func largeTransfers() async throws {
        try await withConnection { connection in
            let size = 64 * 1024 * 1024
            let down = try await connection.run(
                "head -c \(size) /dev/zero | tr '\\0' 'x' | tee /dev/stderr",
                keeping: false
            )
            #expect(down.output.count == size)
            #expect(down.errorOutput.count == size)
            #expect(down.output.digest == down.errorOutput.digest)
            let source = Pattern(size: size)
            let up = try await connection.run("sha256sum", input: source)
            #expect(up.output.text.hasPrefix(source.digest))
        }
    }

    /// The other direction is told by the tests of sinks that block.
    @Test("a command that does not read is not sent more than windows and buffers hold")
    func inputWaits() async throws {
        try await withConnection { connection in
            let source = Pattern(size: 64 * 1024 * 1024)
            let sink = Sampling(source)
            let request = ExecRequest(
                commandLine: "sleep 1; echo reading; sha256sum",
                input: source,
                output: sink,
                errorOutput: Collector(),
                deadline: .seconds(30)
            )
            #expect(try await connection.exec(request).exitStatus == 0)
            let taken = try #require(sink.taken)
            #expect(taken > 0 && taken < 32 * 1024 * 1024, "\(taken) bytes were taken before anybody read")
        }
    }

    @Test("one connection runs many commands, one after another and at once")
    func manyCommands() async throws {
        try await withConnection { connection in
            for number in 0..<40 {
                #expect(try await connection.run("echo \(number)").output.text == "\(number)\n")
            }
            try await withThrowingTaskGroup(of: (Int, String).self) { group in
                for number in 0..<40 {
                    group.addTask { (number, try await connection.run("echo a\(number); echo b\(number)").output.text) }
                }
                for try await (number, text) in group { #expect(text == "a\(number)\nb\(number)\n") }
            }
        }
    }

    @Test("a stream that floods does not keep a small command waiting")
    func fairness() async throws {
        try await withConnection { connection in
            async let flood = connection.run("head -c 50000000 /dev/zero >&2", keeping: false)
            #expect(try await connection.run("echo small").output.text == "small\n")
            let outcome = try await flood
            #expect(outcome.errorOutput.count == 50_000_000)
            #expect(outcome.output.count == 0)
        }
    }

    @Test("a signal is named, and its exit status of 0 proves nothing")
    func signal() async throws {
        try await withConnection { connection in
            let outcome = try await connection.run("kill -TERM $$")
            #expect(outcome.end.signal == "TERM")
        }
    }

    @Test("the end is the end of the command, not of its output")
    func earlyEOF() async throws {
        try await withConnection { connection in
            let outcome = try await connection.run("exec >&- 2>&-; read line; exit 7", input: Bytes(Array("go\n".utf8)))
            #expect(outcome.end.exitStatus == 7)
        }
    }

    @Test("input that nobody reads does not keep a command from ending")
    func unreadInput() async throws {
        try await withConnection { connection in
            let outcome = try await connection.run("exit 4", input: Pattern(size: 32 * 1024 * 1024))
            #expect(outcome.end.exitStatus == 4)
        }
    }

    @Test("a sink that throws ends the command with localStream, and the connection goes on")
    func sinkThrows() async throws {
        try await withConnection { connection in
            let request = ExecRequest(
                commandLine: "yes",
                output: FullDisk(),
                errorOutput: Collector(),
                deadline: .seconds(20)
            )
            let error = await #expect(throws: TransportError.self) { try await connection.exec(request) }
            #expect(error?.kind == .localStream)
            #expect(error?.commandMayHaveStarted == true)
            let text = try await connection.run("echo on").output.text
            #expect(text == "on\n")
        }
    }

    @Test("a source that throws ends the command with localStream")
    func sourceThrows() async throws {
        try await withConnection { connection in
            let error = await #expect(throws: TransportError.self) {
                try await connection.run("cat", input: FullDisk())
            }
            #expect(error?.kind == .localStream)
        }
    }

    @Test("the deadline ends the wait, and the connection goes on")
    func deadline() async throws {
        try await withConnection { connection in
            let error = await #expect(throws: TransportError.self) {
                try await connection.run("sleep 600", deadline: .milliseconds(300))
            }
            #expect(error?.kind == .deadline)
            #expect(error?.commandMayHaveStarted == true)
            let text = try await connection.run("echo on").output.text
            #expect(text == "on\n")
        }
    }

    @Test("the idle limit counts silence, not time")
    func idle() async throws {
        try await withConnection { connection in
            let busy = try await connection.run(
                "for n in 1 2 3 4 5 6; do echo $n; sleep 0.2; done",
                idle: .milliseconds(700)
            )
            #expect(busy.output.count == 12)
            let error = await #expect(throws: TransportError.self) {
                try await connection.run("echo x; sleep 600", idle: .milliseconds(300))
            }
            #expect(error?.kind == .idle)
        }
    }

    @Test("a cancelled task gets its answer at once")
    func cancellation() async throws {
        try await withConnection { connection in
            let (started, signal) = AsyncStream.makeStream(of: Void.self)
            let task = Task {
                defer { signal.finish() }
                let request = ExecRequest(
                    commandLine: "echo started; sleep 600",
                    output: Notifier(signal),
                    errorOutput: Collector(),
                    deadline: .seconds(600)
                )
                return try await connection.exec(request)
            }
            for await _ in started { break }
            task.cancel()
            let error = await #expect(throws: TransportError.self) { try await task.value }
            #expect(error?.kind == .cancelled)
            #expect(error?.commandMayHaveStarted == true)
            let text = try await connection.run("echo on").output.text
            #expect(text == "on\n")
        }
    }

    @Test("a second connect returns the live connection; a closed one is replaced")
    func sharing() async throws {
        let server = try TestServer.shared
        let transport = try SSHTransport(trusting: server)
        let host = try server.host()
        let parent = "ps -o ppid= $PPID | tr -d ' '; echo $PPID"
        let first = try await transport.connect(to: host)
        let one = try await first.run(parent).output.text
        let again = try await transport.connect(to: host).run(parent).output.text
        #expect(one == again)
        await first.close()
        let error = await #expect(throws: TransportError.self) { try await first.run("true") }
        #expect(error?.kind == .lost)
        #expect(error?.commandMayHaveStarted == false)
        let fresh = try await transport.connect(to: host).run(parent).output.text
        #expect(one != fresh)
        await transport.shutdown()
    }

    private func withConnection(_ body: (any ExecTransport) async throws -> Void) async throws {
        let server = try TestServer.shared
        let transport = try SSHTransport(trusting: server)
        let connection = try await transport.connect(to: try server.host())
        try await body(connection)
        await transport.shutdown()
    }
}
