import BackupStore
import struct EtcdSnapshot.SnapshotReport
import struct EtcdSnapshot.SnapshotVerifier

/// Verifies snapshots for the backup store with Rollbook's own reader.
struct SnapshotChecker: SnapshotChecking {
    func check(path: String) throws(SnapshotFault) -> SnapshotFacts {
        let report: SnapshotReport
        do { report = try SnapshotVerifier().verify(path: path) } catch { throw SnapshotFault("\(error)") }
        return SnapshotFacts(
            revision: report.revision,
            totalKeys: Int64(clamping: report.totalKeys),
            liveKeys: Int64(clamping: report.liveKeys),
            hash: report.hash,
            pageSize: Int64(report.pageSize),
            storageVersion: report.storageVersion,
            kubeSystemUID: report.kubeSystemUID,
            inUseBytes: Int64(clamping: report.pagesReachable * report.pageSize)
        )
    }
}
