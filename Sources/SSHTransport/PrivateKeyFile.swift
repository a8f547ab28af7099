import FoundationEssentials
import RemoteShell

/// What a private key file shows without its secret: the kind of key, whether it is encrypted, often the public key.
///
/// Formats: OpenSSH's `openssh-key-v1` (PROTOCOL.key of OpenSSH), and the PEM headers of older files.
struct PrivateKeyFile: Sendable, Hashable {
    let isEncrypted: Bool
    /// The public key blob, when the file shows it.
    let publicKey: [UInt8]?
    let isRSA: Bool

    init?(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let first = text.split(whereSeparator: \.isNewline).first, first.hasPrefix("-----BEGIN ") else {
            return nil
        }
        if first == "-----BEGIN OPENSSH PRIVATE KEY-----" {
            guard let parts = Self.openSSHParts(text) else { return nil }
            (isEncrypted, publicKey) = (parts.cipher != "none", parts.publicKey)
            isRSA = HostKey.type(of: parts.publicKey) == "ssh-rsa"
        } else {
            isEncrypted = first.contains("ENCRYPTED") || text.contains("Proc-Type: 4,ENCRYPTED")
            publicKey = nil
            isRSA = first.contains("RSA")
        }
    }

    private static func openSSHParts(_ text: String) -> (cipher: String, publicKey: [UInt8])? {
        let body = text.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("-----") }.joined()
        guard let data = Data(base64Encoded: body) else { return nil }
        var reader = WireReader(data)
        guard reader.bytes(15) == Array("openssh-key-v1\0".utf8), let cipher = reader.string(), reader.string() != nil,
            reader.string() != nil, let count = reader.uint32(), count == 1, let publicKey = reader.string()
        else { return nil }
        return (String(decoding: cipher, as: UTF8.self), publicKey)
    }

    /// The blob in the second word of a public key line (`ssh-ed25519 AAAA… comment`).
    static func publicKey(inLine bytes: [UInt8]) -> [UInt8]? {
        let words = String(decoding: bytes, as: UTF8.self).split(separator: " ")
        guard words.count >= 2, let data = Data(base64Encoded: String(words[1])) else { return nil }
        return Array(data)
    }
}
