import Crypto
import Foundation

/// Generates known_hosts files that mix everything the format allows and much that it does not.
struct KnownHostsSamples {
    /// Names that lines speak of and that are looked up, as listed: the port is part of the name.
    static let names = [
        "h1", "w3", "master1.example.com", "worker2.example.com", "10.0.0.5", "[h1]:2222", "[10.0.0.5]:2200",
        "fe80::1", "[fe80::1]:2222", "[master1.example.com]:22", "absent.example.org", "x",
    ]

    /// `type base64` of real keys, each type at least once.
    static let keys: [String] = [
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOrBDhW1ByPCnEuB3Uhe9Xl/X4JLPiOywRRLYFSfHVfg",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBA11Bg8m2VM26y7/3ZGMfGQD2GNGnf8twPWxO9FE/rQ",
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBOKhfEdxOjwCaHrHCThAOga9tUVT"
            + "xoD//DHstQ6EgA0iglYAq33AcyZep6tIdTbel/YrkqrS1YQV5wqbb6Kmxxw=",
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBDRXxMpV2V2P3cfrKgE6PTUtec9r"
            + "kdbqqeCBXU9qOJcMKtpZEyP3R9PeIzvy8sCORJ908zTKAU7QM6CPK9pcwsM=",
        "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBF/UC0WsRghwKKtcoxubsMC5aMyM"
            + "1pzWSQCaSgyu2v1WmF3zTXkDfzseuy7QRn9wwX4kRl5KCSHKDiRq6UwDF0aXrYl7hKOXb2Yr5dwSs+E0+UByyFDojWXFbgvokLsZ1Q==",
        "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAAYabEWWbxVpZHWQHWSTXMFj//K"
            + "YyGZfGCy+uwOBVBu1zxywfr75s3m5gBIB8vtJrICAnWjqiivtQYNAPpj/JLIwQEhOs7gvbq4MSdcOSHETbLCTxs1uXou9IUL6KDD"
            + "cycqpBuYTZE96B5luCiu+KRY0VzS8d/NMKE2qPkCkoNCf7x7kQ==",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDKFnnL5Tsw5wB+7K5bRYDwZ8sNnJnPkd0Ubmk5EvAOesaR6jklgFXzXD12VAlMGQLRN"
            + "jCB1MYCW5gtKcai22aUWsBhdIvvbusYbj0Gdo9RY+lpHXChgZ/8a0+rThVLQcFmQHQwFRumSfOm5xlSo4iAmOsFY19aQHbq60nlrI/m6Q==",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCqwLCxCTSF/THoWz+YQZ9yLCS5zznLdxgY5z9meM0Rs7Ns7teQe3mNY5WNyMy4FW2if"
            + "CK1DGlhfZLd+ykIrjLViYeKa1GM0wFvmfJpcabtADYix6vMu0A59cQ8go4xc4om5VI9n5cAsOWF9pKyczYAvUPfsMKpjPq8vPvpMBTU"
            + "+E/cmK+rB2JBnhD2m87KVBmuWPNs4u1Y828/vzwYHJwhXWxD39F3g6flfG0yw/WjHXU5Bb6DOuHOLsgUnfQpOqroahnRYYULIxXYwIs"
            + "GGptyQb8CtbUpP+MBJs7TXoFEK05oVC/P3MWy+oFmRzq0PMmaRPrOwC0FYi38SdcB8oP3",
        "sk-ssh-ed25519@openssh.com "
            + Data(field("sk-ssh-ed25519@openssh.com") + field(Array(1...32)) + field("ssh:")).base64EncodedString(),
        // 768 bits: too short to be used.
        "ssh-rsa "
            + Data(field("ssh-rsa") + field([1, 0, 1]) + field([0] + [UInt8](repeating: 0xC3, count: 96)))
            .base64EncodedString(),
    ]

    /// A length-prefixed field of a key blob.
    static func field(_ bytes: [UInt8]) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: bytes.count >> (24 - 8 * $0)) } + bytes
    }

    static func field(_ text: String) -> [UInt8] { field(Array(text.utf8)) }

    /// `|1|salt|digest` of a name.
    static func hashed(_ name: String, salt: [UInt8]) -> String {
        let code = HMAC<Insecure.SHA1>.authenticationCode(for: Array(name.utf8), using: SymmetricKey(data: salt))
        return "|1|\(Data(salt).base64EncodedString())|\(Data(code).base64EncodedString())"
    }

    var random: SplitMix64

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    /// A file of up to `lines` lines.
    mutating func file(lines: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        let ending: [UInt8] = random.oneIn(4) ? [0x0D, 0x0A] : [0x0A]
        for _ in 0..<Int.random(in: 0...lines, using: &random) {
            bytes += line()
            bytes += random.oneIn(30) ? [0x0D, 0x0A] : ending
        }
        // The last line may lack its line feed.
        if random.oneIn(5) { bytes += line() }
        return bytes
    }

    private mutating func line() -> [UInt8] {
        if random.oneIn(12) {
            return Array(random.pick(["", " ", "\t", "# h1 comment", "  # x", "h1", "@revoked", "\u{B}"]).utf8)
        }
        var text = random.oneIn(15) ? random.pick([" ", "\t", "   "]) : ""
        if random.oneIn(7) {
            text += random.pick([
                "@revoked ", "@revoked ", "@cert-authority ", "@revoked   ", "@revoked\t", "@Revoked ",
                "@revoked @revoked ", "@unknown ", "@ ", "@cert-authority",
            ])
        }
        text += hosts() + separator() + key()
        if random.oneIn(6) { text += random.pick([" comment", " root@h1", "\t# x", " ", "  a b c "]) }
        var bytes = Array(text.utf8)
        if random.oneIn(40) {
            bytes.insert(random.pick([0, 0xFF, 0x0B, 0x0C, 0x0D]), at: Int.random(in: 0...bytes.count, using: &random))
        }
        return bytes
    }

    private mutating func separator() -> String { random.oneIn(10) ? random.pick(["\t", "  ", " \t "]) : " " }

    private mutating func hosts() -> String {
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<6: return cased(random.pick(Self.names))
        case 6..<10:
            let count = Int.random(in: 2...5, using: &random)
            return (0..<count).map { _ in cased(random.pick(Self.names)) }.joined(separator: ",")
        case 10..<14:
            let count = Int.random(in: 1...4, using: &random)
            return (0..<count).map { _ in (random.oneIn(4) ? "!" : "") + pattern() }.joined(separator: ",")
        case 14..<18:
            let salt = (0..<20).map { _ in UInt8.random(in: 0...255, using: &random) }
            let name = random.pick(Self.names)
            var text = Self.hashed(random.oneIn(10) ? name.uppercased() : name, salt: salt)
            if random.oneIn(6) { text = damaged(text) }
            return text
        case 18:
            return random.pick(["", ",", "h1,,w3", "!h1", "!", "!!h1", "*,!*", "|1|", "||", "|1|x|y", "h1,", ",h1"])
        default:
            // A line of more than 10 KB, or one element that is too long for any list.
            if !random.oneIn(4) {
                return "h1," + String(repeating: "a", count: Int.random(in: 1020...1026, using: &random))
            }
            return (0..<900).map { "node\($0).example" }.joined(separator: ",") + ",w3"
        }
    }

    private mutating func pattern() -> String {
        let fixed = [
            "*", "h?", "*.example.com", "10.0.0.*", "[*]:2222", "?*", "*1*", "[h1]:*", "fe80::?", "*e*e*e*", "**", "h1",
        ]
        if random.oneIn(2) { return random.pick(fixed) }
        var name = Array(random.pick(Self.names))
        name[Int.random(in: 0..<name.count, using: &random)] = random.pick(["*", "?"])
        return cased(String(name))
    }

    private mutating func key() -> String {
        // The large curves are rare: ssh-keygen takes a millisecond for each that it finds.
        let large = 4...5
        var index = Int.random(in: 0..<Self.keys.count, using: &random)
        if large.contains(index), !random.oneIn(8) { index = 0 }
        let key = Self.keys[index]
        switch Int.random(in: 0..<20, using: &random) {
        case 0:
            let parts = key.split(separator: " ")
            return parts[0] + separator() + damaged(String(parts[1]))
        case 1:
            let types = [
                "ssh-rsa", "rsa-sha2-512", "ssh-ed25519", "ecdsa-sha2-nistp521", "ssh-xyz", "SSH-RSA", "ED25519",
            ]
            return random.pick(types) + " " + key.split(separator: " ")[1]
        case 2:
            return random.pick(["", "ssh-rsa", "1024 35 1234567", "# no key", "ssh-ed25519 ", "ssh-rsa AAAA", "x y"])
        default: return key
        }
    }

    /// The text with one character replaced, dropped or doubled, or its end cut off.
    private mutating func damaged(_ text: String) -> String {
        var characters = Array(text)
        let index = Int.random(in: 0..<characters.count, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0: characters.remove(at: index)
        case 1: characters.insert(random.pick(["A", "=", "|", "\r", "\u{C}"]), at: index)
        case 2: characters = Array(characters[..<index])
        default: characters[index] = random.pick(["A", "z", "/", "=", "-", "|"])
        }
        return String(characters)
    }

    private mutating func cased(_ name: String) -> String { random.oneIn(6) ? name.uppercased() : name }
}
