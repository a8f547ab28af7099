import ClusterModel
import Foundation
import Logging
import RemoteShell
import Testing

@testable import SSHTransport

@Suite("Jump hosts", .sshd())
struct JumpTests {
    @Test("a chain of two jump hosts carries commands and data, and is shared")
    func chain() async throws {
        try await withHops { inner, second in
            let first = try TestServer.shared
            let hops = [hop(first, "j1"), hop(second, "j2")]
            let transport = try transport(trusting: [first, second, inner])
            let host = try inner.host("w1", keys: key(first), jump: hops)
            let connection = try await transport.connect(to: host)
            let outcome = try await connection.run("echo out; echo err >&2; exit 5")
            #expect(outcome.output.text == "out\n")
            #expect(outcome.errorOutput.text == "err\n")
            #expect(outcome.end.exitStatus == 5)
            let source = Pattern(size: 16 * 1024 * 1024)
            let up = try await connection.run("sha256sum", input: source)
            #expect(up.output.text.hasPrefix(source.digest))
            let down = try await connection.run("head -c 16777216 /dev/zero", keeping: false)
            #expect(down.output.count == 16 * 1024 * 1024)
            // A second host behind the same hops finds their connections open.
            let other = try inner.host("w2", keys: key(first), jump: hops)
            _ = try await transport.connect(to: other).run("true")
            await transport.shutdown()
        }
    }

    @Test("errors name the hop they come from")
    func faults() async throws {
        try await withHops { inner, second in
            let first = try TestServer.shared
            let transport = try transport(trusting: [first])
            let unknownHop = try inner.host(keys: key(first), jump: [hop(first, "j1"), hop(second, "j2")])
            let unknown = await #expect(throws: TransportError.self) { _ = try await transport.connect(to: unknownHop) }
            #expect(unknown?.kind == .hostKeyUnknown)
            #expect(unknown?.event.hasPrefix("jump host j2: offers ssh-ed25519 SHA256:") == true)
            #expect(unknown?.next?.hasPrefix("rollbook hosts trust j2 --fingerprint SHA256:") == true)

            let nobody = TestServer.freshAddress()
            var settings = try inner.host(keys: key(first), jump: [hop(first, "j1")]).ssh
            settings.address = nobody
            let closed = ClusterModel.Host(name: try #require(HostName("w3")), role: .worker, ssh: settings)
            let refused = await #expect(throws: TransportError.self) { _ = try await transport.connect(to: closed) }
            #expect(refused?.kind == .refused)
            #expect(refused?.event == "jump host j1 cannot connect to \(nobody):2222")

            let gone = JumpHop(name: "j0", address: nobody, port: 2222, user: NSUserName())
            let behind = try inner.host(keys: key(first), jump: [gone])
            let dead = await #expect(throws: TransportError.self) { _ = try await transport.connect(to: behind) }
            #expect(dead?.kind == .refused)
            #expect(dead?.event == "jump host j0: connection refused (\(nobody):2222)")
            await transport.shutdown()
        }
    }

    @Test("a host that does not answer behind a jump host does not hold up the others")
    func deadNeighbour() async throws {
        try await withHops { inner, _ in
            let first = try TestServer.shared
            let hole = try BlackHole()
            let transport = try transport(trusting: [first, inner])
            func dead(_ limit: Duration) throws -> ClusterModel.Host {
                var settings = try inner.host(keys: key(first), jump: [hop(first, "j1")], limit: limit).ssh
                (settings.address, settings.port) = ("127.0.0.1", hole.port)
                return ClusterModel.Host(name: try #require(HostName("w9")), role: .worker, ssh: settings)
            }
            let endless = try dead(.seconds(100))
            let stuck = Task { _ = try await transport.connect(to: endless) }
            let host = try inner.host("w1", keys: key(first), jump: [hop(first, "j1")], limit: .seconds(50))
            let text = try await transport.connect(to: host).run("echo alive").output.text
            #expect(text == "alive\n")
            stuck.cancel()
            let cancelled = await #expect(throws: TransportError.self) { try await stuck.value }
            #expect(cancelled?.kind == .cancelled)

            let short = try dead(.seconds(3))
            let error = await #expect(throws: TransportError.self) { _ = try await transport.connect(to: short) }
            #expect(error?.kind == .connectTimeout)
            #expect(error?.event == "no answer within 3 s through jump host j1 (127.0.0.1:\(hole.port))")
            await transport.shutdown()
        }
    }

    @Test("the loss of a jump host ends what runs behind it, and says so")
    func lostHop() async throws {
        try await withHops { inner, second in
            let first = try TestServer.shared
            let transport = try transport(trusting: [first, second, inner])
            let host = try inner.host(keys: key(first), jump: [hop(second, "j1")])
            let connection = try await transport.connect(to: host)
            let (started, signal) = AsyncStream.makeStream(of: Void.self)
            let task = Task {
                defer { signal.finish() }
                return try await connection.exec(
                    ExecRequest(
                        commandLine: "echo on; sleep 100",
                        output: Notifier(signal),
                        errorOutput: Collector(),
                        deadline: .seconds(60)
                    )
                )
            }
            for await _ in started { break }
            try ChildProcess.run(["/usr/bin/pkill", "-KILL", "-P", "\(second.listener)"])
            let error = await #expect(throws: TransportError.self) { try await task.value }
            #expect(error?.kind == .lost)
            #expect(error?.commandMayHaveStarted == true)
            #expect(error?.event.hasPrefix("jump host j1: ") == true)
            await transport.shutdown()
        }
    }

    @Test("a scan goes through jump hosts too")
    func scan() async throws {
        try await withHops { inner, _ in
            let first = try TestServer.shared
            let transport = try transport(trusting: [first])
            let offered = try await transport.scan(try inner.host(keys: key(first), jump: [hop(first, "j1")]))
            #expect(offered.map(\.key) == [try inner.hostKey("ed25519")])
            await transport.shutdown()
        }
    }

    // MARK: Helpers

    /// Two more servers that accept the first one's user key.
    private func withHops(_ body: (TestServer, TestServer) async throws -> Void) async throws {
        let userKey = try TestServer.shared.folder.appending(path: "user.pub")
        let inner = try await TestServer.start()
        defer { inner.stop() }
        let second = try await TestServer.start()
        defer { second.stop() }
        try inner.authorize(userKey)
        try second.authorize(userKey)
        try await body(inner, second)
    }

    private func hop(_ server: TestServer, _ name: String) -> JumpHop {
        JumpHop(name: name, address: server.address, port: server.port, user: NSUserName())
    }

    private func key(_ server: TestServer) -> [SSHIdentity] {
        [.file(path: server.folder.appending(path: "user").path, passphraseFile: nil)]
    }

    private func transport(trusting servers: [TestServer]) throws -> SSHTransport {
        SSHTransport(
            options: SSHOptions(),
            hostKeys: FixedHostKeys(trusting: try servers.map { try $0.hostKey("ed25519") }),
            logger: Logger(label: "test")
        )
    }
}
