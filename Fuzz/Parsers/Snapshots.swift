import Crypto
import EtcdSnapshot

/// Verifies the bytes as they are, and once more with every checksum mended: whoever can write a file can write those too.
///
/// Work is bounded by the size of the file, whatever the file says.
func feedSnapshot(_ bytes: [UInt8]) {
    examine(bytes, acceptsMissingTrailer: true)
    guard bytes.count > 8_192 + 32 else { return }
    examine(mended(bytes), acceptsMissingTrailer: false)
}

private func examine(_ bytes: [UInt8], acceptsMissingTrailer: Bool) {
    let source = CountedBytes(bytes)
    let verifier = SnapshotVerifier(acceptsMissingTrailer: acceptsMissingTrailer)
    let report = try? verifier.verify(source)
    precondition(source.bytesRead <= 8 * max(source.size, 65_536), "read more than the file's size asks for")
    guard let report, let contents = try? SnapshotContents(of: source, verifiedAs: report) else { return }
    _ = try? contents.registrySummary()
    _ = try? contents.inspection()
    var changes: [StoredRevision] = []
    try? contents.forEachLiveKey { if changes.count < 100 { changes.append($0) } }
    for change in changes {
        _ = try? contents.object(of: change)
        _ = try? contents.history(of: change.key)
    }
}

/// The bytes with right checksums in both meta pages (FNV-1a) and a right trailer, for pages of 4,096 bytes.
private func mended(_ bytes: [UInt8]) -> [UInt8] {
    var body = Array(bytes.dropLast(32))
    for start in [16, 4_112] {
        var hash: UInt64 = 14_695_981_039_346_656_037
        for byte in body[start..<(start + 56)] { hash = (hash ^ UInt64(byte)) &* 1_099_511_628_211 }
        for index in 0..<8 { body[start + 56 + index] = UInt8(truncatingIfNeeded: hash >> UInt64(8 * index)) }
    }
    return body + Array(SHA256.hash(data: body))
}

/// A snapshot in memory that counts what is read of it.
private final class CountedBytes: SnapshotBytes, @unchecked Sendable {
    // @unchecked Sendable: used by the one thread that made it, so the counter needs no lock.
    private let bytes: [UInt8]
    private(set) var bytesRead: UInt64 = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var size: UInt64 { UInt64(bytes.count) }

    func read(_ count: Int, at offset: UInt64, into buffer: inout [UInt8]) throws(SnapshotReadFailure) {
        guard let start = Int(exactly: offset), start <= bytes.count, bytes.count - start >= count else {
            throw SnapshotReadFailure(reason: "read of \(count) bytes at \(offset) beyond the end")
        }
        bytesRead += UInt64(count)
        buffer.replaceSubrange(0..<count, with: bytes[start..<(start + count)])
    }

    func isUnchanged() -> Bool { true }
}
