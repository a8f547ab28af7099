package import ClusterModel

/// What a journal knows about one step.
package struct StepState: Sendable, Hashable {
    package enum Phase: String, Sendable, Hashable, CaseIterable {
        /// The newest attempt was sent, or may have been, and has no outcome yet.
        case started
        /// Started, and nobody knows what came of it: to be probed, or asked about.
        case unknown
        /// A probe or a person found that the effect is not there.
        case notDone
        case ok, failed, skipped, refused
    }

    /// Number of the newest attempt, 1 for the first.
    package internal(set) var attempt: Int
    package internal(set) var phase: Phase
    /// Intent of the newest attempt; nil when it was skipped or refused before anything was to be sent.
    package internal(set) var intent: StepIntent?
    /// Outcome of the newest attempt.
    package internal(set) var outcome: StepOutcome?
    /// The last probe of the newest attempt.
    package internal(set) var probe: StepProbe?
    /// A person's answer about the newest attempt.
    package internal(set) var resolution: StepResolved?

    /// Whether nothing is left to do for this step.
    package var isSatisfied: Bool { phase == .ok || phase == .skipped }

    /// Whether a probe or a person has to say what came of the newest attempt.
    package var needsProbe: Bool { phase == .unknown || phase == .started }

    /// Whether a new attempt may begin.
    package var allowsNewAttempt: Bool { phase == .failed || phase == .refused || phase == .notDone }

    /// What later steps use of this one.
    package var output: JSONValue? { phase == .ok ? outcome?.output : nil }
}

// The table "What may follow what" of Format.md, for one step. Each function returns the state after the event or says
// why there is none; `nil` stands for a step about which nothing was recorded yet.

extension StepState {
    static func after(_ intent: StepIntent, from state: StepState?) throws(Refusal) -> StepState {
        try checkNewAttempt(intent.attempt, from: state)
        return StepState(attempt: intent.attempt, phase: .started, intent: intent)
    }

    static func after(_ outcome: StepOutcome, from state: StepState?) throws(Refusal) -> StepState {
        switch outcome.result {
        case .refused where outcome.attempt == state?.attempt && state?.intent != nil: break
        case .skipped, .refused:
            try checkNewAttempt(outcome.attempt, from: state)
            let phase: Phase = outcome.result == .skipped ? .skipped : .refused
            return StepState(attempt: outcome.attempt, phase: phase, outcome: outcome)
        case .ok, .failed, .unknown: break
        }
        guard var next = state, next.intent != nil else { throw Refusal("there was no intent") }
        guard outcome.attempt == next.attempt else { throw Refusal("the newest attempt is \(next.attempt)") }
        guard [.started, .unknown, .notDone].contains(next.phase) else {
            throw Refusal("it is \(next.phase.spoken) already")
        }
        next.outcome = outcome
        next.phase =
            switch outcome.result {
            case .ok: .ok
            case .failed: .failed
            case .unknown: .unknown
            case .skipped: .skipped
            case .refused: .refused
            }
        return next
    }

    static func after(_ probe: StepProbe, from state: StepState?) throws(Refusal) -> StepState {
        guard var next = state else { throw Refusal("it was never started") }
        guard probe.attempt == next.attempt else { throw Refusal("the newest attempt is \(next.attempt)") }
        switch (next.phase, probe.finding) {
        case (.started, .notDone), (.unknown, .notDone), (.notDone, .notDone), (.ok, .notDone): next.phase = .notDone
        case (.started, _), (.unknown, _), (.notDone, _): next.phase = .unknown
        case (.ok, _): break
        case (.failed, _), (.skipped, _), (.refused, _): throw Refusal("it is \(next.phase.spoken)")
        }
        next.probe = probe
        return next
    }

    static func after(_ resolved: StepResolved, from state: StepState?) throws(Refusal) -> StepState {
        guard var next = state else { throw Refusal("it was never started") }
        guard resolved.attempt == next.attempt else { throw Refusal("the newest attempt is \(next.attempt)") }
        guard next.phase == .unknown else { throw Refusal("it is \(next.phase.spoken), not unknown") }
        next.phase = resolved.answer == .done ? .ok : .notDone
        next.resolution = resolved
        return next
    }

    private static func checkNewAttempt(_ attempt: Int, from state: StepState?) throws(Refusal) {
        if let state, !state.allowsNewAttempt { throw Refusal("it is \(state.phase.spoken)") }
        let expected = (state?.attempt ?? 0) + 1
        guard attempt == expected else { throw Refusal("the next attempt is \(expected)") }
    }
}

extension StepState.Phase {
    var spoken: String { self == .notDone ? "not done" : rawValue }
}

/// Why an event cannot follow; becomes an `IllegalTransition` together with the event.
struct Refusal: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }
}
