package import Crypto
package import FoundationEssentials

/// The SHA-256 of some bytes, written `sha256:` and 64 lower-case hexadecimal digits.
package struct ContentHash: Sendable, Hashable, Codable, CustomStringConvertible {
    package let text: String

    /// Returns nil unless `text` is exactly in the written form.
    package init?(_ text: String) {
        let bytes = text.utf8
        guard bytes.count == ContentHash.length, text.hasPrefix("sha256:") else { return nil }
        guard bytes.dropFirst(7).allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }) else {
            return nil
        }
        self.text = text
    }

    /// The hash of `bytes`.
    package init(of bytes: some DataProtocol) {
        self.init(SHA256.hash(data: bytes))
    }

    /// The result of a hash that was taken piece by piece.
    package init(_ digest: SHA256Digest) {
        var text: [UInt8] = Array("sha256:".utf8)
        text.reserveCapacity(ContentHash.length)
        for byte in digest {
            text.append(hexDigits[Int(byte >> 4)])
            text.append(hexDigits[Int(byte & 15)])
        }
        self.text = String(decoding: text, as: UTF8.self)
    }

    package var description: String { text }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let hash = ContentHash(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not 'sha256:' and 64 digits")
        }
        self = hash
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }

    /// Bytes of the written form.
    static let length = 71
}

let hexDigits = Array("0123456789abcdef".utf8)
