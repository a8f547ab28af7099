import ClusterModel
import Journal

/// What the journal says of each step, in the order it was recorded.
struct StepStories {
    private var events: [StepID: [(time: UTCMoment, text: String, tone: Tone)]] = [:]
    /// When a step was first begun.
    private var begins: [StepID: UTCMoment] = [:]

    init(_ records: [JournalRecord]) {
        for record in records {
            guard let step = record.event.step, let (text, tone) = Self.text(of: record.event) else { continue }
            events[step, default: []].append((record.time, text, tone))
            if begins[step] == nil { begins[step] = record.time }
        }
    }

    func fields(of step: StepID) -> [Fields] {
        (events[step] ?? []).map { ["clock": $0.time.clock, "text": $0.text, "tone": $0.tone.rawValue] }
    }

    private static func text(of event: JournalEvent) -> (String, Tone)? {
        switch event {
        case .stepIntent(let intent):
            return (
                "attempt \(intent.attempt) begins (\(intent.stepClass.rawValue), operation \(intent.operation))", .plain
            )
        case .stepOutcome(let outcome):
            var text = outcome.result.rawValue
            if outcome.duration > .zero { text += " in \(outcome.duration.brief)" }
            if outcome.reattached { text += ", read from the host's record of an earlier send" }
            if let message = outcome.message { text += ": \(message)" }
            let tone: Tone =
                switch outcome.result {
                case .ok: .good
                case .failed, .refused: .bad
                case .unknown: .unknown
                case .skipped: .plain
                }
            return (text, tone)
        case .stepProbe(let probe):
            let word =
                switch probe.finding {
                case .done: "done"
                case .notDone: "not done"
                case .cannotTell: "cannot tell"
                }
            return ("looked at again: \(word): \(probe.detail)", probe.finding == .cannotTell ? .unknown : .plain)
        case .stepResolved(let resolved):
            let word = resolved.answer == .done ? "done" : "not done"
            return ("\(resolved.by) says it is \(word): \(resolved.why)", .plain)
        default: return nil
        }
    }
}
