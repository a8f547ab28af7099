import ClusterModel
import Journal

extension StateDirectory {
    /// Takes a cluster's lock, or throws `locked` naming the holder.
    func takeLock(
        of cluster: ClusterID,
        for run: RunID,
        runbook: String,
        _ surroundings: Surroundings
    ) throws -> RunLock {
        guard let process = ProcessIdentity.current else {
            throw OperatorMessage(.fault, at: "/proc", "cannot tell this process from others")
        }
        let hint = LockHint(
            run: run,
            process: process,
            program: Version.program,
            runbook: runbook,
            since: surroundings.time.now
        )
        return try RunLock.take(lock(of: cluster), hint: hint, what: "cluster \(cluster)")
    }
}
