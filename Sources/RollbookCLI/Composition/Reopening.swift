import ClusterModel
import Journal
import RunEngine

/// What a person says when a run is taken up again.
struct Reopening: Sendable {
    let cluster: ClusterID
    var takesOver = false
    /// Steps that failed, are not repeated by themselves, and shall be.
    var retry: Set<StepID> = []

    /// Refuses what cannot go on, before the journal is touched.
    func check(_ plan: Plan, _ recorded: RecordedRun, _ purpose: RunResumed.Purpose) throws(OperatorMessage) {
        let run = recorded.folder.run
        guard plan.cluster.id == cluster else {
            throw OperatorMessage(
                .refused,
                at: run.text,
                "the run is of cluster \(plan.cluster.id), the inventory of \(cluster)"
            )
        }
        let state = recorded.state
        if purpose == .resume, state.steps.keys.contains(where: { $0.text.hasPrefix("undo.") }) {
            throw OperatorMessage(
                .refused,
                at: run.text,
                "a part of what it did was taken back already",
                state: "Nothing was sent",
                next: "rollbook abandon \(run)"
            )
        }
        for step in retry.sorted() {
            guard let known = state[step] else {
                throw OperatorMessage(
                    .usage,
                    at: "--retry \(step)",
                    "the run has no such step, or it was never begun",
                    next: "rollbook show \(run) lists them"
                )
            }
            guard known.phase == .failed else {
                throw OperatorMessage(
                    .usage,
                    at: "--retry \(step)",
                    "the step is \(known.phase.rawValue), not failed",
                    next: "rollbook show \(run)"
                )
            }
        }
    }
}

/// A run that was taken up again, and how that session ended.
struct Reopened: Sendable {
    let plan: Plan
    let ending: Executor.Ending
}
