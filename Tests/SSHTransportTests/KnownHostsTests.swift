import ClusterModel
import Foundation
import SSHTransport
import Testing

@Suite("Known hosts")
struct KnownHostsTests {
    static let first = KnownHostsSamples.keys[0]
    static let second = KnownHostsSamples.keys[1]
    static let ecdsa = KnownHostsSamples.keys[2]
    static let rsa = KnownHostsSamples.keys[7]

    static func blob(_ key: String) -> [UInt8] {
        Data(base64Encoded: String(key.split(separator: " ")[1])).map(Array.init) ?? []
    }

    static func known(_ files: String...) -> KnownHosts {
        KnownHosts(files: files.enumerated().map { .init(path: "file\($0.offset)", bytes: Array($0.element.utf8)) })
    }

    private func verdict(_ known: KnownHosts, _ name: String, _ key: String) -> HostKeyVerdict {
        verdict(known, name, 22, key)
    }

    private func verdict(_ known: KnownHosts, _ name: String, _ port: Int, _ key: String) -> HostKeyVerdict {
        known.verdict(forHost: name, port: port, keyType: String(key.split(separator: " ")[0]), key: Self.blob(key))
    }

    static let firstText = "ssh-ed25519 SHA256:K7NIND68S4eRYo2FyC251K3I+pK3Oet0M0QYcjWUN0w"
    static let secondText = "ssh-ed25519 SHA256:CcNF01U7PA9Ja1W/Qe5/tKpHW35sL3+XsxEhbVHwwHk"
    static let ecdsaText = "ecdsa-sha2-nistp256 SHA256:T0j14cfOK1X/Vn3urEs75WwWPqhyRMkq34YGMQR5u4A"

    @Test("a listed key is trusted, whatever the case of the name")
    func trusted() {
        let known = Self.known("Master1,10.0.0.5 \(Self.first)\n")
        #expect(verdict(known, "master1", Self.first) == .trusted)
        #expect(verdict(known, "MASTER1", Self.first) == .trusted)
        #expect(verdict(known, "10.0.0.5", Self.first) == .trusted)
        #expect(verdict(known, "10.0.0.50", Self.first) == .unknown(offered: Self.firstText))
    }

    @Test("a hashed name is found in any case, as ssh lowers the name before it looks")
    func hashed() {
        let salt = [UInt8](repeating: 7, count: 20)
        let known = Self.known("\(KnownHostsSamples.hashed("h1", salt: salt)) \(Self.first)")
        #expect(verdict(known, "H1", Self.first) == .trusted)
        #expect(verdict(known, "h2", Self.first) == .unknown(offered: Self.firstText))
    }

    @Test("another key of the same type is a changed key")
    func changed() {
        let known = Self.known("w3 \(Self.first)\n")
        #expect(verdict(known, "w3", Self.second) == .changed(known: [Self.firstText], offered: Self.secondText))
    }

    @Test("a host known under another key type only has changed, once the known type was asked for first")
    func otherType() {
        let known = Self.known("w3 \(Self.first)\n")
        #expect(known.knownKeyTypes(forHost: "w3", port: 22) == ["ssh-ed25519"])
        #expect(verdict(known, "w3", Self.ecdsa) == .changed(known: [Self.firstText], offered: Self.ecdsaText))
    }

    @Test("a revoked key is refused even when it is listed, before or after, in any file")
    func revoked() {
        let revocation = "@revoked * \(Self.first)\n"
        let listing = "w3 \(Self.first)\nw3 \(Self.second)\n"
        for known in [
            Self.known(revocation + listing), Self.known(listing + revocation), Self.known(listing, revocation),
        ] {
            #expect(verdict(known, "w3", Self.first) == .revoked(offered: Self.firstText))
            #expect(verdict(known, "w3", 2222, Self.first) == .revoked(offered: Self.firstText))
            #expect(verdict(known, "w3", Self.second) == .trusted)
        }
    }

    @Test("the types of revoked keys and of certificate authorities are not asked for")
    func types() {
        let known = Self.known(
            """
            w3 \(Self.rsa)
            @cert-authority * \(KnownHostsSamples.keys[4])
            w3 \(Self.ecdsa)
            w3 \(Self.first)
            @revoked w3 \(Self.ecdsa)
            """
        )
        #expect(known.knownKeyTypes(forHost: "w3", port: 22) == ["ssh-ed25519", "ssh-rsa"])
        #expect(known.knownKeyTypes(forHost: "w3", port: 2222).isEmpty)
    }

    @Test("a key under the bare name is trusted on another port, and never the other way round")
    func ports() {
        let bare = Self.known("w3 \(Self.first)\n")
        #expect(verdict(bare, "w3", 2222, Self.first) == .trusted)
        #expect(verdict(bare, "w3", 2222, Self.second) == .unknown(offered: Self.secondText))
        let ported = Self.known("[w3]:2222 \(Self.first)\n")
        #expect(verdict(ported, "w3", 2222, Self.first) == .trusted)
        #expect(verdict(ported, "w3", 22, Self.first) == .unknown(offered: Self.firstText))
        #expect(verdict(ported, "w3", 2223, Self.first) == .unknown(offered: Self.firstText))
    }

    @Test("a key listed for the port decides before the bare name")
    func portBeforeBareName() {
        let known = Self.known("w3 \(Self.first)\n[w3]:2222 \(Self.second)\n")
        #expect(
            verdict(known, "w3", 2222, Self.first) == .changed(known: [Self.secondText], offered: Self.firstText)
        )
    }

    @Test("a certificate authority makes no host known, and says so")
    func certificateAuthority() {
        let known = Self.known("@cert-authority *.example.com \(Self.first)\n")
        #expect(verdict(known, "a.example.com", Self.first) == .unknown(offered: Self.firstText))
        #expect(
            known.diagnostics.map(\.message) == [
                "line not used: @cert-authority is not supported: it makes no host known"
            ]
        )
    }

    @Test("a bad line is a warning with its place, and every other line counts")
    func badLines() {
        let known = Self.known(
            "# comment\r\n\r\nh1 ssh-ed25519 AAAA!\r\n@nonsense h1 \(Self.first)\r\nh1 \(Self.first)\r\n",
            "h2\n\(String(repeating: "x", count: 11_000)) \(Self.first)\n@revoked\th3 \(Self.first)\nh2 1024 35 123\nh2 \(Self.second) c\n"
        )
        #expect(
            known.diagnostics.map { "\($0.location.file):\($0.location.line):\($0.location.column): \($0.message)" }
                == [
                    "file0:3:4: line not used: the key is not base64",
                    "file0:4:1: line not used: this marker is not known",
                    "file1:1:3: line not used: the line ends before the key type",
                    "file1:2:1: line not used: a host name of 11000 bytes (1022 at most)",
                    "file1:3:1: line not used: a tab follows the marker, so OpenSSH does not read this line",
                    "file1:4:4: line not used: a key of SSH protocol 1",
                ]
        )
        #expect(known.diagnostics.allSatisfy { $0.severity == .warning })
        #expect(verdict(known, "h1", Self.first) == .trusted)
        #expect(verdict(known, "h2", Self.second) == .trusted)
        #expect(known.lines(for: "h2").map(\.number) == [5])
    }

    @Test("a negated pattern rules the line out, wherever it stands")
    func negation() {
        let known = Self.known("!w3,w? \(Self.first)\nw*,!w1 \(Self.second)\n")
        #expect(known.lines(for: "w3").map(\.number) == [2])
        #expect(known.lines(for: "w1").map(\.number) == [1])
        #expect(known.lines(for: "w2").map(\.number) == [1, 2])
    }

    @Test("a pattern with many stars is matched in no time")
    func manyStars() {
        let pattern = HostPattern(written: Array(String(repeating: "a*", count: 500).utf8))
        let text = [UInt8](repeating: UInt8(ascii: "a"), count: 2000)
        #expect(pattern.fits(text))
        #expect(!pattern.fits([UInt8(ascii: "b")] + text))
        #expect(!HostPattern(written: Array("\(String(repeating: "*a", count: 500))b".utf8)).fits(text))
    }

    @Test("20,000 damaged files never trap, and lines stay in their order")
    func damagedFiles() {
        var samples = KnownHostsSamples(seed: 7)
        let base = (0..<40).map { _ in samples.file(lines: 3).prefix(1500) }
        var random = SplitMix64(seed: 8)
        var usable = 0
        for round in 0..<20_000 {
            var bytes = Array(base[round % base.count])
            for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: index)
                case 2: bytes.insert(random.pick(Array(" \t\n@|!*,=#\r\0".utf8)), at: index)
                default: bytes.removeSubrange(index..<min(bytes.count, index + 40))
                }
            }
            let known = KnownHosts(files: [.init(path: "f", bytes: bytes)])
            usable += known.lines.count
            let places = known.diagnostics.map(\.location)
            #expect(places.allSatisfy { $0.line >= 1 && $0.column >= 1 && $0.column <= bytes.count + 1 })
            #expect(zip(known.lines, known.lines.dropFirst()).allSatisfy { $0.number < $1.number })
        }
        #expect(usable > 1000)
    }
}
