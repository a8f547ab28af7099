import Foundation
import Testing

@testable import SSHTransport

@Suite("Keys and the agent's messages")
struct KeyFormatTests {
    @Test(
        "the public half, the kind and the encryption of a key file are read without its secret",
        arguments: [
            ("ed25519", "", "ssh-ed25519"), ("ecdsa", "", "ecdsa-sha2-nistp256"), ("ed25519", "secret", "ssh-ed25519"),
            ("rsa", "secret", "ssh-rsa"),
        ]
    )
    func containers(type: String, passphrase: String, name: String) throws {
        try withKey(type, passphrase: passphrase) { file, line in
            let key = try #require(PrivateKeyFile(file))
            #expect(key.isEncrypted == !passphrase.isEmpty)
            #expect(key.isRSA == (type == "rsa"))
            #expect(key.publicKey == PrivateKeyFile.publicKey(inLine: line))
            #expect(HostKey.type(of: try #require(key.publicKey)) == name)
        }
    }

    @Test("a passphrase comes off, and what is left has the same key", arguments: ["aes256-ctr", "aes128-ctr"])
    func decryption(cipher: String) throws {
        try withKey("ed25519", passphrase: "correct horse", options: ["-Z", cipher]) { file, line in
            let container = try #require(PrivateKeyFile(file)?.container)
            guard case .plain(let plain) = container.decrypted(with: "correct horse") else {
                Issue.record("not decrypted")
                return
            }
            let bare = try #require(PrivateKeyFile(plain))
            #expect(!bare.isEncrypted)
            #expect(bare.publicKey == PrivateKeyFile.publicKey(inLine: line))
            // ssh-keygen itself reads it and finds the same public key in its secret part.
            let copy = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
            defer { try? FileManager.default.removeItem(at: copy) }
            #expect(
                FileManager.default.createFile(
                    atPath: copy.path,
                    contents: Data(plain),
                    attributes: [.posixPermissions: 0o600]
                )
            )
            let shown = try ChildProcess.run(["/usr/bin/ssh-keygen", "-y", "-f", copy.path])
            #expect(PrivateKeyFile.publicKey(inLine: Array(shown.utf8)) == bare.publicKey)
            #expect(container.decrypted(with: "correct hors") == .wrongPassphrase)
        }
    }

    @Test("a cipher that is not ours is left to the library")
    func otherCipher() throws {
        try withKey("ed25519", passphrase: "x1234", options: ["-Z", "aes256-cbc"]) { file, _ in
            let container = try #require(PrivateKeyFile(file)?.container)
            #expect(container.decrypted(with: "x1234") == .unsupported)
        }
    }

    @Test("damaged key files are no keys, and no crash")
    func damaged() throws {
        try withKey("ed25519", passphrase: "") { file, _ in
            for length in stride(from: 0, to: file.count - 40, by: 7) {
                #expect(PrivateKeyFile(Array(file.prefix(length)))?.publicKey?.count ?? 51 <= 51)
            }
        }
        #expect(PrivateKeyFile(Array("ssh-ed25519 AAAA comment\n".utf8)) == nil)
        #expect(PrivateKeyFile([0xFF, 0xFE]) == nil)
    }

    @Test("older files are told by their headers")
    func headers() {
        #expect(PrivateKeyFile(Array("-----BEGIN RSA PRIVATE KEY-----\n".utf8))?.isRSA == true)
        #expect(PrivateKeyFile(Array("-----BEGIN EC PRIVATE KEY-----\n".utf8))?.isRSA == false)
        #expect(PrivateKeyFile(Array("-----BEGIN ENCRYPTED PRIVATE KEY-----\n".utf8))?.isEncrypted == true)
        let pem = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
        #expect(PrivateKeyFile(Array(pem.utf8))?.isEncrypted == true)
    }

    @Test(
        "an RSA signature is asked for with the algorithm of the login request",
        arguments: [
            ("ssh-ed25519", 0), ("ssh-rsa", 0), ("rsa-sha2-256", 2), ("rsa-sha2-512", 4),
        ]
    )
    func agentFlags(algorithm: String, flags: Int) {
        var request = WireWriter()
        request.string(Array(repeating: 7, count: 32))
        request.byte(50)
        for text in ["root", "ssh-connection", "publickey"] { request.string(text.utf8) }
        request.byte(1)
        request.string(algorithm.utf8)
        #expect(AgentMessage.flags(for: request.bytes) == flags)
        #expect(AgentMessage.flags(for: Array(request.bytes.prefix(40))) == 0)
    }

    @Test("an agent's answers are read, and damaged ones refused at every length")
    func agentAnswers() throws {
        var list = WireWriter()
        list.byte(12)
        list.uint32(2)
        for name in ["one", "two"] {
            list.string("key \(name)".utf8)
            list.string(name.utf8)
        }
        let identities = try AgentMessage.identities(in: list.bytes)
        #expect(identities.map(\.comment) == ["one", "two"])
        #expect(identities.first?.publicKey == Array("key one".utf8))
        for length in 0..<list.bytes.count {
            #expect(throws: LinkFault.self) { try AgentMessage.identities(in: Array(list.bytes.prefix(length))) }
        }
        var blob = WireWriter()
        blob.string("ssh-ed25519".utf8)
        blob.string([1, 2, 3])
        var answer = WireWriter()
        answer.byte(14)
        answer.string(blob.bytes)
        #expect(try AgentMessage.signature(in: answer.bytes) == [1, 2, 3])
        #expect(throws: LinkFault.self) { try AgentMessage.signature(in: [5]) }
    }

    @Test("known kinds of host keys come first, and RSA means its SHA-2 signatures")
    func hostKeyOrder() {
        #expect(Methods.hostKeyOrder(known: []) == Methods.hostKeys)
        #expect(Methods.hostKeyOrder(known: ["ecdsa-sha2-nistp256"]).first == "ecdsa-sha2-nistp256")
        #expect(Methods.hostKeyOrder(known: ["ssh-rsa"]).prefix(2) == ["rsa-sha2-512", "rsa-sha2-256"])
        #expect(!Methods.hostKeyOrder(known: ["ssh-rsa", "ssh-dss"]).contains("ssh-rsa"))
        #expect(Set(Methods.hostKeyOrder(known: ["ssh-dss"])) == Set(Methods.hostKeys))
    }

    @Test("places are given in order, and to no more than allowed")
    func gate() {
        let gate = HandshakeGate(limit: 2)
        var order: [Int] = []
        for number in 0..<5 { gate.enter { order.append(number) } }
        #expect(order == [0, 1])
        gate.leave()
        #expect(order == [0, 1, 2])
        for _ in 0..<4 { gate.leave() }
        #expect(order == [0, 1, 2, 3, 4])
    }

    @Test(
        "times are written as people write them",
        arguments: [
            (Duration.seconds(10), "10 s"), (.milliseconds(1500), "1.5 s"), (.milliseconds(250), "0.250 s"),
            (.zero, "0 s"),
        ]
    )
    func durations(duration: Duration, text: String) { #expect(duration.text == text) }

    private func withKey(
        _ type: String,
        passphrase: String,
        options: [String] = [],
        _ body: ([UInt8], [UInt8]) throws -> Void
    ) throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "rollbook-key-\(UUID().uuidString)")
        let line = file.appendingPathExtension("pub")
        defer { for each in [file, line] { try? FileManager.default.removeItem(at: each) } }
        try ChildProcess.run(
            ["/usr/bin/ssh-keygen", "-q", "-t", type, "-N", passphrase, "-a", "1", "-C", "test", "-f", file.path]
                + options
        )
        try body(Array(Data(contentsOf: file)), Array(Data(contentsOf: line)))
    }
}
