import ClusterModel
import Journal

/// Whether a runbook has succeeded lately: what monitoring asks.
struct RunFreshness: Sendable {
    enum Verdict: String, Sendable { case fresh, stale, none, clockInDoubt }

    /// A run that ended with everything done.
    struct Success: Sendable, Hashable {
        let run: RunID
        let ended: UTCMoment
    }

    let newest: Success?
    let age: Duration?
    let verdict: Verdict

    /// Judges by the end of the newest success; one more than five minutes in the future means that the clock is wrong.
    init(_ newest: Success?, maxAge: Duration, now: UTCMoment) {
        self.newest = newest
        age = newest.map { .milliseconds(now.milliseconds - $0.ended.milliseconds) }
        guard let age else {
            verdict = .none
            return
        }
        verdict = age < .seconds(-300) ? .clockInDoubt : age > maxAge ? .stale : .fresh
    }

    /// 0 when fresh, 4 otherwise, as with `backups status`.
    var exitCode: ExitCode { verdict == .fresh ? .done : .refused }

    /// `nightly-backup on prod: ok: run … succeeded 3h12m ago (limit 26h)`.
    func sentence(_ what: String, limit: String) -> String {
        guard let newest, let age else { return "\(what): NONE: no run succeeded (limit \(limit))" }
        switch verdict {
        case .clockInDoubt:
            return "\(what): CLOCK IN DOUBT: run \(newest.run) succeeded at \(newest.ended), which is in the future"
        case .fresh, .none: return "\(what): ok: run \(newest.run) succeeded \(age.brief) ago (limit \(limit))"
        case .stale: return "\(what): TOO OLD: run \(newest.run) succeeded \(age.brief) ago (limit \(limit))"
        }
    }

    func json(runbook: String?, cluster: ClusterID?, maxAge: Duration) -> JSONValue {
        .object([
            "v": .integer(1), "verdict": .string(verdict.rawValue),
            "maxAgeSeconds": .integer(maxAge.components.seconds),
            "runbook": runbook.map { .string($0) } ?? .null, "cluster": cluster.map { .string($0.text) } ?? .null,
            "newestSuccess": newest.map { success in
                .object([
                    "run": .string(success.run.text), "ended": .string(success.ended.description),
                    "ageSeconds": .integer(age?.components.seconds ?? 0),
                ])
            } ?? .null,
        ])
    }

    /// The success of a run, when it is one: every step done, and exit code 0.
    static func success(of recorded: RecordedRun) -> Success? {
        guard recorded.state.status == .done, recorded.state.end?.exitCode == .done, let last = recorded.records.last
        else {
            return nil
        }
        return Success(run: recorded.folder.run, ended: last.time)
    }
}

/// Finds the newest success among the runs of a controller.
struct RunFreshnessFinder {
    let folder: StateDirectory
    let runbook: String?
    let cluster: ClusterID?

    /// The success that was begun last.
    ///
    /// A journal that does not verify is no success.
    func newest() throws -> RunFreshness.Success? {
        for id in try folder.runs().reversed() {
            guard let place = try folder.existingRun(id), let begin = JournalReader.begin(of: place),
                runbook == nil || begin.runbook == runbook, cluster == nil || begin.cluster == cluster,
                let recorded = try? JournalReader.verify(place), let success = RunFreshness.success(of: recorded)
            else { continue }
            return success
        }
        return nil
    }
}
