import BackupStore
import ClusterModel
import ClusterSteps
import Journal
import RunEngine
import Subprocess
import SystemPackage

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

    /// curl with ten seconds and two repetitions; the URL is a capability and travels on standard input.
    private func ping(_ suffix: String) async {
        guard let url = policy.pingURL else { return }
        let configuration = "url = \"\(url)\(suffix)\"\nsilent\nfail\nmax-time = 10\nretry = 2\noutput = /dev/null\n"
        do {
            let result = try await Subprocess.run(
                .path(FilePath("/usr/bin/curl")),
                arguments: ["--config", "-"],
                input: .string(configuration),
                output: .discarded,
                error: .discarded
            )
            guard !result.terminationStatus.isSuccess else { return }
            Terminal.error("rollbook: note: the ping URL did not answer; the run's outcome is not changed by that")
        } catch {
            Terminal.error("rollbook: note: cannot ping, curl is not usable: \(error)")
        }
    }
}
