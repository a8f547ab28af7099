import Crypto

/// A private key that signs here, read once for all logins.
///
/// libssh2 would read the key file anew for every login, and OpenSSL 3 spends more on that than on the whole key
/// exchange: it tries one decoder after another.
struct Ed25519Key: Sendable {
    static let type = "ssh-ed25519"

    private let key: Curve25519.Signing.PrivateKey

    /// Returns nil when the two parts do not belong together.
    init?(seed: [UInt8], publicKey: [UInt8]) {
        guard let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: seed),
            Array(key.publicKey.rawRepresentation) == publicKey
        else { return nil }
        self.key = key
    }

    /// The 64 bytes of RFC 8032, nil only if the library fails.
    func signature(of data: [UInt8]) -> [UInt8]? { (try? key.signature(for: data)).map { Array($0) } }
}

extension Ed25519Key: Hashable {
    static func == (left: Ed25519Key, right: Ed25519Key) -> Bool {
        left.key.publicKey.rawRepresentation == right.key.publicKey.rawRepresentation
    }

    func hash(into hasher: inout Hasher) { hasher.combine(key.publicKey.rawRepresentation) }
}
