import ClusterModel
import Crypto

/// The SHA-256 of a public key blob, in the form `ssh-keygen -l` prints: `SHA256:` and unpadded base64.
package struct HostKeyFingerprint: Sendable, Hashable, CustomStringConvertible {
    /// Why a text that a person typed is not a fingerprint, as a sentence without its full stop.
    package struct ParseError: Error, Sendable, Hashable {
        package let text: String
        package let next: String
    }

    private let digest: [UInt8]

    /// The fingerprint of a raw public key blob.
    package init(ofKey blob: [UInt8]) {
        digest = Array(SHA256.hash(data: blob))
    }

    /// Reads what a person typed or pasted: `SHA256:…`, or `ssh-ed25519 SHA256:…` as messages show it.
    ///
    /// Nothing shorter than the whole digest is accepted, and MD5 is not.
    package init(parsing typed: String) throws(ParseError) {
        let words = typed.split(whereSeparator: \.isWhitespace)
        let isNamed = words.count == 2 && KnownHostsKey.types.contains(String(words[0]))
        guard let word = words.last, words.count == 1 || isNamed else {
            throw ParseError(text: "'\(typed.escapedOnOneLine)' is not one fingerprint", next: Self.advice)
        }
        let written = Array(word.utf8)
        let prefix = Array("SHA256:".utf8)
        guard written.starts(with: prefix) else {
            let isMD5 = word.hasPrefix("MD5:") || word.split(separator: ":").count == 16
            let reason =
                isMD5
                ? "'\(word)' is an MD5 fingerprint, which is not safe to trust"
                : "'\(String(word).escapedOnOneLine)' does not begin with SHA256:"
            throw ParseError(text: reason, next: Self.advice)
        }
        let body = written.dropFirst(prefix.count)
        guard body.count == 43, let digest = KnownHostsBase64.decode(body + [UInt8(ascii: "=")]), digest.count == 32
        else {
            let reason = "'\(String(word).escapedOnOneLine)' is not whole: 43 base64 characters follow SHA256:"
            throw ParseError(text: reason, next: Self.advice)
        }
        self.digest = digest
    }

    /// `SHA256:` and 43 characters.
    package var description: String { "SHA256:" + KnownHostsBase64.encode(digest, padded: false) }

    /// The form in which every message names a key: `ssh-ed25519 SHA256:…`.
    ///
    /// The type is the one inside `key`; `fallbackType` stands in when `key` is not a key of a known kind.
    package static func text(ofKey key: [UInt8], fallbackType: String) -> String {
        let type = (try? KnownHostsKey(blob: key))?.type ?? fallbackType
        return "\(type) \(HostKeyFingerprint(ofKey: key))"
    }

    private static let advice = "on the host itself: ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub"
}
