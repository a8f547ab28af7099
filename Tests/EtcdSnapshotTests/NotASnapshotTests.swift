import EtcdSnapshot
import Testing

@Suite("Files that are no snapshots are named")
struct NotASnapshotTests {
    static let samples: [(FileAppearance, [UInt8])] = [
        (.empty, []),
        (.zeros, [UInt8](repeating: 0, count: 4_128)),
        (.html, Array("  <!DOCTYPE html><title>502 Bad Gateway</title>".utf8)),
        (.html, Array("<HTML><body>".utf8)),
        (.xml, Array("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>".utf8)),
        (.json, Array("{\"error\":\"not found\"}".utf8)),
        (.text, Array("Error: context deadline exceeded\n".utf8)),
        (.gzip, [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]),
        (.zstandard, [0x28, 0xb5, 0x2f, 0xfd, 4]),
        (.xz, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]),
        (.tar, [UInt8](repeating: 0x61, count: 257) + Array("ustar".utf8) + [UInt8](repeating: 0, count: 300)),
        (.age, Array("age-encryption.org/v1\n-> X25519 abc\n".utf8)),
        (.sqlite, Array("SQLite format 3\u{0}".utf8)),
        (.unknown, [1, 2, 3, 4, 5, 6, 7, 8]),
    ]

    @Test("an error text says what the file looks like", arguments: samples)
    func appearance(_ appearance: FileAppearance, _ bytes: [UInt8]) throws {
        let found = try #require(problem(in: bytes))
        #expect(found.fault == .notSnapshot(size: UInt64(bytes.count), appearance))
        #expect(found.description.contains("it looks like \(appearance.phrase)"))
        #expect(problem(in: bytes, acceptsMissingTrailer: true) == found)
    }

    @Test("a page of the length of a snapshot is still named for what it is")
    func rightLength() {
        let page = Array("<html>".utf8) + [UInt8](repeating: 0x20, count: 512 - 6 + 32)
        #expect(problem(in: page)?.fault == .notSnapshot(size: 544, .html))
    }

    @Test("random bytes of any length are refused")
    func noise() {
        var random = SplitMix64(seed: 1)
        for _ in 0..<300 {
            let bytes = (0..<Int.random(in: 0..<3_000, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            #expect(problem(in: bytes) != nil)
        }
    }
}
