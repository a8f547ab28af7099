/// Reads every entry of a snapshot once, in order: the status hash, the counts, the revision and the cluster's records.
struct ContentAudit: EntryVisitor {
    private let registryPrefix: [UInt8]
    private let kubeSystemKey: [UInt8]
    private var bucket = ""
    private var hash = CRC32C()
    private var entries = 0
    private var records = ClusterRecords(bucket: "")

    private(set) var totalKeys = 0
    private(set) var revision: Int64 = 0
    private(set) var revisionEntries = 0
    private(set) var live = KeyFingerprints()
    /// Where the newest value of the namespace kube-system is.
    private(set) var kubeSystem: FileRange?
    private(set) var summaries: [BucketSummary] = []
    private(set) var cluster: [String: ClusterRecords] = [:]

    init(registryPrefix: String) {
        self.registryPrefix = Array(registryPrefix.utf8)
        kubeSystemKey = Array("\(registryPrefix)namespaces/kube-system".utf8)
    }

    var statusHash: UInt32 { hash.value }

    mutating func begin(_ bucket: TopLevelBucket, _ window: inout ByteWindow) throws(SnapshotProblem) {
        self.bucket = bucket.name
        entries = 0
        records = ClusterRecords(bucket: bucket.name)
        try addToHash(bucket.nameRange, &window)
    }

    mutating func end() {
        summaries.append(BucketSummary(name: bucket, entries: entries))
        totalKeys += entries
        if bucket == "key" { revisionEntries = entries }
        if ClusterRecords.buckets.contains(bucket) { cluster[bucket] = records }
    }

    mutating func visit(_ entry: LeafEntry, _ window: inout ByteWindow) throws(SnapshotProblem) {
        guard !entry.isBucket else { throw SnapshotProblem(.nestedBucket(index: entry.index), page: entry.page) }
        entries += 1
        switch bucket {
        case "key": try addRevision(entry, &window)
        case _ where ClusterRecords.buckets.contains(bucket): try records.visit(entry, &window)
        default: break
        }
        // The value follows the key, so both are one range.
        try addToHash(FileRange(offset: entry.key.offset, count: entry.key.count + entry.value.count), &window)
    }

    private mutating func addToHash(_ range: FileRange, _ window: inout ByteWindow) throws(SnapshotProblem) {
        var at = range.offset
        while at < range.end {
            let piece = Int(min(UInt64(ByteWindow.capacity), range.end - at))
            let index = try window.load(piece, at: at)
            hash.update(window.buffer.span.extracting(index..<(index + piece)))
            at += UInt64(piece)
        }
    }

    private mutating func addRevision(_ entry: LeafEntry, _ window: inout ByteWindow) throws(SnapshotProblem) {
        let key = try RevisionKey(entry, &window)
        let record = try RevisionRecord(entry, key, &window)
        revision = key.revision.main
        guard record.key.count > 0 else { return }
        let head = min(record.key.count, ByteWindow.capacity)
        let index = try window.load(head, at: record.key.offset)
        let isRegistry = head >= registryPrefix.count && window.buffer.span.starts(with: registryPrefix, at: index)
        if isRegistry, record.key.count == kubeSystemKey.count,
            window.buffer.span.starts(with: kubeSystemKey, at: index)
        {
            kubeSystem = key.isTombstone ? nil : record.value
        }
        let fingerprint = try KeyFingerprints.fingerprint(of: record.key, isMarked: isRegistry, &window)
        if key.isTombstone {
            live.remove(fingerprint)
        } else {
            _ = live.insert(fingerprint)
        }
    }
}

/// Counts the live keys of one partition, for a snapshot with more of them than one walk can hold in memory.
struct LiveKeyCount: EntryVisitor {
    private let registryPrefix: [UInt8]
    private(set) var live: KeyFingerprints

    init(registryPrefix: String, partition: Int, of partitions: Int) {
        self.registryPrefix = Array(registryPrefix.utf8)
        live = KeyFingerprints(partition: partition, of: partitions)
    }

    mutating func visit(_ entry: LeafEntry, _ window: inout ByteWindow) throws(SnapshotProblem) {
        let key = try RevisionKey(entry, &window)
        let record = try RevisionRecord(entry, key, &window)
        guard record.key.count > 0 else { return }
        let head = min(record.key.count, registryPrefix.count)
        let index = try window.load(head, at: record.key.offset)
        let isRegistry =
            head == registryPrefix.count && window.buffer.span.starts(with: registryPrefix, at: index)
        let fingerprint = try KeyFingerprints.fingerprint(of: record.key, isMarked: isRegistry, &window)
        if key.isTombstone {
            live.remove(fingerprint)
        } else {
            _ = live.insert(fingerprint)
        }
    }
}
