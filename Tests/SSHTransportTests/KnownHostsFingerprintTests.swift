import Foundation
import SSHTransport
import Testing

@Suite("Host key fingerprints")
struct KnownHostsFingerprintTests {
    private let blob = KnownHostsTests.blob(KnownHostsSamples.keys[0])
    private let text = "SHA256:K7NIND68S4eRYo2FyC251K3I+pK3Oet0M0QYcjWUN0w"

    @Test("a fingerprint is what ssh-keygen -l prints")
    func printed() throws {
        let folder = try TemporaryFolder()
        let keys = KnownHostsSamples.keys.dropLast()
        for (index, key) in keys.enumerated() { try folder.write("\(key)\n", to: "\(index).pub") }
        let keygen = try OpenSSH.program("/usr/bin/ssh-keygen")
        let output = try OpenSSH.shell(keys.indices.map { "'\(keygen)' -l -f \($0).pub\n" }.joined(), in: folder)
        let theirs = output.split(separator: "\n").map { String($0.split(separator: " ")[1]) }
        #expect(theirs == keys.map { HostKeyFingerprint(ofKey: KnownHostsTests.blob($0)).description })
        #expect(HostKeyFingerprint.text(ofKey: blob, fallbackType: "x") == "ssh-ed25519 \(text)")
        #expect(HostKeyFingerprint.text(ofKey: [1, 2], fallbackType: "ssh-new").hasPrefix("ssh-new SHA256:"))
    }

    @Test("a typed fingerprint equals that of its key")
    func typed() throws {
        #expect(try HostKeyFingerprint(parsing: text) == HostKeyFingerprint(ofKey: blob))
        #expect(try HostKeyFingerprint(parsing: "  ssh-ed25519 \(text)\n") == HostKeyFingerprint(ofKey: blob))
        #expect(try HostKeyFingerprint(parsing: text).description == text)
    }

    @Test(
        "anything but one whole SHA-256 fingerprint is refused",
        arguments: [
            ("", "is not one fingerprint"),
            ("K7NIND68S4eRYo2FyC251K3I+pK3Oet0M0QYcjWUN0w", "does not begin with SHA256:"),
            ("SHA256:K7NIND68S4eRYo2FyC251K3I+pK3Oet0M0QYcjWUN0", "is not whole"),
            ("SHA256:K7NIND68S4eRYo2FyC251K3I+pK3Oet0M0QYcjWUN0w=", "is not whole"),
            ("SHA256:K7NIND68S4eRYo2FyC251K3I+pK3Oet0M0QYcjWUN0x", "is not whole"),
            ("SHA256:K7NIND68S4eRYo2FyC251K3I+pK3Oet0M0QYcjWUN_w", "is not whole"),
            ("sha256:K7NIND68S4eRYo2FyC251K3I+pK3Oet0M0QYcjWUN0w", "does not begin with SHA256:"),
            ("MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48", "is an MD5 fingerprint"),
            ("16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48", "is an MD5 fingerprint"),
            ("SHA256:a SHA256:b", "is not one fingerprint"),
        ]
    )
    func refused(_ typed: String, _ reason: String) throws {
        let error = try #require(throws: HostKeyFingerprint.ParseError.self) { try HostKeyFingerprint(parsing: typed) }
        #expect(error.text.contains(reason))
    }

    @Test("the type of a key comes from its blob, and a damaged blob is no key")
    func keyTypes() throws {
        for key in KnownHostsSamples.keys.dropLast() {
            #expect(try KnownHostsKey(blob: KnownHostsTests.blob(key)).type == String(key.split(separator: " ")[0]))
        }
        #expect(throws: KnownHostsKey.Problem.shortRSA(bits: 768)) {
            try KnownHostsKey(blob: KnownHostsTests.blob(KnownHostsSamples.keys[9]))
        }
        for length in 0..<blob.count {
            #expect(throws: KnownHostsKey.Problem.self) { try KnownHostsKey(blob: Array(blob.prefix(length))) }
        }
        #expect(throws: KnownHostsKey.Problem.malformed) { try KnownHostsKey(blob: blob + [0]) }
    }
}
