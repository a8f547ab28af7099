/// What a record says happened; exactly the types of format version 1.
package enum JournalEvent: Sendable, Hashable {
    case runBegin(RunBegin)
    case runResumed(RunResumed)
    case lockTaken(LockTaken)
    case stepIntent(StepIntent)
    case stepOutcome(StepOutcome)
    case stepProbe(StepProbe)
    case stepResolved(StepResolved)
    case stageGate(StageGate)
    case note(Note)
    case runInterrupted(RunInterrupted)
    case runEnd(RunEnd)

    /// The `type` of the record.
    package var type: String {
        switch self {
        case .runBegin: "run.begin"
        case .runResumed: "run.resumed"
        case .lockTaken: "lock.taken"
        case .stepIntent: "step.intent"
        case .stepOutcome: "step.outcome"
        case .stepProbe: "step.probe"
        case .stepResolved: "step.resolved"
        case .stageGate: "stage.gate"
        case .note: "note"
        case .runInterrupted: "run.interrupted"
        case .runEnd: "run.end"
        }
    }

    /// The step it is about, when it is about one.
    package var step: StepID? {
        switch self {
        case .stepIntent(let intent): intent.step
        case .stepOutcome(let outcome): outcome.step
        case .stepProbe(let probe): probe.step
        case .stepResolved(let resolved): resolved.step
        default: nil
        }
    }

    /// What messages call the recording of this event: `the intent of 2.master1.etcd.snapshot`.
    var spoken: String {
        switch self {
        case .stepIntent(let intent): "the intent of \(intent.step)"
        case .stepOutcome(let outcome): "the outcome of \(outcome.step)"
        default: step.map { "\(type) of \($0)" } ?? type
        }
    }
}
