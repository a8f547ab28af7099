package import Crypto

/// Length in bytes and SHA-256 of a file.
package struct FileDigest: Sendable, Hashable, Codable {
    package let bytes: Int64
    /// 64 lower-case hexadecimal digits.
    package let sha256: String

    /// Returns nil when the text is not 64 lower-case hexadecimal digits or the length is negative.
    package init?(bytes: Int64, sha256: String) {
        guard bytes >= 0, isHexDigest(sha256) else { return nil }
        self.bytes = bytes
        self.sha256 = sha256
    }

    package init(bytes: Int64, sha256: SHA256.Digest) {
        self.bytes = bytes
        self.sha256 = hexadecimal(sha256)
    }

    /// The digest of bytes in memory.
    package init(of bytes: [UInt8]) { self.init(bytes: Int64(bytes.count), sha256: SHA256.hash(data: bytes)) }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        let text = try values.decode(String.self, forKey: .sha256)
        guard let digest = FileDigest(bytes: try values.decode(Int64.self, forKey: .bytes), sha256: text) else {
            throw DecodingError.dataCorruptedError(
                forKey: .sha256,
                in: values,
                debugDescription: "not a length with a SHA-256"
            )
        }
        self = digest
    }
}

func isHexDigest(_ text: String) -> Bool {
    text.utf8.count == 64 && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
}

func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}
