import ClusterModel
import Foundation
import Glibc
import RemoteShell
import Synchronization
import Testing

@testable import SSHTransport

@Suite("Sinks that may block", .sshd())
struct BlockingSinkTests {
    @Test("a stalled sink holds up its own stream only, and nothing is lost when it goes on")
    func stalled() async throws {
        try await withConnection { connection in
            let sink = try StallingSink()
            let size = 48 * 1024 * 1024
            let pid = "/tmp/rollbook-sink-\(UUID().uuidString)"
            let line = "echo $$ >\(pid); exec head -c \(size) /dev/zero"
            async let fetched = connection.exec(request(line, to: sink))
            await sink.firstWrite()
            // What the server's program could write is all that can be in memory, here and there.
            let question = "sleep 1; grep wchar /proc/$(cat \(pid))/io; rm \(pid)"
            let written = try await connection.run(question).output.text.split(separator: " ").last ?? ""
            let sent = try #require(Int(written.trimmingCharacters(in: .whitespacesAndNewlines)))
            #expect(sent > 0 && sent < 32 * 1024 * 1024, "\(sent) bytes were sent to a sink that stalls")
            for number in 0..<5 {
                let text = try await connection.run("echo \(number)").output.text
                #expect(text == "\(number)\n")
            }
            #expect(sink.count < size)
            sink.release()
            let end = try await fetched
            #expect(end.exitStatus == 0)
            #expect(sink.count == size)
        }
    }

    @Test("a lost link is reported after the write under way, and no write follows")
    func linkEnds() async throws {
        try await withConnection { connection in
            let sink = try StallingSink()
            let answer = Flag()
            await withTaskGroup(of: TransportError?.self) { group in
                group.addTask {
                    defer { answer.raise() }
                    return await error { try await connection.exec(request("cat /dev/zero", to: sink)) }
                }
                await sink.firstWrite()
                // The parent of the command's shell is sshd's process for this connection.
                let failure = await error { try await connection.exec(request("kill -9 $PPID", to: Collector())) }
                #expect(failure?.kind == .lost)
                #expect(!answer.isRaised)
                sink.release()
                let lost = await group.next()
                #expect(lost??.kind == .lost)
            }
            let counted = sink.count
            #expect(counted > 1024 * 1024, "what had come before the link ended was delivered")
        }
    }

    @Test("a sink that fails on its own thread ends the command with localStream, and the connection goes on")
    func failing() async throws {
        try await withConnection { connection in
            let failure = await error { try await connection.exec(request("yes", to: FullFile())) }
            #expect(failure?.kind == .localStream)
            let last = await error { try await connection.exec(request("echo x", to: FullFile())) }
            #expect(last?.kind == .localStream)
            let text = try await connection.run("echo on").output.text
            #expect(text == "on\n")
        }
    }

    @Test("cancelling waits for the write that is under way and for no other")
    func cancelled() async throws {
        try await withConnection { connection in
            let sink = try StallingSink()
            let task = Task { try await connection.exec(request("cat /dev/zero", to: sink)) }
            await sink.firstWrite()
            task.cancel()
            sink.release()
            let failure = await error { try await task.value }
            #expect(failure?.kind == .cancelled)
            let counted = sink.count
            let text = try await connection.run("echo on").output.text
            #expect(text == "on\n")
            #expect(sink.count == counted)
        }
    }

    private func request(_ line: String, to sink: any ByteSink) -> ExecRequest {
        ExecRequest(commandLine: line, output: sink, errorOutput: Collector(), deadline: .seconds(30))
    }

    private func error(_ work: @Sendable () async throws -> ChannelEnd) async -> TransportError? {
        do { _ = try await work() } catch { return error as? TransportError }
        return nil
    }

    private func withConnection(_ body: (any ExecTransport) async throws -> Void) async throws {
        let server = try TestServer.shared
        let transport = try SSHTransport(trusting: server)
        let connection = try await transport.connect(to: try server.host())
        try await body(connection)
        await transport.shutdown()
    }
}

/// Blocks in its first write until it is released, like a disk that hangs.
private final class StallingSink: ByteSink {
    private let counted = Mutex(0)
    private let begun: AsyncStream<Void>
    private let begin: AsyncStream<Void>.Continuation
    /// A pipe: reading from it is the stall, writing to it the end of it.
    private let stall: Int32
    private let unstall: Int32

    init() throws {
        (begun, begin) = AsyncStream.makeStream(of: Void.self)
        var ends: [Int32] = [0, 0]
        try #require(unsafe pipe(&ends) == 0)
        (stall, unstall) = (ends[0], ends[1])
    }

    deinit {
        close(stall)
        close(unstall)
    }

    var mayBlock: Bool { true }

    var count: Int { counted.withLock { $0 } }

    func firstWrite() async { for await _ in begun { return } }

    func release() { _ = unsafe Glibc.write(unstall, "x", 1) }

    func write(_ bytes: RawSpan) throws {
        let isFirst = counted.withLock { count in
            defer { count += bytes.byteCount }
            return count == 0
        }
        guard isFirst else { return }
        begin.yield()
        var byte: UInt8 = 0
        _ = unsafe Glibc.read(stall, &byte, 1)
    }
}

private final class Flag: Sendable {
    private let raised = Mutex(false)

    var isRaised: Bool { raised.withLock { $0 } }

    func raise() { raised.withLock { $0 = true } }
}

/// Fails like a full disk, where blocking sinks are called.
private struct FullFile: ByteSink {
    struct NoSpace: Error {}

    var mayBlock: Bool { true }

    func write(_ bytes: RawSpan) throws { throw NoSpace() }
}
