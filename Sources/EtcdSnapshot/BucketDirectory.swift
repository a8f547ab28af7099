/// A top-level bucket: its name and where its keys are.
struct TopLevelBucket: Sendable, Hashable {
    let name: String
    let nameRange: FileRange
    let root: BucketRoot
}

/// Collects the top-level buckets; their number and the length of a name are bounded.
struct BucketDirectory: EntryVisitor {
    private static let limit = 1_000
    private static let longestName = 255
    /// Root page u64 and sequence u64 come before an inline page (bbolt internal/common/bucket.go).
    private static let headerLength = 16

    private(set) var buckets: [TopLevelBucket] = []

    mutating func visit(_ entry: LeafEntry, _ window: inout ByteWindow) throws(SnapshotProblem) {
        guard entry.isBucket else { throw SnapshotProblem(.notABucket(index: entry.index), page: entry.page) }
        guard buckets.count < Self.limit else { throw SnapshotProblem(.tooManyBuckets(limit: Self.limit)) }
        guard entry.key.count <= Self.longestName else { throw SnapshotProblem(.bucketName, page: entry.page) }
        let index = try window.load(entry.key.count, at: entry.key.offset)
        let bytes = window.buffer[index..<(index + entry.key.count)]
        guard let name = String(validating: bytes, as: UTF8.self) else {
            throw SnapshotProblem(.bucketName, page: entry.page)
        }
        buckets.append(TopLevelBucket(name: name, nameRange: entry.key, root: try Self.root(entry, name, &window)))
    }

    private static func root(
        _ entry: LeafEntry,
        _ name: String,
        _ window: inout ByteWindow
    ) throws(SnapshotProblem) -> BucketRoot {
        guard entry.value.count >= headerLength else {
            throw SnapshotProblem(.bucketHeader, page: entry.page, bucket: name)
        }
        let index = try window.load(headerLength, at: entry.value.offset)
        let page = window.buffer.span.littleEndianUInt64(at: index)
        guard page == 0 else { return .page(page) }
        let inline = FileRange(
            offset: entry.value.offset + UInt64(headerLength),
            count: entry.value.count - headerLength
        )
        guard inline.count >= PageHeader.length else {
            throw SnapshotProblem(.bucketHeader, page: entry.page, bucket: name)
        }
        return .inline(inline, page: entry.page)
    }
}
