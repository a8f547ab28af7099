/// What is inside a verified snapshot: every stored revision, the live keys, and the Kubernetes objects among them.
///
/// It reads from the source again and checks as it goes, so a file that was swapped in between ends in a ``SnapshotProblem``.
package struct SnapshotContents: Sendable {
    private let source: any SnapshotBytes
    private let report: SnapshotReport
    private let layout: DatabaseLayout
    private let revisions: TopLevelBucket?

    /// Opens the contents of `source`, which was verified with `report` as the result.
    package init(of source: any SnapshotBytes, verifiedAs report: SnapshotReport) throws(SnapshotProblem) {
        guard source.size == report.fileSize else { throw SnapshotProblem(.changedWhileRead) }
        var window = ByteWindow(over: source, limit: report.bodySize)
        layout = try DatabaseLayout(&window, exact: report.trailer == .valid)
        guard layout.meta.transaction == report.transactionID else { throw SnapshotProblem(.changedWhileRead) }
        var walker = TreeWalker(layout, freelist: nil, window: window)
        revisions = try walker.buckets().first { $0.name == "key" }
        self.source = source
        self.report = report
    }

    /// Calls `body` for every stored revision from the oldest to the newest, also for deletions and overwritten values.
    package func forEachRevision(_ body: @escaping (StoredRevision) -> Void) throws(SnapshotProblem) {
        try visitRevisions(.ascending) { (revision, _) throws(SnapshotProblem) in body(revision) }
    }

    /// Calls `body` once for every live key with its newest value, in no order that means anything.
    package func forEachLiveKey(_ body: @escaping (StoredRevision) -> Void) throws(SnapshotProblem) {
        try visitLiveKeys { (revision, _) throws(SnapshotProblem) in body(revision) }
    }

    /// The live Kubernetes objects counted by resource and namespace.
    package func registrySummary(prefix: String = "/registry/") throws(SnapshotProblem) -> RegistrySummary {
        var summary = RegistrySummary()
        try visitLiveKeys { (change, window) throws(SnapshotProblem) in
            try summary.add(change, prefix: prefix, &window)
        }
        return summary
    }

    /// The first `limit` bytes of a value.
    package func value(of revision: StoredRevision, atMost limit: Int) throws(SnapshotProblem) -> [UInt8] {
        let count = min(revision.value.count, max(0, limit))
        guard revision.value.end <= report.bodySize else { throw SnapshotProblem(.changedWhileRead) }
        var bytes = [UInt8](repeating: 0, count: count)
        do throws(SnapshotReadFailure) {
            try source.read(count, at: revision.value.offset, into: &bytes)
        } catch {
            throw SnapshotProblem(.unreadable(error))
        }
        return bytes
    }

    /// What identifies the Kubernetes object that a value is.
    package func object(of revision: StoredRevision) throws(SnapshotProblem) -> KubernetesObject {
        var window = ByteWindow(over: source, limit: report.bodySize)
        return try KubernetesObject(revision.value, &window)
    }

    /// Stored changes, deletions and marks among them: an upper bound of the number of keys.
    var storedChanges: Int { report.buckets.first { $0.name == "key" }?.entries ?? 0 }

    /// Hands every stored change to `body`, in the walk's order.
    func visitRevisions(
        _ order: TreeWalker.Order,
        _ body: @escaping RevisionVisitor.Body
    ) throws(SnapshotProblem) {
        guard let revisions else { return }
        var walker = TreeWalker(
            layout,
            freelist: nil,
            window: ByteWindow(over: source, limit: report.bodySize),
            order: order
        )
        var visitor = RevisionVisitor(body)
        try walker.walk(revisions, &visitor)
    }

    /// Walks from the newest revision to the oldest: the first change met of a key decides about it.
    ///
    /// `stored` gets every change once, `live` the newest one of each live key.
    func visitLiveKeys(
        parts: Int? = nil,
        stored: @escaping (StoredRevision) -> Void = { _ in },
        live: @escaping RevisionVisitor.Body
    ) throws(SnapshotProblem) {
        let partitions = parts ?? KeyFingerprints.partitions(forKeys: storedChanges)
        for partition in 0..<partitions {
            var seen = KeyFingerprints(partition: partition, of: partitions)
            try visitRevisions(.descending) { (change, window) throws(SnapshotProblem) in
                if partition == 0 { stored(change) }
                let hash = try KeyFingerprints.fingerprint(of: change.keyRange, isMarked: false, &window)
                if seen.insert(hash), !change.isTombstone { try live(change, &window) }
            }
        }
    }
}

/// One stored change of a key.
package struct StoredRevision: Sendable, Hashable {
    /// More than any key Kubernetes makes; of longer keys only the beginning is given.
    static let longestKey = 32 << 10

    package let revision: Revision
    package let isTombstone: Bool
    /// The key, or its first 32 KiB.
    package let key: [UInt8]
    package let createRevision: Int64
    /// How often the key was written since it was made; 0 for a deletion.
    package let version: Int64
    /// The lease the key ends with, or 0.
    package let lease: Int64
    package var valueLength: Int { value.count }

    let keyRange: FileRange
    let value: FileRange
}

/// Turns the entries of the bucket `key` into stored revisions; marks without a key are left out.
struct RevisionVisitor: EntryVisitor {
    typealias Body = (StoredRevision, inout ByteWindow) throws(SnapshotProblem) -> Void

    private let body: Body

    init(_ body: @escaping Body) { self.body = body }

    mutating func visit(_ entry: LeafEntry, _ window: inout ByteWindow) throws(SnapshotProblem) {
        let key = try RevisionKey(entry, &window)
        let record = try RevisionRecord(entry, key, &window)
        guard record.key.count > 0 else { return }
        let count = min(record.key.count, StoredRevision.longestKey)
        let index = try window.load(count, at: record.key.offset)
        let stored = StoredRevision(
            revision: key.revision,
            isTombstone: key.isTombstone,
            key: Array(window.buffer[index..<(index + count)]),
            createRevision: record.createRevision,
            version: record.version,
            lease: record.lease,
            keyRange: record.key,
            value: record.value
        )
        try body(stored, &window)
    }
}
