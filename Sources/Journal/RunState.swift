import ClusterModel

/// An event that cannot follow what was recorded before it.
package struct IllegalTransition: Error, Sendable, Hashable, CustomStringConvertible {
    /// Type of the event, `step.intent`.
    package let type: String
    package let step: StepID?
    package let reason: String

    package var description: String {
        step.map { "\(type) of \($0) cannot follow: \(reason)" } ?? "\(type) cannot follow: \(reason)"
    }
}

/// The state of a run: a fold over its records, the same one for the live run and at recovery.
///
/// Guarantee: an event that is refused leaves the state unchanged, and every sequence that is accepted obeys the table
/// "What may follow what" of Format.md.
package struct RunState: Sendable, Hashable {
    package enum Status: String, Sendable, Hashable, CaseIterable {
        case notBegun
        /// A session is at work, or its process died.
        case open
        /// The last session ended with something left to do.
        case held
        case done, partial, abandoned
    }

    package private(set) var status: Status = .notBegun
    package private(set) var begin: RunBegin?
    package private(set) var steps: [StepID: StepState] = [:]
    /// Number of the last record.
    package private(set) var lastNumber = 0
    /// 1 from run.begin on, one more for each run.resumed.
    package private(set) var sessions = 0
    /// The highest fence number so far.
    package private(set) var epoch: Int?
    /// The signal that asked the present session to stop.
    package private(set) var interruption: RunInterrupted.Signal?
    /// How the last session ended, when it did so orderly.
    package private(set) var end: RunEnd?
    /// Torn ends already told of in a run.resumed.
    package private(set) var cuts: [JournalCut] = []
    private var operations: Set<String> = []

    package init() {}

    package subscript(step: StepID) -> StepState? { steps[step] }

    /// How many steps are in each phase; steps about which nothing was recorded are not counted.
    package var counts: [StepState.Phase: Int] { steps.values.reduce(into: [:]) { $0[$1.phase, default: 0] += 1 } }

    /// Steps that need a probe or a person before the run can go on, by id.
    package var unresolved: [StepID] { steps.filter { $0.value.needsProbe }.keys.sorted() }

    /// Takes the next record in.
    package mutating func apply(_ record: JournalRecord) throws(IllegalTransition) {
        guard record.number == lastNumber + 1 else {
            throw IllegalTransition(
                type: record.event.type,
                step: record.event.step,
                reason: "its number is \(record.number), not \(lastNumber + 1)"
            )
        }
        try apply(record.event)
    }

    /// Takes the next event in, as the next record.
    package mutating func apply(_ event: JournalEvent) throws(IllegalTransition) {
        perform(try change(for: event))
    }

    /// Throws what `apply` would throw, and changes nothing.
    package func check(_ event: JournalEvent) throws(IllegalTransition) {
        _ = try change(for: event)
    }
}

extension RunState {
    /// What an accepted event does; deciding and doing are apart so that a refused event leaves no trace.
    private enum Change {
        case step(StepID, StepState)
        case run(JournalEvent)
    }

    private func change(for event: JournalEvent) throws(IllegalTransition) -> Change {
        do throws(Refusal) {
            try checkRun(event)
            return switch event {
            case .stepIntent(let intent): .step(intent.step, try .after(intent, from: steps[intent.step]))
            case .stepOutcome(let outcome): .step(outcome.step, try .after(outcome, from: steps[outcome.step]))
            case .stepProbe(let probe): .step(probe.step, try .after(probe, from: steps[probe.step]))
            case .stepResolved(let resolved): .step(resolved.step, try .after(resolved, from: steps[resolved.step]))
            default: .run(event)
            }
        } catch {
            throw IllegalTransition(type: event.type, step: event.step, reason: error.reason)
        }
    }

    private func checkRun(_ event: JournalEvent) throws(Refusal) {
        switch (status, event) {
        case (.notBegun, .runBegin): return
        case (.notBegun, _): throw Refusal("the run has not begun")
        case (.done, _), (.partial, _), (.abandoned, _): throw Refusal("the run is \(status.rawValue)")
        case (.open, .runBegin), (.held, .runBegin): throw Refusal("the run has begun already")
        case (.held, .runResumed), (.open, .runResumed): return
        case (.held, _): throw Refusal("the run is held")
        case (.open, .lockTaken(let taken)):
            if let epoch, taken.epoch < epoch { throw Refusal("the epoch was \(epoch) before") }
        case (.open, .stepIntent(let intent)):
            if operations.contains(intent.operation) { throw Refusal("operation \(intent.operation) was used before") }
        case (.open, .runEnd(let end)): try checkEnd(end)
        case (.open, _): return
        }
    }

    private func checkEnd(_ end: RunEnd) throws(Refusal) {
        switch end.result {
        case .done:
            guard end.exitCode == .done else { throw Refusal("a run that is done exits with 0") }
            if let open = steps.filter({ !$0.value.isSatisfied }).keys.min() {
                throw Refusal("\(open) is \(steps[open]?.phase.spoken ?? "open")")
            }
        case .partial:
            guard end.exitCode != .done else { throw Refusal("a run that is partial does not exit with 0") }
            if let open = steps.filter({ $0.value.needsProbe }).keys.min() { throw Refusal("\(open) is not decided") }
        case .abandoned:
            if let open = steps.filter({ $0.value.phase == .started }).keys.min() {
                throw Refusal("\(open) is started")
            }
        case .held:
            guard end.exitCode != .done else { throw Refusal("a run that is held does not exit with 0") }
        }
    }

    private mutating func perform(_ change: Change) {
        lastNumber += 1
        switch change {
        case .step(let id, let state):
            steps[id] = state
            if state.phase == .started, let intent = state.intent { operations.insert(intent.operation) }
        case .run(.runBegin(let begin)):
            self.begin = begin
            status = .open
            sessions = 1
        case .run(.runResumed(let resumed)):
            status = .open
            sessions += 1
            end = nil
            interruption = nil
            cuts += resumed.cuts
            for (id, state) in steps where state.phase == .started { steps[id]?.phase = .unknown }
        case .run(.lockTaken(let taken)): epoch = taken.epoch
        case .run(.runInterrupted(let interrupted)): interruption = interrupted.signal
        case .run(.runEnd(let end)):
            self.end = end
            status =
                switch end.result {
                case .done: .done
                case .partial: .partial
                case .held: .held
                case .abandoned: .abandoned
                }
        case .run: break
        }
    }
}
