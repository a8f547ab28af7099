/// A point in etcd's history: a transaction, and the place of a change within it.
package struct Revision: Codable, Sendable, Hashable, Comparable {
    package let main: Int64
    package let sub: Int64

    package init(main: Int64, sub: Int64) {
        self.main = main
        self.sub = sub
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.main, left.sub) < (right.main, right.sub)
    }
}

/// A key of the bucket `key`: main u64, '_', sub u64, both big-endian, and 't' for a deletion (etcd server/storage/mvcc/revision.go).
struct RevisionKey {
    let revision: Revision
    let isTombstone: Bool

    /// Reads the key of `entry`; throws ``SnapshotFault/revisionKey`` where it is none.
    init(_ entry: LeafEntry, _ window: inout ByteWindow) throws(SnapshotProblem) {
        guard entry.key.count == 17 || entry.key.count == 18 else {
            throw SnapshotProblem(.revisionKey, page: entry.page)
        }
        let index = try window.load(entry.key.count, at: entry.key.offset)
        let bytes = window.buffer.span
        isTombstone = entry.key.count == 18
        revision = Revision(
            main: Int64(bitPattern: bytes.bigEndianUInt64(at: index)),
            sub: Int64(bitPattern: bytes.bigEndianUInt64(at: index + 9))
        )
        guard bytes[index + 8] == UInt8(ascii: "_"), revision.main >= 0, revision.sub >= 0,
            !isTombstone || bytes[index + 17] == UInt8(ascii: "t")
        else { throw SnapshotProblem(.revisionKey, page: entry.page) }
    }
}

/// A value of the bucket `key`: the protobuf message mvccpb.KeyValue (etcd api/mvccpb/kv.proto), located but not copied.
struct RevisionRecord {
    private(set) var key = FileRange.empty
    private(set) var createRevision: Int64 = 0
    private(set) var modRevision: Int64 = 0
    private(set) var version: Int64 = 0
    private(set) var value = FileRange.empty
    private(set) var lease: Int64 = 0

    /// Reads the record of `entry`, and holds it to the revision it is stored under.
    ///
    /// An empty record is a mark of `etcdutl snapshot restore --bump-revision`; it has no key.
    init(
        _ entry: LeafEntry,
        _ revisionKey: RevisionKey,
        _ window: inout ByteWindow
    ) throws(SnapshotProblem) {
        var cursor = ProtobufCursor(entry.value)
        while let field = try cursor.next(&window) {
            switch field {
            case .bytes(number: 1, let range): key = range
            case .varint(number: 2, let number): createRevision = Int64(bitPattern: number)
            case .varint(number: 3, let number): modRevision = Int64(bitPattern: number)
            case .varint(number: 4, let number): version = Int64(bitPattern: number)
            case .bytes(number: 5, let range): value = range
            case .varint(number: 6, let number): lease = Int64(bitPattern: number)
            default: break
            }
        }
        let main = revisionKey.revision.main
        guard !cursor.isMalformed, key.count > 0 || entry.value.count == 0 else {
            throw SnapshotProblem(.revisionRecord(revision: main, .malformed), page: entry.page)
        }
        // A deletion records the key only.
        guard revisionKey.isTombstone || modRevision == main || key.count == 0 else {
            throw SnapshotProblem(.revisionRecord(revision: main, .claimsRevision(modRevision)), page: entry.page)
        }
    }
}
