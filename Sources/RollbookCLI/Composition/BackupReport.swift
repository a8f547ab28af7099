import BackupStore
import ClusterModel
import ClusterSteps
import Journal
import RunEngine

/// Tells the outside world of a backup run: the metrics file and the dead-man ping of the inventory's policy.
///
/// Bounded in time, and never a reason for a run to end otherwise: what fails here is said on standard error.
struct BackupReport: Sendable {
    let policy: BackupPolicy
    let cluster: ClusterID
    let run: RunID
    let local: LocalBackups
    let time: any TimeSource

    func began() async { await ping("/start") }

    /// A run that found another one at work: neither success nor failure.
    func skipped() async {
        guard let file = metrics else { return }
        do { try file.noteSkipped(writer: run) } catch { Terminal.error(error.message.description) }
        await ping("/log")
    }

    func ended(_ code: ExitCode, took duration: Duration) async {
        if let file = metrics {
            let catalogue = try? local.existing()?.catalogue()
            let newest = catalogue?.newestGood
            let figures = BackupMetrics(
                lastRun: time.now,
                lastSuccess: code == .done ? time.now : nil,
                exitCode: code,
                duration: duration,
                snapshotBytes: newest?.snapshotBytes,
                snapshotRevision: newest?.revision,
                verifiedLevel: newest?.level,
                sets: catalogue?.sets.count ?? 0
            )
            do { try file.write(figures, writer: run) } catch { Terminal.error(error.message.description) }
        }
        await ping(code == .done ? "" : "/fail")
    }

    private var metrics: MetricsFile? { policy.metricsFile.map { MetricsFile(path: $0, cluster: cluster) } }

    private func ping(_ suffix: String) async {
        guard let url = policy.pingURL, let address = WebAddress(url + suffix) else { return }
        do { try await HTTPCall(address: address).send() } catch {
            Terminal.error("rollbook: warning: the backup's ping: \(error). The run's outcome is not changed by that")
        }
    }
}
