import FoundationEssentials
import RemoteShell

/// What a private key file shows without its secret: the kind of key, whether it is encrypted, often the public key.
///
/// Formats: OpenSSH's `openssh-key-v1`, and the PEM headers of older files.
struct PrivateKeyFile: Sendable, Hashable {
    let isEncrypted: Bool
    /// The public key blob, when the file shows it.
    let publicKey: [UInt8]?
    let isRSA: Bool
    /// The container of the newer format.
    let container: OpenSSHKey?

    init?(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let first = text.split(whereSeparator: \.isNewline).first, first.hasPrefix("-----BEGIN ") else {
            return nil
        }
        if first == OpenSSHKey.header {
            guard let container = OpenSSHKey(text) else { return nil }
            self.container = container
            isEncrypted = container.isEncrypted
            publicKey = container.publicKey
            isRSA = HostKey.type(of: container.publicKey) == "ssh-rsa"
        } else {
            container = nil
            isEncrypted = first.contains("ENCRYPTED") || text.contains("Proc-Type: 4,ENCRYPTED")
            publicKey = nil
            isRSA = first.contains("RSA")
        }
    }

    /// The blob in the second word of a public key line (`ssh-ed25519 AAAA… comment`).
    static func publicKey(inLine bytes: [UInt8]) -> [UInt8]? {
        let words = String(decoding: bytes, as: UTF8.self).split(separator: " ")
        guard words.count >= 2, let data = Data(base64Encoded: String(words[1])) else { return nil }
        return Array(data)
    }
}
