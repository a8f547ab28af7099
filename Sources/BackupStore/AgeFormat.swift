/// The layout of an age v1 file, as far as its length goes.
///
/// Source: C2SP age.md: a textual header that ends with the line `--- <MAC>`, a nonce of 16 bytes, then chunks of 64 KiB
/// with a tag of 16 bytes each; an empty plain text has one empty chunk.
enum AgeFormat {
    static let headerLimit = 1 << 20

    /// The exact length of the file whose beginning is `head`, or nil when it has no age header.
    static func length(head: [UInt8], plainBytes: Int64) -> Int64? {
        guard head.starts(with: Array("age-encryption.org/v1\n".utf8)) else { return nil }
        let mark = Array("--- ".utf8)
        var lineStart = 0
        while let lineEnd = head[lineStart...].firstIndex(of: 0x0A) {
            if head[lineStart..<lineEnd].starts(with: mark) {
                let chunks = max(1, (plainBytes + 65535) / 65536)
                return Int64(lineEnd + 1) + 16 + plainBytes + 16 * chunks
            }
            lineStart = lineEnd + 1
        }
        return nil
    }
}

/// Which texts may be age recipients.
enum AgeRecipient {
    /// What is wrong with `text`, or nil.
    ///
    /// The text itself is never repeated: it might be a private key.
    static func problem(of text: String) -> String? {
        if text.uppercased().hasPrefix("AGE-SECRET-KEY-") {
            return "is a private key; private keys do not belong on this machine"
        }
        guard text.utf8.count <= 2048, text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            return "is too long or not plain ASCII text"
        }
        if text.hasPrefix("ssh-ed25519 ") || text.hasPrefix("ssh-rsa ") { return nil }
        let alphabet = Set("qpzry9x8gf2tvdw0s3jn54khce6mua7l".utf8)
        let isKey =
            text.hasPrefix("age1") && text.utf8.count == 62 && text.utf8.dropFirst(4).allSatisfy(alphabet.contains)
        return isKey ? nil : "is neither an age1… public key nor an ssh-ed25519 or ssh-rsa public key"
    }
}
