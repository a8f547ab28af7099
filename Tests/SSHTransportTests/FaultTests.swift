import ClusterModel
import Foundation
import Logging
import RemoteShell
import Synchronization
import Testing

@testable import SSHTransport

@Suite("Broken links", .sshd())
struct FaultTests {
    @Test("N01: a refused connection is named with its address at once")
    func refused() async throws {
        let nobody = TestServer.freshAddress()
        let error = try await connectError(address: nobody, port: 22)
        #expect(error.kind == .refused)
        #expect(error.event == "connection refused (\(nobody):22)")
        #expect(error.commandMayHaveStarted == false)
        #expect(error.exitCode == .unreachable)
    }

    @Test("N02: a host that does not answer is given up at the connect limit")
    func blackHole() async throws {
        let hole = try BlackHole()
        let start = ContinuousClock.now
        // What a second takes here, beside all the other tests.
        async let second = {
            for _ in 0..<10 { try await Task.sleep(for: .milliseconds(100)) }
            return ContinuousClock.now - start
        }()
        let error = try await connectError(port: hole.port, limit: .seconds(1))
        let took = ContinuousClock.now - start
        #expect(error.kind == .connectTimeout)
        #expect(error.event == "no answer within 1 s (127.0.0.1:\(hole.port))")
        #expect(took < (try await second) + .seconds(8))
    }

    @Test("a name that does not exist is named")
    func unknownName() async throws {
        let error = try await connectError(address: "no-such-host.invalid", port: 22)
        #expect(error.kind == .nameNotResolved)
        #expect(error.event == "the name no-such-host.invalid cannot be resolved (no-such-host.invalid:22)")
    }

    @Test("N03: a connection that breaks under a command leaves its outcome unknown")
    func reset() async throws {
        let error = try await errorWhile { server in kill(server, SIGKILL) }
        #expect(error.kind == .lost)
        #expect(error.commandMayHaveStarted == true)
        #expect(error.exitCode == .outcomeUnknown)
    }

    @Test("N04: a link that goes silent is found by the keep-alive")
    func halfOpen() async throws {
        let start = ContinuousClock.now
        let error = try await errorWhile(SSHOptions(keepAliveInterval: .seconds(2), keepAliveCount: 2)) { server in
            kill(server, SIGSTOP)
        }
        #expect(error.kind == .lost)
        #expect(error.event.contains("no answer for "))
        #expect(error.commandMayHaveStarted == true)
        #expect(ContinuousClock.now - start < .seconds(45), "the longest time a dead link may stay unnoticed")
    }

    private static let silentLinks =
        ProcessInfo.processInfo.environment["ROLLBOOK_SILENT_LINKS"].flatMap { Int($0) } ?? 0

    /// Takes 45 s of waiting for the very intervals a user has, so only `make endurance` asks for it.
    @Test("N04: links that go silent at the same moment are all found within 45 s", .enabled(if: silentLinks > 0))
    func manyHalfOpen() async throws {
        let times = try await withThrowingTaskGroup(of: Duration.self) { group in
            for _ in 0..<Self.silentLinks { group.addTask { try await timeToNotice() } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let slowest = try #require(times.max())
        #expect(slowest < .seconds(46), "45 s, and one for the machine")
        print("\(times.count) silent links: found after \(times.min() ?? .zero) to \(slowest)")
    }

    private func timeToNotice() async throws -> Duration {
        let stopped = Mutex<(server: pid_t, at: ContinuousClock.Instant)?>(nil)
        let error = try await errorWhile { server in
            kill(server, SIGSTOP)
            stopped.withLock { $0 = (server, .now) }
        }
        let now = ContinuousClock.now
        #expect(error.kind == .lost && error.commandMayHaveStarted)
        let (server, start) = try #require(stopped.withLock { $0 })
        kill(server, SIGKILL)
        return now - start
    }

    @Test("a silent command on a live link is not cut by the keep-alive")
    func silentCommand() async throws {
        let server = try TestServer.shared
        let options = SSHOptions(keepAliveInterval: .seconds(2), keepAliveCount: 3)
        let transport = try SSHTransport(trusting: server, options: options)
        let outcome = try await transport.connect(to: try server.host()).run("sleep 7; echo done")
        #expect(outcome.output.text == "done\n")
        await transport.shutdown()
    }

    @Test("N18: what is not SSH is told apart", arguments: Impostor.allCases)
    func notSSH(impostor: Impostor) async throws {
        let peer = try await ScriptedPeer(impostor)
        let error = try await connectError(port: peer.port, limit: .seconds(impostor == .silent ? 1 : 20))
        await peer.stop()
        #expect(error.kind == impostor.kind)
        #expect(error.event.contains(impostor.text), "\(error.event)")
        #expect(error.event.contains("127.0.0.1:\(peer.port)"))
        #expect(error.commandMayHaveStarted == false)
    }

    @Test("a server that turns a login away unheard is tried again")
    func turnedAway() async throws {
        let server = try TestServer.shared
        let peer = try await ScriptedPeer(forwardingTo: server, afterRefusing: 2)
        let transport = try SSHTransport(trusting: server)
        var settings = try server.host().ssh
        (settings.address, settings.port) = ("127.0.0.1", peer.port)
        let host = ClusterModel.Host(name: try #require(HostName("w1")), role: .worker, ssh: settings)
        let text = try await transport.connect(to: host).run("echo through").output.text
        #expect(text == "through\n")
        await transport.shutdown()
        await peer.stop()
    }

    @Test("a cancelled connect gets its answer at once")
    func cancelledConnect() async throws {
        let hole = try BlackHole()
        let transport = try SSHTransport(trusting: try TestServer.shared)
        let host = try self.host(port: hole.port, limit: .seconds(60))
        let task = Task { _ = try await transport.connect(to: host) }
        task.cancel()
        let error = await #expect(throws: TransportError.self) { try await task.value }
        #expect(error?.kind == .cancelled)
        #expect(error?.commandMayHaveStarted == false)
        await transport.shutdown()
    }

    @Test("all who wait for one connection get its one failure")
    func sharedFailure() async throws {
        let hole = try BlackHole()
        let transport = try SSHTransport(trusting: try TestServer.shared)
        let host = try self.host(port: hole.port, limit: .seconds(1))
        let kinds = await withTaskGroup(of: TransportError.Kind?.self) { group in
            for _ in 0..<5 {
                group.addTask {
                    do throws(TransportError) {
                        _ = try await transport.connect(to: host)
                        return nil
                    } catch {
                        return error.kind
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(kinds == Array(repeating: .connectTimeout, count: 5))
        await transport.shutdown()
    }

    // MARK: Helpers

    private func host(_ address: String = "127.0.0.1", port: Int, limit: Duration) throws -> ClusterModel.Host {
        var settings = try TestServer.shared.host().ssh
        (settings.address, settings.port, settings.connectTimeout) = (address, port, limit)
        return ClusterModel.Host(name: try #require(HostName("w1")), role: .worker, ssh: settings)
    }

    private func connectError(
        address: String = "127.0.0.1",
        port: Int,
        limit: Duration = .seconds(10)
    ) async throws
        -> TransportError
    {
        let transport = try SSHTransport(trusting: try TestServer.shared)
        let host = try self.host(address, port: port, limit: limit)
        let error = await #expect(throws: TransportError.self) { _ = try await transport.connect(to: host) }
        await transport.shutdown()
        return try #require(error)
    }

    /// The error of a command whose sshd process is treated with `action` while it runs.
    private func errorWhile(
        _ options: SSHOptions = SSHOptions(),
        _ action: (pid_t) -> Void
    ) async throws -> TransportError {
        let server = try TestServer.shared
        let transport = try SSHTransport(trusting: server, options: options)
        let connection = try await transport.connect(to: try server.host())
        let (started, signal) = AsyncStream.makeStream(of: Void.self)
        let output = Notifier(signal)
        let task = Task {
            defer { signal.finish() }
            return try await connection.exec(
                ExecRequest(
                    commandLine: "echo $PPID; sleep 100",
                    output: output,
                    errorOutput: Collector(),
                    deadline: .seconds(60)
                )
            )
        }
        for await _ in started { break }
        let process = try #require(pid_t(output.text.trimmingCharacters(in: .whitespacesAndNewlines)))
        action(process)
        let error = await #expect(throws: TransportError.self) { try await task.value }
        kill(process, SIGKILL)
        await transport.shutdown()
        return try #require(error)
    }
}

@Suite("A server that exchanges keys again and again", .sshd(["RekeyLimit 1M"]))
struct RekeyTests {
    @Test("N20: new keys in the middle of transfers in both directions go unnoticed")
    func rekey() async throws {
        let server = try TestServer.shared
        let transport = try SSHTransport(trusting: server)
        let connection = try await transport.connect(to: try server.host())
        let size = 16 * 1024 * 1024
        let source = Pattern(size: size)
        async let upload = connection.run("sha256sum", input: source)
        let echoed = Pattern(size: size)
        let down = try await connection.run("tee /dev/stderr | sha256sum", input: echoed, keeping: false)
        #expect(down.errorOutput.count == size)
        #expect(down.errorOutput.digest == echoed.digest)
        let up = try await upload
        #expect(up.output.text.hasPrefix(source.digest))
        await transport.shutdown()
    }
}

@Suite(
    "A hardened server",
    .sshd(["MACs hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com", "Ciphers aes256-ctr"])
)
struct HardenedTests {
    @Test("-etm MACs only: works where the library can, else the error says what it lacks")
    func encryptThenMAC() async throws {
        let server = try TestServer.shared
        let transport = try SSHTransport(trusting: server)
        let host = try server.host()
        if LibSSH2.isModern {
            let text = try await transport.connect(to: host).run("echo in").output.text
            #expect(text == "in\n")
        } else {
            let error = await #expect(throws: TransportError.self) { _ = try await transport.connect(to: host) }
            #expect(error?.kind == .handshakeFailed)
            #expect(error?.event.contains("libssh2 \(SSHTransport.libraryVersion) cannot use") == true)
        }
        await transport.shutdown()
    }
}

@Suite("A server that throttles logins", .sshd(["MaxStartups 2:50:4"]))
struct ThrottleTests {
    @Test("N16: many logins at once all succeed, turned away ones are tried again")
    func throttled() async throws {
        let server = try TestServer.shared
        let transport = try SSHTransport(trusting: server)
        try await withThrowingTaskGroup(of: String.self) { group in
            for number in 0..<12 {
                let host = try server.host("w\(number)")
                group.addTask { try await transport.connect(to: host).run("echo in").output.text }
            }
            for try await text in group { #expect(text == "in\n") }
        }
        await transport.shutdown()
    }
}

@Suite("A server that closes channels on its own", .sshd(["ChannelTimeout session:*=1s"]))
struct ChannelTimeoutTests {
    @Test("N19: the end of a channel without an end of the command is not a result")
    func channelTimeout() async throws {
        let server = try TestServer.shared
        let transport = try SSHTransport(trusting: server)
        let connection = try await transport.connect(to: try server.host())
        let file = server.folder.appending(path: "ran-on")
        do {
            // What the server then says proves nothing; that the command ran on shows in the file.
            let outcome = try await connection.run(
                "sleep 3; echo end > \(file.path); echo trailer; exit 7",
                deadline: .seconds(8)
            )
            #expect(outcome.output.text.isEmpty)
        } catch let error as TransportError {
            #expect(error.commandMayHaveStarted == true)
        }
        await transport.shutdown()
    }
}
