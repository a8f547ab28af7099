import Crypto

/// A public key as a known_hosts line or a server gives it: its type and its blob (RFC 4253 section 6.6).
package struct KnownHostsKey: Sendable, Hashable {
    /// Why bytes are not a key that can be used.
    package enum Problem: Error, Sendable, Hashable {
        case unknownType(String)
        case certificate(String)
        case notBase64
        case malformed
        case wrongType(String)
        case shortRSA(bits: Int)

        package var text: String {
            switch self {
            case .unknownType(let name): "key type '\(name)' is not known"
            case .certificate(let name): "'\(name)' is a certificate, not a host key"
            case .notBase64: "the key is not base64"
            case .malformed: "the key is damaged"
            case .wrongType(let name): "the line names another type than its key, which is '\(name)'"
            case .shortRSA(let bits): "an RSA key of \(bits) bits is too short (1024 at least)"
            }
        }
    }

    /// The key type as the blob names it, `ssh-ed25519` or `ecdsa-sha2-nistp256` for example.
    package let type: String
    package let blob: [UInt8]

    /// Key types in the order in which OpenSSH prefers them.
    package static let types = [
        "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
        "sk-ecdsa-sha2-nistp256@openssh.com", "sk-ssh-ed25519@openssh.com", "ssh-rsa", "ssh-dss",
    ]

    /// Takes a blob apart and keeps it when its structure is that of its type, to the last byte.
    package init(blob: [UInt8]) throws(Problem) {
        type = try SSHKeyBlobReader.type(of: blob)
        self.blob = blob
    }

    /// The key of a known_hosts line; `typeName` is the word before the base64 text.
    ///
    /// The signature names `rsa-sha2-256` and `rsa-sha2-512` stand for an `ssh-rsa` key, as they do for OpenSSH.
    init(typeName: ArraySlice<UInt8>, base64: ArraySlice<UInt8>) throws(Problem) {
        let name = String(decoding: typeName, as: UTF8.self)
        let expected = name == "rsa-sha2-256" || name == "rsa-sha2-512" ? "ssh-rsa" : name
        guard Self.types.contains(expected) else {
            throw name.contains("-cert-v0") ? .certificate(name) : .unknownType(name)
        }
        guard let blob = KnownHostsBase64.decode(base64) else { throw .notBase64 }
        try self.init(blob: blob)
        guard type == expected else { throw .wrongType(type) }
    }

    /// Whether an elliptic-curve point is on its curve; true for every other type.
    ///
    /// Costs a computation, so it is asked only of the lines of the host in question.
    var isOnCurve: Bool {
        // The point is the last field, except with security keys, whose application name follows it.
        switch type {
        case "ecdsa-sha2-nistp256": (try? P256.Signing.PublicKey(x963Representation: blob.suffix(65))) != nil
        case "ecdsa-sha2-nistp384": (try? P384.Signing.PublicKey(x963Representation: blob.suffix(97))) != nil
        case "ecdsa-sha2-nistp521": (try? P521.Signing.PublicKey(x963Representation: blob.suffix(133))) != nil
        default: true
        }
    }
}

/// Reads the length-prefixed fields of a key blob.
private struct SSHKeyBlobReader {
    private let blob: [UInt8]
    private var offset = 0

    /// The type of the key in `blob`, once every field of it was found sound.
    static func type(of blob: [UInt8]) throws(KnownHostsKey.Problem) -> String {
        var reader = SSHKeyBlobReader(blob: blob)
        let type = String(decoding: try reader.field(), as: UTF8.self)
        switch type {
        case "ssh-ed25519":
            try reader.bytes(count: 32)
        case "sk-ssh-ed25519@openssh.com":
            try reader.bytes(count: 32)
            _ = try reader.field()
        case "ecdsa-sha2-nistp256": try reader.point(on: "nistp256", count: 65)
        case "ecdsa-sha2-nistp384": try reader.point(on: "nistp384", count: 97)
        case "ecdsa-sha2-nistp521": try reader.point(on: "nistp521", count: 133)
        case "sk-ecdsa-sha2-nistp256@openssh.com":
            try reader.point(on: "nistp256", count: 65)
            _ = try reader.field()
        case "ssh-rsa":
            _ = try reader.integer()
            let bits = try reader.integer()
            if bits < 1024 { throw .shortRSA(bits: bits) }
        case "ssh-dss":
            for _ in 0..<4 { _ = try reader.integer() }
        case let name where name.contains("-cert-v0"): throw .certificate(name)
        default: throw .unknownType(type)
        }
        guard reader.offset == blob.count else { throw .malformed }
        return type
    }

    private init(blob: [UInt8]) { self.blob = blob }

    private mutating func field() throws(KnownHostsKey.Problem) -> ArraySlice<UInt8> {
        guard blob.count - offset >= 4 else { throw .malformed }
        let length = blob[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
        guard length <= blob.count - offset - 4 else { throw .malformed }
        offset += 4 + length
        return blob[offset - length..<offset]
    }

    private mutating func bytes(count: Int) throws(KnownHostsKey.Problem) {
        guard try field().count == count else { throw .malformed }
    }

    /// An uncompressed point: OpenSSH takes no other form.
    private mutating func point(on curve: String, count: Int) throws(KnownHostsKey.Problem) {
        guard try field().elementsEqual(curve.utf8) else { throw .malformed }
        let point = try field()
        guard point.count == count, point.first == 0x04 else { throw .malformed }
    }

    /// The number of bits of a positive integer of at most 16,384 bits.
    private mutating func integer() throws(KnownHostsKey.Problem) -> Int {
        let field = try field()
        if let first = field.first, first & 0x80 != 0 { throw .malformed }
        if field.count > 2049 || field.count == 2049 && field.first != 0 { throw .malformed }
        let digits = field.drop { $0 == 0 }
        guard let first = digits.first else { return 0 }
        return digits.count * 8 - first.leadingZeroBitCount
    }
}
