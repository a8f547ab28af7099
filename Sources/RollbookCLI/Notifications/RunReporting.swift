import ClusterModel

/// Everybody outside who is told of a run: what the backup policy names, and what `notify:` names.
struct RunReporting: Sendable {
    /// Nil for runs that make no backup.
    let backup: BackupReport?
    let notifier: Notifier
    let connections: SSHConnections
    let time: any TimeSource

    /// Follows a run to its end, whatever that is, and tells of it; the links to the hosts are closed first.
    func follow(since began: Duration, _ work: () async throws -> RunOutcome) async throws {
        do {
            let outcome = try await work()
            await connections.close()
            await ended(outcome, took: time.uptime - began)
            if outcome.code != .done { throw CommandEnding(code: outcome.code) }
        } catch let ending as CommandEnding {
            throw ending
        } catch {
            await connections.close()
            await ended(RunOutcome(error), took: time.uptime - began)
            throw error
        }
    }

    /// A run that found another one at work.
    func skipped() async {
        async let told: Void? = backup?.skipped()
        await notifier.skipped()
        _ = await told
    }

    private func ended(_ outcome: RunOutcome, took: Duration) async {
        async let told: Void? = backup?.ended(outcome.code, took: took)
        await notifier.ended(outcome, took: took)
        _ = await told
    }
}
