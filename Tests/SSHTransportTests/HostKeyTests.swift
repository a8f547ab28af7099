import ClusterModel
import Foundation
import Logging
import RemoteShell
import Testing

@testable import SSHTransport

@Suite("Host keys", .sshd(hostKeys: ["ed25519", "ecdsa", "rsa"]))
struct HostKeyTests {
    @Test("an unknown key stops the login and names the command that would trust it")
    func unknown() async throws {
        let error = try await connectError(FixedHostKeys(trusting: []))
        let server = try TestServer.shared
        let fingerprint = HostKey.fingerprint(of: try server.hostKey("ed25519"))
        #expect(error.kind == .hostKeyUnknown)
        #expect(
            error.event == "offers ssh-ed25519 \(fingerprint) which is not in known_hosts; "
                + "Rollbook never adds keys by itself (\(server.address):\(server.port))"
        )
        #expect(error.next == "rollbook hosts trust w1 --fingerprint \(fingerprint)")
        #expect(error.exitCode == .security)
    }

    @Test("our fingerprints are ssh-keygen's")
    func fingerprints() throws {
        let server = try TestServer.shared
        for type in ["ed25519", "ecdsa", "rsa"] {
            let file = server.folder.appending(path: "host_\(type).pub").path
            let shown = try ChildProcess.run(["/usr/bin/ssh-keygen", "-lf", file])
            #expect(shown.contains(" \(HostKey.fingerprint(of: try server.hostKey(type))) "))
        }
    }

    @Test("a changed and a revoked key stop the login")
    func changedAndRevoked() async throws {
        let changed = try await connectError(
            FixedHostKeys { _, _ in .changed(known: ["SHA256:a"], offered: "SHA256:b") }
        )
        #expect(changed.kind == .hostKeyChanged)
        #expect(changed.event.hasPrefix("HOST KEY CHANGED (known SHA256:a, offered SHA256:b)"))
        let revoked = try await connectError(FixedHostKeys { type, _ in .revoked(offered: "\(type) SHA256:c") })
        #expect(revoked.kind == .hostKeyRevoked)
        #expect(revoked.event.contains("revoked"))
    }

    @Test("the key type that is known is the one that is negotiated", arguments: ["ed25519", "ecdsa"])
    func knownType(type: String) async throws {
        let server = try TestServer.shared
        let key = try server.hostKey(type)
        let policy = FixedHostKeys(trusting: [key], types: [HostKey.type(of: key)])
        let transport = SSHTransport(options: SSHOptions(), hostKeys: policy, logger: Logger(label: "test"))
        let connection = try await transport.connect(to: try server.host())
        #expect(connection.host.text == "w1")
        await transport.shutdown()
    }

    @Test("known hosts are asked for the alias without a port, else for address and port")
    func lookedUpName() async throws {
        let server = try TestServer.shared
        var host = try server.host()
        #expect(Route(to: host).target.knownName == server.address)
        #expect(Route(to: host).target.knownPort == server.port)
        var settings = host.ssh
        settings.hostKeyAlias = "w1.example"
        host = ClusterModel.Host(name: host.name, role: .worker, ssh: settings)
        #expect(Route(to: host).target.knownName == "w1.example")
        #expect(Route(to: host).target.knownPort == 22)
    }

    @Test("a scan lists the keys a host offers and logs nobody in")
    func scan() async throws {
        let server = try TestServer.shared
        let transport = SSHTransport(
            options: SSHOptions(),
            hostKeys: FixedHostKeys(trusting: []),
            logger: Logger(label: "test")
        )
        let offered = try await transport.scan(try server.host(keys: []))
        let expected = try (["ed25519", "ecdsa"] + (LibSSH2.isModern ? ["rsa"] : [])).map { try server.hostKey($0) }
        #expect(offered.map(\.key) == expected)
        #expect(offered.first?.type == "ssh-ed25519")
        await transport.shutdown()
    }

    @Test("a host with only an RSA key says what the library lacks")
    func onlyRSA() async throws {
        let server = try await TestServer.start(hostKeys: ["rsa"])
        defer { server.stop() }
        let transport = try SSHTransport(trusting: server, type: "rsa")
        if LibSSH2.isModern {
            _ = try await transport.connect(to: try server.host())
        } else {
            let host = try server.host()
            let error = await #expect(throws: TransportError.self) { _ = try await transport.connect(to: host) }
            #expect(error?.kind == .handshakeFailed)
            #expect(error?.event.contains("cannot use RSA-only host keys, -etm MACs or AEAD ciphers") == true)
            #expect(error?.next?.contains("ssh-keygen -A") == true)
        }
        await transport.shutdown()
    }

    private func connectError(_ policy: FixedHostKeys) async throws -> TransportError {
        let transport = SSHTransport(options: SSHOptions(), hostKeys: policy, logger: Logger(label: "test"))
        let host = try TestServer.shared.host()
        let error = await #expect(throws: TransportError.self) { _ = try await transport.connect(to: host) }
        await transport.shutdown()
        return try #require(error)
    }
}
