/// What a file that is no etcd snapshot looks like, from its first bytes; it only serves the error text.
package enum FileAppearance: String, Sendable, Hashable, Codable, CaseIterable {
    case empty, zeros, html, xml, json, text, gzip, zstandard, xz, bzip2, lz4, zip, tar, age, gpg, sqlite, elf, unknown

    /// How many first bytes are worth looking at: a tar header has its mark at 257.
    static let headLength = 512

    init(head: [UInt8]) {
        guard !head.isEmpty else {
            self = .empty
            return
        }
        if let known = Self.signatures.first(where: { head.span.starts(with: $0.bytes, at: $0.offset) }) {
            self = known.appearance
        } else if head.allSatisfy({ $0 == 0 }) {
            self = .zeros
        } else {
            self = Self(text: head)
        }
    }

    /// Text is told from binary data by the absence of control bytes.
    private init(text head: [UInt8]) {
        guard !head.contains(where: { $0 < 0x20 && $0 != 0x09 && $0 != 0x0a && $0 != 0x0d }) else {
            self = .unknown
            return
        }
        let blanks: Set<UInt8> = [0x20, 0x09, 0x0a, 0x0d]
        let start = String(decoding: head.drop { blanks.contains($0) }.prefix(32), as: UTF8.self).lowercased()
        if start.hasPrefix("<!doctype html") || start.hasPrefix("<html") || start.hasPrefix("<head") {
            self = .html
        } else if start.hasPrefix("<") {
            self = .xml
        } else if start.hasPrefix("{") || start.hasPrefix("[") {
            self = .json
        } else {
            self = .text
        }
    }

    private static let signatures: [(bytes: [UInt8], offset: Int, appearance: Self)] = [
        ([0x1f, 0x8b], 0, .gzip),
        ([0x28, 0xb5, 0x2f, 0xfd], 0, .zstandard),
        ([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], 0, .xz),
        (Array("BZh".utf8), 0, .bzip2),
        ([0x04, 0x22, 0x4d, 0x18], 0, .lz4),
        ([0x50, 0x4b, 0x03, 0x04], 0, .zip),
        (Array("ustar".utf8), 257, .tar),
        (Array("age-encryption.org/".utf8), 0, .age),
        (Array("-----BEGIN AGE ENCRYPTED FILE".utf8), 0, .age),
        (Array("-----BEGIN PGP MESSAGE".utf8), 0, .gpg),
        (Array("SQLite format 3".utf8), 0, .sqlite),
        ([0x7f, 0x45, 0x4c, 0x46], 0, .elf),
    ]

    /// A phrase that follows "it looks like".
    package var phrase: String {
        switch self {
        case .empty: "an empty file"
        case .zeros: "a file of zero bytes, such as a sparse file that was never written"
        case .html: "an HTML page, such as the error page of a proxy"
        case .xml: "an XML document, such as the error answer of an object store"
        case .json: "a JSON document"
        case .text: "a text file"
        case .gzip: "a gzip archive; decompress it first"
        case .zstandard: "a zstd archive; decompress it first"
        case .xz: "an xz archive; decompress it first"
        case .bzip2: "a bzip2 archive; decompress it first"
        case .lz4: "an lz4 archive; decompress it first"
        case .zip: "a zip archive; unpack it first"
        case .tar: "a tar archive; unpack it first"
        case .age: "a file encrypted with age; decrypt it first"
        case .gpg: "a file encrypted with OpenPGP; decrypt it first"
        case .sqlite: "an SQLite database"
        case .elf: "a program"
        case .unknown: "data of no known kind"
        }
    }
}
