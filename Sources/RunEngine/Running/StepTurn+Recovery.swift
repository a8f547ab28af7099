import ClusterModel
import Journal

extension StepTurn {
    enum Recovery {
        /// Nothing more to do in this session: it is done, or the message says why not.
        case settled(OperatorMessage?)
        /// It was not done; a new attempt may begin.
        case again
    }

    /// Finds out what came of an attempt that has no outcome, by what its class allows.
    func recover(attempt: Int) async throws -> Recovery {
        switch planned.stepClass {
        case .read:
            try record(.notDone, "a read; it is simply done again", attempt: attempt)
            return .again
        case .idempotent, .manual: return try await probe(attempt: attempt)
        case .guarded: return try await attach(attempt: attempt)
        }
    }

    /// Takes up a guarded attempt: its operation records on the host know what came of it.
    ///
    /// Where the host has no record the same operation is sent again under the same id, so that even a first sending still on
    /// its way cannot make two of it.
    private func attach(attempt: Int) async throws -> Recovery {
        let began = executor.time.uptime
        let operations = OperationLedger(attaches: true)
        do {
            let effect = try await effect(attempt: attempt, operations)
            executor.events(.recovered(planned.id, detail: "the host had kept its outcome"))
            return .settled(try await settle(.success(effect), attempt: attempt, operations, since: began))
        } catch is OperationNotBegun where executor.isAbandoning {
            try record(.notDone, "it had not begun", attempt: attempt)
            return .again
        } catch is OperationNotBegun {
            executor.events(.recovered(planned.id, detail: "it had not begun; sent again"))
            if let stale = await staleness() {
                try record(.refused, stale.message.event, attempt: attempt)
                return .settled(stale.message)
            }
            return .settled(try await perform(attempt: attempt, isIntended: true))
        } catch let failure as StepFailure {
            try Task.checkCancellation()
            if operations.isGone { return try await probe(attempt: attempt) }
            if !failure.outcomeIsUnknown, !operations.settled.isEmpty {
                return .settled(try await settle(.failure(failure), attempt: attempt, operations, since: began))
            }
            try record(.cannotTell, failure.message.event, attempt: attempt)
            return .settled(undecided(failure.message))
        }
    }

    /// Asks the step itself whether its effect is there.
    private func probe(attempt: Int) async throws -> Recovery {
        let finding: Probe
        do {
            finding = try await typed.probe(context(attempt: attempt, OperationLedger(attaches: true)))
        } catch {
            try Task.checkCancellation()
            let message = StepFailure(error, place: place).message
            if mayRepeat, !executor.isAbandoning {
                try record(.notDone, "repeated whatever came of it; asking failed: \(message.event)", attempt: attempt)
                return .again
            }
            try record(.cannotTell, message.event, attempt: attempt)
            return .settled(undecided(message))
        }
        switch finding {
        case .done(let output, let detail):
            try record(.done, detail, attempt: attempt)
            let (recorded, stored) = try executor.outputs.recorded(output, of: planned.id, attempt: attempt)
            try executor.journal.append(
                .stepOutcome(
                    StepOutcome(
                        step: planned.id,
                        attempt: attempt,
                        result: .ok,
                        reattached: true,
                        output: recorded,
                        message: detail,
                        outputs: stored
                    )
                )
            )
            await removeRecords()
            return .settled(nil)
        case .notDone(let detail) where planned.stepClass == .manual:
            // Never repeated by the program, however sure the probe is: a person says so.
            try record(.cannotTell, detail, attempt: attempt)
            return .settled(asking("it seems not done (\(detail)), and is never repeated without being told"))
        case .notDone(let detail):
            try record(.notDone, detail, attempt: attempt)
            return .again
        case .cannotTell(let detail):
            try record(.cannotTell, detail, attempt: attempt)
            return .settled(asking("it cannot be told whether it was done: \(detail)"))
        }
    }

    private func record(_ finding: StepProbe.Finding, _ detail: String, attempt: Int) throws {
        try executor.journal.append(
            .stepProbe(StepProbe(step: planned.id, attempt: attempt, finding: finding, detail: detail))
        )
        executor.events(.recovered(planned.id, detail: detail))
    }

    private func asking(_ event: String) -> OperatorMessage {
        OperatorMessage(
            .outcomeUnknown,
            at: place,
            event,
            next: "rollbook resolve \(executor.run) \(planned.id.text) --as done|not-done --why TEXT"
        )
    }

    /// Still not known: what keeps it from being known, as something that stops the run.
    private func undecided(_ message: OperatorMessage) -> OperatorMessage {
        guard message.code != .security else { return message }
        return OperatorMessage(
            .outcomeUnknown,
            at: message.place ?? place,
            "what came of it is still not known: \(message.event)",
            state: "It may have been done",
            next: message.next ?? "rollbook resume \(executor.run)"
        )
    }
}
