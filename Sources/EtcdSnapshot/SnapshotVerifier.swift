/// Verifies etcd snapshot files: the SHA-256 trailer, the structure of every page, and what etcd stored in them.
///
/// It does what `etcdctl snapshot status` does not: that exits 0 for a file with a flipped byte or without a trailer, and crashes on
/// a truncated one. Memory stays below 64 MiB for any file; time is linear in its size. A file from an attacker leads to a
/// ``SnapshotProblem``, never to a trap.
///
/// Passing proves that the file is what a server sent and that it is a consistent database. It does not prove that it is recent,
/// or of the right cluster: compare revision, members and the UID of kube-system with what is expected.
package struct SnapshotVerifier: Sendable {
    /// SHA-256 of the database, appended by the server's Snapshot call (etcd server/etcdserver/api/v3rpc/maintenance.go).
    static let trailerLength: UInt64 = 32
    /// etcd tells a trailer by this: pages are multiples of 512 (etcd etcdutl/snapshot/v3_snapshot.go, hasChecksum).
    private static let sectorLength: UInt64 = 512
    /// Sixteen times the largest database that etcd's documentation calls sensible; bounds the page bitmaps to 16 MiB.
    private static let sizeLimit: UInt64 = 128 << 30

    /// Where Kubernetes keeps its objects: the `--etcd-prefix` of kube-apiserver with a slash at the end.
    package let registryPrefix: String
    /// Accept a bare database, for a copy of `member/snap/db`; its pages are then only checked for structure.
    package let acceptsMissingTrailer: Bool

    package init(registryPrefix: String = "/registry/", acceptsMissingTrailer: Bool = false) {
        self.registryPrefix = registryPrefix
        self.acceptsMissingTrailer = acceptsMissingTrailer
    }

    /// Verifies the regular file at `path`.
    package func verify(path: String) throws(SnapshotProblem) -> SnapshotReport {
        let file: SnapshotFile
        do throws(SnapshotReadFailure) {
            file = try SnapshotFile(path: path)
        } catch {
            throw SnapshotProblem(.unreadable(error))
        }
        return try verify(file)
    }

    /// Verifies a snapshot; reads it twice, once for the digests and once by its tree.
    ///
    /// It blocks its thread for the time of two readings, and ends early when the surrounding task is cancelled.
    package func verify(_ source: any SnapshotBytes) throws(SnapshotProblem) -> SnapshotReport {
        let outcome = Result { () throws(SnapshotProblem) in try examine(source) }
        let isUnchanged: Bool
        do throws(SnapshotReadFailure) {
            isUnchanged = try source.isUnchanged()
        } catch {
            throw SnapshotProblem(.unreadable(error))
        }
        // A file that is still being written shows many faults; the true one is that it is being written.
        guard isUnchanged else { throw SnapshotProblem(.changedWhileRead) }
        return try outcome.get()
    }

    private func examine(_ source: any SnapshotBytes) throws(SnapshotProblem) -> SnapshotReport {
        guard source.size <= Self.sizeLimit else { throw SnapshotProblem(.tooLarge(size: source.size)) }
        try checkKind(source)
        let hasTrailer = source.size % Self.sectorLength == Self.trailerLength
        guard hasTrailer || acceptsMissingTrailer else {
            let isWhole = source.size % Self.sectorLength == 0
            throw SnapshotProblem(isWhole ? .noTrailer(size: source.size) : .oddLength(size: source.size))
        }
        let bodySize = hasTrailer ? source.size - Self.trailerLength : source.size
        let digests = try SnapshotDigests(source, bodySize: bodySize)
        if let trailer = digests.trailer, trailer != digests.body {
            throw SnapshotProblem(.trailerMismatch(expected: trailer, actual: digests.body))
        }

        var window = ByteWindow(over: source, limit: bodySize)
        let layout = try DatabaseLayout(&window, exact: hasTrailer)
        let freelist: Freelist? =
            if let page = layout.meta.freelist { try Freelist(at: page, in: layout, &window) } else { nil }
        var walker = TreeWalker(layout, freelist: freelist, window: window)
        var audit = ContentAudit(registryPrefix: registryPrefix)
        let buckets = try walker.buckets()
        for bucket in buckets {
            try audit.begin(bucket, &walker.window)
            try walker.walk(bucket, &audit)
            audit.end()
        }
        if let freelist { try walker.checkAllAccounted(freelist) }
        let live = try liveKeys(audit, buckets, walker)
        let kubeSystemUID =
            if let value = audit.kubeSystem { try KubernetesObject(value, &walker.window).uid } else { String?.none }

        let meta = audit.cluster["meta"]
        return SnapshotReport(
            fileSize: source.size,
            bodySize: bodySize,
            trailer: hasTrailer ? .valid : .missing,
            fileSHA256: digests.file,
            bodySHA256: digests.body,
            pageSize: layout.pageSize,
            pagesTotal: layout.highWater,
            pagesReachable: UInt64(walker.visited.count) + 2,
            transactionID: layout.meta.transaction,
            hash: audit.statusHash,
            revision: audit.revision,
            totalKeys: audit.totalKeys,
            liveKeys: live.all,
            liveRegistryKeys: live.registry,
            compactedRevision: meta?.compactedRevision,
            consistentIndex: meta?.consistentIndex,
            term: meta?.term,
            storageVersion: meta?.storageVersion,
            clusterVersion: audit.cluster["cluster"]?.clusterVersion,
            isAuthEnabled: audit.cluster["auth"]?.isAuthEnabled ?? false,
            members: audit.cluster["members"]?.members ?? [],
            kubeSystemUID: kubeSystemUID,
            buckets: audit.summaries
        )
    }

    /// Refuses what is no bbolt database, saying what it looks like.
    private func checkKind(_ source: any SnapshotBytes) throws(SnapshotProblem) {
        var window = ByteWindow(over: source, limit: source.size)
        guard try !DatabaseLayout.isDatabase(&window) else { return }
        var head: [UInt8] = []
        try window.copy(Int(min(UInt64(FileAppearance.headLength), source.size)), at: 0, into: &head)
        throw SnapshotProblem(.notSnapshot(size: source.size, FileAppearance(head: head)))
    }

    /// The live keys as the audit counted them, or by more walks where they were too many for one.
    private func liveKeys(
        _ audit: ContentAudit,
        _ buckets: [TopLevelBucket],
        _ walker: TreeWalker
    ) throws(SnapshotProblem) -> (all: Int, registry: Int) {
        guard !audit.live.isComplete, let bucket = buckets.first(where: { $0.name == "key" }) else {
            return (audit.live.count, audit.live.markedCount)
        }
        var total = (all: 0, registry: 0)
        let partitions = KeyFingerprints.partitions(forKeys: audit.revisionEntries)
        for partition in 0..<partitions {
            var again = TreeWalker(walker.layout, freelist: nil, window: walker.window)
            var count = LiveKeyCount(registryPrefix: registryPrefix, partition: partition, of: partitions)
            try again.walk(bucket, &count)
            total.all += count.live.count
            total.registry += count.live.markedCount
        }
        return total
    }
}
