import EtcdSnapshot

/// A snapshot in memory that counts what is read of it.
final class MemoryBytes: SnapshotBytes, @unchecked Sendable {
    // Used by one test at a time and never shared between tasks, so the counter needs no lock.
    private let bytes: [UInt8]
    private(set) var bytesRead: UInt64 = 0
    var isChanged = false

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var size: UInt64 { UInt64(bytes.count) }

    func read(_ count: Int, at offset: UInt64, into buffer: inout [UInt8]) throws(SnapshotReadFailure) {
        guard let start = Int(exactly: offset), start <= bytes.count, bytes.count - start >= count else {
            throw SnapshotReadFailure(reason: "read of \(count) bytes at \(offset) beyond the end")
        }
        bytesRead += UInt64(count)
        buffer.replaceSubrange(0..<count, with: bytes[start..<(start + count)])
    }

    func isUnchanged() -> Bool { !isChanged }
}
