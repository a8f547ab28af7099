import ClusterModel
import Foundation
import SSHTransport
import Testing

@Suite("Known hosts files")
struct KnownHostsStoreTests {
    private static let first = KnownHostsSamples.keys[0]
    private static let second = KnownHostsSamples.keys[1]
    private static let ecdsa = KnownHostsSamples.keys[2]

    private func key(_ text: String) throws -> KnownHostsKey { try KnownHostsKey(blob: KnownHostsTests.blob(text)) }

    private func mode(_ path: String) throws -> Int {
        let value = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
        return try #require(value as? NSNumber).intValue
    }

    @Test("missing files, none and /dev/null are empty")
    func missing() throws {
        let folder = try TemporaryFolder()
        let store = try KnownHostsStore(paths: ["\(folder.path)/absent", "none", "/dev/null"])
        #expect(store.hosts.lines.isEmpty)
        #expect(store.diagnostics.isEmpty)
    }

    @Test("a file that others may write, or a folder in its place, is refused with the next command")
    func unsafeFiles() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("h1 \(Self.first)\n", to: "known")
        for bits in [0o620, 0o602, 0o666] {
            try FileManager.default.setAttributes([.posixPermissions: bits], ofItemAtPath: path)
            let refusal = try #require(throws: OperatorMessage.self) { try KnownHostsStore(paths: [path]) }
            #expect(refusal.code == .security)
            #expect(refusal.next == "chmod go-w '\(path)'")
        }
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        #expect(try KnownHostsStore(paths: [path]).hosts.lines.count == 1)
        let refusal = try #require(throws: OperatorMessage.self) { try KnownHostsStore(paths: [folder.path]) }
        #expect(refusal.event == "this is not a regular file")
    }

    @Test("the digest binds paths and contents")
    func digest() {
        let one = KnownHosts.File(path: "a", bytes: [1, 2])
        let digest = KnownHostsStore(files: [one]).digest
        #expect(digest.hasPrefix("sha256:") && digest.count == 71)
        #expect(KnownHostsStore(files: [one]).digest == digest)
        #expect(KnownHostsStore(files: [.init(path: "b", bytes: [1, 2])]).digest != digest)
        #expect(KnownHostsStore(files: [.init(path: "a", bytes: [1, 3])]).digest != digest)
    }

    @Test("trusting a key creates the file with mode 0600 in a directory with 0700, and the key is trusted")
    func create() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/.ssh/known_hosts"
        let outcome = try KnownHostsAppender(paths: [path]).trust(
            try key(Self.first),
            forHost: "W3.Example",
            port: 2222
        )
        #expect(outcome == .added(line: "[w3.example]:2222 \(Self.first)", file: path))
        #expect(try mode(path) == 0o600)
        #expect(try mode("\(folder.path)/.ssh") == 0o700)
        let store = try KnownHostsStore(paths: [path])
        let key = try key(Self.first)
        #expect(store.verdict(forHost: "w3.example", port: 2222, keyType: key.type, key: key.blob) == .trusted)
        // Once more changes nothing.
        let before = try folder.bytes(of: ".ssh/known_hosts")
        #expect(try KnownHostsAppender(paths: [path]).trust(key, forHost: "w3.example", port: 2222) == .alreadyTrusted)
        #expect(try folder.bytes(of: ".ssh/known_hosts") == before)
    }

    @Test("every byte that was there stays, and a last line without its line feed stays a line")
    func append() throws {
        let folder = try TemporaryFolder()
        let before = Array("# mine\r\nbad line\nh1 \(Self.second)".utf8)
        let path = try folder.write(before, to: "known")
        _ = try KnownHostsAppender(paths: [path]).trust(try key(Self.first), forHost: "h2", port: 22)
        #expect(try folder.bytes(of: "known") == before + Array("\nh2 \(Self.first)\n".utf8))
        // A key of another type goes beside the first one.
        _ = try KnownHostsAppender(paths: [path]).trust(try key(Self.ecdsa), forHost: "h2", port: 22)
        #expect(try folder.bytes(of: "known") == before + Array("\nh2 \(Self.first)\nh2 \(Self.ecdsa)\n".utf8))
    }

    @Test("another key of the same type is refused with the command that removes the old one")
    func rival() throws {
        let folder = try TemporaryFolder()
        let own = try folder.write("", to: "own")
        let path = try folder.write("h1 \(Self.first)\na,h2 \(Self.first)\n", to: "global")
        let appender = KnownHostsAppender(paths: [own, path])
        let refusal = try #require(throws: OperatorMessage.self) {
            try appender.trust(try key(Self.second), forHost: "h1", port: 22)
        }
        #expect(refusal.code == .security)
        #expect(refusal.next == "if the key was changed on purpose: ssh-keygen -R 'h1' -f '\(path)'")
        let shared = try #require(throws: OperatorMessage.self) {
            try appender.trust(try key(Self.second), forHost: "h2", port: 22)
        }
        #expect(shared.next == "that line names other hosts as well: edit line 2 of \(path)")
        #expect(try folder.bytes(of: "own").isEmpty)
        // The command given does what is needed.
        try OpenSSH.shell("'\(try OpenSSH.program("/usr/bin/ssh-keygen"))' -R 'h1' -f '\(path)'", in: folder)
        #expect(try appender.trust(try key(Self.second), forHost: "h1", port: 22) != .alreadyTrusted)
    }

    @Test("a revoked key is never added")
    func revoked() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("@revoked * \(Self.first)\n", to: "known")
        let refusal = try #require(throws: OperatorMessage.self) {
            try KnownHostsAppender(paths: [path]).trust(try key(Self.first), forHost: "h1", port: 22)
        }
        #expect(refusal.code == .security)
        #expect(refusal.event.hasSuffix("is marked @revoked in known_hosts"))
    }

    @Test(
        "a name that the file could not hold is refused",
        arguments: ["", "a b", "a,b", "*", "h?", "!h1", "@revoked", "#h1", "|1|x", "h1\nh2", "[h1]", "h\u{E9}", "-R"]
    )
    func badNames(_ name: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("", to: "known")
        #expect(throws: OperatorMessage.self) {
            try KnownHostsAppender(paths: [path]).trust(try key(Self.first), forHost: name, port: 22)
        }
        #expect(try folder.bytes(of: "known").isEmpty)
    }

    @Test("a file that another program has locked is left alone")
    func locked() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("", to: "known")
        let holder = try #require(FileHandle(forUpdatingAtPath: path))
        #expect(flock(holder.fileDescriptor, LOCK_EX) == 0)
        let refusal = try #require(throws: OperatorMessage.self) {
            try KnownHostsAppender(paths: [path]).trust(try key(Self.first), forHost: "h1", port: 22)
        }
        #expect(refusal.code == .locked)
        try holder.close()
    }
}
