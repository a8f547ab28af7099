/// What a text is to age, as far as can be told without age.
///
/// Source: age's format (C2SP age.md): recipients are Bech32 (BIP 173, without its length limit) or SSH public keys.
enum AgeRecipient {
    case valid
    /// A private key; it must not be shown.
    case secret
    /// A public key whose checksum says that a character is wrong.
    case damaged
    case unknown

    static func check(_ text: String) -> AgeRecipient {
        if isPrivateKey(text) { return .secret }
        if text.hasPrefix("age1") { return isBech32(text) ? .valid : .damaged }
        let words = text.split(separator: " ")
        guard words.count >= 2, let algorithm = words.first, ["ssh-ed25519", "ssh-rsa"].contains(algorithm),
            words[1].hasPrefix("AAAA"), words[1].utf8.count >= 68, words[1].utf8.allSatisfy(isBase64)
        else { return .unknown }
        return text.contains(where: \.isNewline) ? .unknown : .valid
    }

    private static func isBase64(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || "+/=".utf8.contains(byte)
    }

    /// BIP 173: human-readable part, `1`, data of five bits each, six of them a checksum over both.
    private static func isBech32(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard let separator = bytes.lastIndex(of: UInt8(ascii: "1")), bytes.count - separator > 6 else { return false }
        let alphabet = Array("qpzry9x8gf2tvdw0s3jn54khce6mua7l".utf8)
        var values = bytes[..<separator].map { $0 >> 5 } + [0] + bytes[..<separator].map { $0 & 31 }
        for byte in bytes[(separator + 1)...] {
            guard let value = alphabet.firstIndex(of: byte) else { return false }
            values.append(UInt8(value))
        }
        let generators: [UInt32] = [0x3B6A_57B2, 0x2650_8E6D, 0x1EA1_19FA, 0x3D42_33DD, 0x2A14_62B3]
        var checksum: UInt32 = 1
        for value in values {
            let top = checksum >> 25
            checksum = (checksum & 0x1FF_FFFF) << 5 ^ UInt32(value)
            for (index, generator) in generators.enumerated() where top >> UInt32(index) & 1 == 1 {
                checksum ^= generator
            }
        }
        return checksum == 1
    }
}
