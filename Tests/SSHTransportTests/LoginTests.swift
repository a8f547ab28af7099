import ClusterModel
import Foundation
import RemoteShell
import Testing

@testable import SSHTransport

@Suite("Logging in", .sshd())
struct LoginTests {
    @Test(
        "ed25519 and ecdsa keys log in, plain and encrypted",
        arguments: ["ed25519", "ecdsa"],
        ["", "correct horse"]
    )
    func keyFiles(type: String, passphrase: String) async throws {
        let server = try TestServer.shared
        let key = try newKey(type, passphrase: passphrase)
        try server.authorize(key.appendingPathExtension("pub"))
        var passphraseFile: String?
        if !passphrase.isEmpty { passphraseFile = try secretFile("\(passphrase)\n") }
        try await expectLogin(with: [.file(path: key.path, passphraseFile: passphraseFile)])
    }

    @Test("a key in the older PEM format logs in")
    func pem() async throws {
        let server = try TestServer.shared
        let key = server.folder.appending(path: UUID().uuidString)
        try ChildProcess.run(["/usr/bin/ssh-keygen", "-q", "-t", "ecdsa", "-m", "PEM", "-N", "", "-f", key.path])
        try server.authorize(key.appendingPathExtension("pub"))
        try await expectLogin(with: [.file(path: key.path, passphraseFile: nil)])
    }

    @Test("a wrong passphrase is named as such")
    func wrongPassphrase() async throws {
        let key = try newKey("ed25519", passphrase: "right")
        try TestServer.shared.authorize(key.appendingPathExtension("pub"))
        let error = try await loginError(with: [.file(path: key.path, passphraseFile: try secretFile("wrong\n"))])
        #expect(error.kind == .authenticationFailed)
        #expect(error.event.hasPrefix("wrong passphrase for key ssh-ed25519 SHA256:"))
        #expect(error.event.contains(key.path))
    }

    @Test("an encrypted key without a passphrase says what to do")
    func missingPassphrase() async throws {
        let key = try newKey("ed25519", passphrase: "right")
        let error = try await loginError(with: [.file(path: key.path, passphraseFile: nil)])
        #expect(error.event == "key \(key.path) needs a passphrase")
        #expect(error.next?.contains("ssh-add \(key.path)") == true)
    }

    @Test("an RSA key works where the library can, else the error says why not")
    func rsa() async throws {
        let server = try TestServer.shared
        let key = try newKey("rsa", bits: 2048)
        try server.authorize(key.appendingPathExtension("pub"))
        if LibSSH2.isModern { return try await expectLogin(with: [.file(path: key.path, passphraseFile: nil)]) }
        let error = try await loginError(with: [.file(path: key.path, passphraseFile: nil)])
        #expect(error.event.contains("RSA keys need libssh2 1.11 or later"))
        #expect(error.event.contains("use an ed25519 key"))
    }

    @Test("a refused key is named with its fingerprint, file and user")
    func refused() async throws {
        let key = try newKey("ed25519")
        let error = try await loginError(with: [.file(path: key.path, passphraseFile: nil)])
        #expect(error.kind == .authenticationFailed)
        #expect(error.event.hasPrefix("the server refused user \(NSUserName()) with key ssh-ed25519 SHA256:"))
        #expect(error.event.contains("(\(key.path))"))
        #expect(error.commandMayHaveStarted == false)
    }

    @Test("the second key is tried when the first is refused, a third never")
    func secondKey() async throws {
        let server = try TestServer.shared
        let good = SSHIdentity.file(path: server.folder.appending(path: "user").path, passphraseFile: nil)
        let bad = try [newKey("ed25519"), newKey("ed25519")].map {
            SSHIdentity.file(path: $0.path, passphraseFile: nil)
        }
        try await expectLogin(with: [bad[0], good])
        let error = try await loginError(with: [bad[0], bad[1], good])
        #expect(error.event.contains(" keys "))
    }

    @Test("a key file that others can read is refused before anything is contacted", arguments: [0o644, 0o640, 0o604])
    func mode(mode: Int) async throws {
        let key = try newKey("ed25519")
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: key.path)
        let error = try await loginError(with: [.file(path: key.path, passphraseFile: nil)])
        #expect(error.kind == .localFile)
        #expect(error.event == "\(key.path): mode 0\(String(mode, radix: 8)); want 0600")
        #expect(error.exitCode == .security)
    }

    @Test("a missing key file is named")
    func missingFile() async throws {
        let error = try await loginError(with: [.file(path: "/nonexistent/key", passphraseFile: nil)])
        #expect(error.kind == .localFile)
        #expect(error.event == "/nonexistent/key: no such file or directory")
    }

    @Test("a public key given as the key is refused with a hint")
    func publicKeyFile() async throws {
        let server = try TestServer.shared
        let file = server.folder.appending(path: UUID().uuidString)
        try FileManager.default.copyItem(at: server.folder.appending(path: "user.pub"), to: file)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
        let error = try await loginError(with: [.file(path: file.path, passphraseFile: nil)])
        #expect(error.event == "\(file.path) is not a private key")
    }

    @Test("keys of an agent log in", arguments: ["ed25519", "ecdsa"])
    func agent(type: String) async throws {
        let server = try TestServer.shared
        let key = try newKey(type)
        try server.authorize(key.appendingPathExtension("pub"))
        try await withAgent(holding: [key]) { socket in
            try await expectLogin(with: [.agent], agent: socket)
        }
    }

    @Test("an RSA key in the agent does not use up an attempt of a library that cannot use it")
    func agentWithRSA() async throws {
        let server = try TestServer.shared
        let (rsa, good) = (try newKey("rsa", bits: 2048), try newKey("ed25519"))
        try server.authorize(good.appendingPathExtension("pub"))
        try await withAgent(holding: [rsa, good]) { socket in
            try await expectLogin(with: [.agent], agent: socket)
        }
        guard !LibSSH2.isModern else { return }
        try await withAgent(holding: [rsa]) { socket in
            let error = try await loginError(with: [.agent], agent: socket)
            #expect(error.event.hasPrefix("the SSH agent holds only RSA keys; RSA keys need libssh2 1.11"))
        }
    }

    @Test("an agent that is gone, empty or not configured is named")
    func agentTrouble() async throws {
        let gone = try await loginError(with: [.agent], agent: "/nonexistent/agent")
        #expect(gone.event == "the SSH agent cannot be reached (/nonexistent/agent): no such file or directory")
        let none = try await loginError(with: [.agent])
        #expect(none.event == "there is no SSH agent: SSH_AUTH_SOCK is not set")
        try await withAgent(holding: []) { socket in
            let empty = try await loginError(with: [.agent], agent: socket)
            #expect(empty.event == "the SSH agent holds no keys")
        }
    }

    @Test("an unusable identity does not matter while another one serves")
    func fallback() async throws {
        let server = try TestServer.shared
        let good = SSHIdentity.file(path: server.folder.appending(path: "user").path, passphraseFile: nil)
        try await expectLogin(with: [.agent, good])
    }

    // MARK: Helpers

    private func newKey(_ type: String, bits: Int? = nil, passphrase: String = "") throws -> URL {
        let file = try TestServer.shared.folder.appending(path: UUID().uuidString)
        try TestServer.makeKey(file, type: type, bits: bits, passphrase: passphrase)
        return file
    }

    private func secretFile(_ text: String) throws -> String {
        let file = try TestServer.shared.folder.appending(path: UUID().uuidString).path
        _ = FileManager.default.createFile(
            atPath: file,
            contents: Data(text.utf8),
            attributes: [.posixPermissions: 0o600]
        )
        return file
    }

    private func expectLogin(with keys: [SSHIdentity], agent: String? = nil) async throws {
        let server = try TestServer.shared
        let transport = try SSHTransport(trusting: server, options: SSHOptions(agentSocketPath: agent))
        let connection = try await transport.connect(to: try server.host(keys: keys))
        let text = try await connection.run("echo in").output.text
        #expect(text == "in\n")
        await transport.shutdown()
    }

    private func loginError(with keys: [SSHIdentity], agent: String? = nil) async throws -> TransportError {
        let server = try TestServer.shared
        let transport = try SSHTransport(trusting: server, options: SSHOptions(agentSocketPath: agent))
        let host = try server.host(keys: keys)
        let error = await #expect(throws: TransportError.self) { _ = try await transport.connect(to: host) }
        await transport.shutdown()
        return try #require(error)
    }

    private func withAgent(holding keys: [URL], _ body: (String) async throws -> Void) async throws {
        let socket = try TestServer.shared.folder.appending(path: "agent-\(UUID().uuidString.prefix(8))").path
        let agent = try ChildProcess(["/usr/bin/ssh-agent", "-D", "-a", socket])
        defer { agent.stop() }
        try await agent.waitForLine(containing: "SSH_AUTH_SOCK")
        for key in keys {
            try ChildProcess.run(["/usr/bin/env", "SSH_AUTH_SOCK=\(socket)", "/usr/bin/ssh-add", "-q", key.path])
        }
        try await body(socket)
    }
}
