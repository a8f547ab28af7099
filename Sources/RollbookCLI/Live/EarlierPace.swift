import ClusterModel
import Journal
import RunEngine

/// How an earlier run of the same runbook went: what the time left is estimated from.
///
/// A run is where the earlier one was when it had ended the same steps; from there it is expected to take as long.
struct EarlierPace: Sendable {
    let total: Duration
    /// Time at work after which the earlier run had satisfied each step that both have.
    private let milestones: [StepID: Duration]
    private let moments: [Duration]

    init(total: Duration, milestones: [StepID: Duration]) {
        self.total = total
        self.milestones = milestones
        moments = Set(milestones.values).sorted()
    }

    /// Reads the pace from a verified run; `steps` are those of the run that goes on now.
    init?(of run: RecordedRun, for steps: some Sequence<StepID>) {
        guard let total = run.duration, let first = run.records.first else { return nil }
        let wanted = Set(steps)
        var found: [StepID: Duration] = [:]
        var worked = Duration.zero
        var before = first
        for record in run.records.dropFirst() {
            if case .runResumed = record.event {
                before = record
                continue
            }
            if before.boot == record.boot { worked += max(.zero, record.uptime - before.uptime) }
            before = record
            guard case .stepOutcome(let outcome) = record.event, wanted.contains(outcome.step) else { continue }
            if outcome.result == .ok || outcome.result == .skipped { found[outcome.step] = worked }
        }
        self.init(total: total, milestones: found)
    }

    /// Where the earlier run was when it had satisfied `step`; nil when it had no such step.
    func milestone(of step: StepID) -> Duration? { milestones[step] }

    /// What is left, `waited` after this run came to where the earlier one was after `position`.
    ///
    /// It does not fall below what was left at the next step's end: a step that takes longer makes the run longer.
    func left(at position: Duration, waited: Duration) -> Duration {
        let next = moments.first { $0 > position } ?? total
        return max(.zero, total - min(position + waited, max(next, position)))
    }
}
