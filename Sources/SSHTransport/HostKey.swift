import Crypto
import FoundationEssentials

/// A host key someone offers, before anybody trusts it.
package struct OfferedHostKey: Sendable, Hashable {
    /// `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`, ….
    package let type: String
    /// The raw public key blob, as in known_hosts after Base64 decoding.
    package let key: [UInt8]
    /// `SHA256:…`, as ssh-keygen prints it.
    package let fingerprint: String

    package init(key: [UInt8]) {
        type = HostKey.type(of: key)
        self.key = key
        fingerprint = HostKey.fingerprint(of: key)
    }
}

/// Reads public key blobs (RFC 4253 section 6.6), host keys and users' keys alike.
enum HostKey {
    /// The name a blob begins with, or `unknown` when it is damaged.
    static func type(of key: [UInt8]) -> String {
        var reader = WireReader(key)
        return reader.string().map { String(decoding: $0, as: UTF8.self) } ?? "unknown"
    }

    /// Base64 of the SHA-256 without padding, as OpenSSH shows it.
    static func fingerprint(of key: [UInt8]) -> String {
        let digest = Data(SHA256.hash(data: key)).base64EncodedString()
        return "SHA256:" + digest.prefix { $0 != "=" }
    }
}
