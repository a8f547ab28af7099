import Crypto
import CryptoExtras
import FoundationEssentials

/// OpenSSH's container for private keys, `openssh-key-v1` (the file PROTOCOL.key of OpenSSH).
struct OpenSSHKey: Sendable, Hashable {
    enum Decryption: Sendable, Hashable {
        /// The file as it would be without a passphrase.
        case plain([UInt8])
        case wrongPassphrase
        /// A cipher other than AES in counter mode, which ssh-keygen has used since 2018 unless told otherwise.
        case unsupported
    }

    static let header = "-----BEGIN OPENSSH PRIVATE KEY-----"
    private static let footer = "-----END OPENSSH PRIVATE KEY-----"
    private static let magic = Array("openssh-key-v1\0".utf8)
    private static let keyLengths = ["aes128-ctr": 16, "aes192-ctr": 24, "aes256-ctr": 32]
    /// More would be hours of work: not a key file but a trap.
    private static let maximumRounds = 10_000

    let publicKey: [UInt8]
    private let cipher: String
    private let salt: [UInt8]
    private let rounds: Int
    private let secrets: [UInt8]

    init?(_ text: String) {
        let lines = text.split(whereSeparator: \.isNewline)
        guard lines.first == Self.header[...],
            let data = Data(base64Encoded: lines.filter { !$0.hasPrefix("-----") }.joined())
        else { return nil }
        var reader = WireReader(data)
        guard reader.bytes(Self.magic.count) == Self.magic, let cipher = reader.string(), reader.string() != nil,
            let options = reader.string(), reader.uint32() == 1, let publicKey = reader.string(),
            let secrets = reader.string()
        else { return nil }
        var optionReader = WireReader(options)
        salt = optionReader.string() ?? []
        rounds = optionReader.uint32() ?? 0
        self.cipher = String(decoding: cipher, as: UTF8.self)
        self.publicKey = publicKey
        self.secrets = secrets
    }

    var isEncrypted: Bool { cipher != "none" }

    /// The key itself when it is an Ed25519 key without a passphrase, else nil.
    ///
    /// Its secret part is the seed and the public key once more, behind two copies of a random number and the type.
    var signingKey: Ed25519Key? {
        var reader = WireReader(secrets)
        guard !isEncrypted, let first = reader.uint32(), first == reader.uint32(),
            reader.string() == Array(Ed25519Key.type.utf8), let publicPart = reader.string(),
            let pair = reader.string(), pair.count == 64, Array(pair.suffix(32)) == publicPart
        else { return nil }
        return Ed25519Key(seed: Array(pair.prefix(32)), publicKey: publicPart)
    }

    /// Takes the passphrase off; a fraction of a second of work, meant to be done once.
    func decrypted(with passphrase: String) -> Decryption {
        guard let length = Self.keyLengths[cipher], (1...Self.maximumRounds).contains(rounds), !passphrase.isEmpty
        else {
            return .unsupported
        }
        let material = BcryptKeyDerivation.derive(
            Array(passphrase.utf8),
            salt: salt,
            rounds: rounds,
            length: length + 16
        )
        let key = SymmetricKey(data: material.prefix(length))
        guard let nonce = try? AES._CTR.Nonce(nonceBytes: material.suffix(16)),
            let plain = try? AES._CTR.decrypt(secrets, using: key, nonce: nonce)
        else { return .unsupported }
        // Two copies of a random number come first; they differ when the key is the wrong one.
        var reader = WireReader(plain)
        guard let first = reader.uint32(), first == reader.uint32() else { return .wrongPassphrase }
        return .plain(written(Array(plain)))
    }

    private func written(_ plain: [UInt8]) -> [UInt8] {
        var writer = WireWriter()
        for byte in Self.magic { writer.byte(byte) }
        writer.string("none".utf8)
        writer.string("none".utf8)
        writer.string([])
        writer.uint32(1)
        writer.string(publicKey)
        writer.string(plain)
        let body = Data(writer.bytes).base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
        return Array("\(Self.header)\n\(body)\n\(Self.footer)\n".utf8)
    }
}
