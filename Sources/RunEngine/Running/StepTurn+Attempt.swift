import ClusterModel
import Journal
import RemoteShell

extension StepTurn {
    /// Performs the step: intent, effect, outcome, each durable before the next.
    ///
    /// With `isIntended` the attempt's intent is in the journal already, and nothing of it was done.
    func perform(attempt: Int, isIntended: Bool = false) async throws -> OperatorMessage? {
        if let failure = await ownershipProblem() {
            try record(.refused, failure.event, attempt: attempt)
            return failure
        }
        let began = executor.time.uptime
        if !isIntended {
            let arguments = ContentHash(of: CanonicalJSON.bytes(of: .object(planned.parameters)))
            try executor.journal.append(
                .stepIntent(
                    StepIntent(
                        step: planned.id,
                        attempt: attempt,
                        operation: "\(executor.run.short).\(planned.id.text).\(attempt)",
                        stepClass: planned.stepClass,
                        arguments: arguments
                    )
                )
            )
        }
        executor.events(.stepBegan(planned.id, host: planned.host, kind: planned.kind, attempt: attempt))
        let operations = OperationLedger(attaches: false)
        do {
            let output = try await effect(attempt: attempt, operations)
            return try await settle(.success(output), attempt: attempt, operations, since: began)
        } catch let error as StepFailure {
            // Let go of at once: what came of it is for `resume` to find out.
            try Task.checkCancellation()
            return try await settle(.failure(error), attempt: attempt, operations, since: began)
        }
    }

    /// Why the run may not change the step's host, or nil when it owns it.
    private func ownershipProblem() async -> OperatorMessage? {
        guard let fence = executor.fence, typed.traits.changesHost, let host = target.host else { return nil }
        do {
            let epoch = executor.journal.state.epoch ?? 0
            try await fence.claim(host, epoch: epoch, over: try await link.connection(to: host))
            return nil
        } catch {
            return StepFailure(error, place: place).message
        }
    }

    /// What the step did, as its outcome records it.
    struct Effect {
        let output: JSONValue
        let stored: [OutputRecord]
    }

    /// Does the step's work; whatever is thrown on the way becomes a `StepFailure`, but for `OperationNotBegun`.
    func effect(attempt: Int, _ operations: OperationLedger) async throws -> Effect {
        let output: JSONValue
        do {
            output = try await work(context(attempt: attempt, operations))
        } catch let error as OperationNotBegun {
            throw error
        } catch {
            throw StepFailure(error, place: place)
        }
        do {
            let (output, stored) = try executor.outputs.recorded(output, of: planned.id, attempt: attempt)
            return Effect(output: output, stored: stored)
        } catch {
            // The effect is there, only its result could not be kept: not a failure of the step.
            throw StepFailure(StepFailure(error, place: place).message, outcomeIsUnknown: true)
        }
    }

    /// Records the outcome, then removes what the host still keeps of the attempt.
    func settle(
        _ effect: Result<Effect, StepFailure>,
        attempt: Int,
        _ operations: OperationLedger,
        since began: Duration
    ) async throws -> OperatorMessage? {
        let duration = executor.time.uptime - began
        let result: StepOutcome.Result
        var failure: OperatorMessage?
        switch effect {
        case .success: result = .ok
        case .failure(let thrown):
            result = outcome(of: thrown, operations)
            failure = spoken(thrown.message, as: result)
        }
        let done = try? effect.get()
        try executor.journal.append(
            .stepOutcome(
                StepOutcome(
                    step: planned.id,
                    attempt: attempt,
                    result: result,
                    reattached: operations.attaches,
                    output: done?.output ?? .null,
                    message: failure?.event,
                    outputs: done?.stored ?? [],
                    duration: duration
                )
            )
        )
        executor.events(
            .stepEnded(
                planned.id,
                host: planned.host,
                kind: planned.kind,
                result: result,
                message: failure?.event,
                duration: duration
            )
        )
        if result != .unknown, operations.attaches || operations.isGone || !operations.settled.isEmpty {
            await removeRecords()
        }
        return failure
    }

    /// What is known after a failure.
    ///
    /// When only the way to the host failed, a guarded step of which no operation was begun was refused, and may begin anew;
    /// one whose operations ended is to be looked at again, for what it still wanted to see is not a failure of what it did.
    private func outcome(of failure: StepFailure, _ operations: OperationLedger) -> StepOutcome.Result {
        if failure.message.code == .locked { return .refused }
        if failure.outcomeIsUnknown { return mayRepeat ? .failed : .unknown }
        guard planned.stepClass == .guarded, failure.isOfLink else { return .failed }
        return operations.settled.isEmpty ? .refused : .unknown
    }

    /// What a person says who wants a failed step tried again, which the program does not do by itself.
    var retryCommand: String {
        "when its cause is mended: rollbook resume \(executor.run) --retry \(planned.id.text)"
    }

    /// What to do after a failure: the step's own advice, and how to go on after it where it does not say so.
    private func nextOfFailure(_ message: OperatorMessage) -> String {
        guard let own = message.next else { return retryCommand }
        return own.contains("rollbook ") ? own : "\(own); \(retryCommand)"
    }

    /// The message with the code that fits what was recorded.
    private func spoken(_ message: OperatorMessage, as result: StepOutcome.Result) -> OperatorMessage {
        switch (result, message.code) {
        case (.unknown, .outcomeUnknown), (.unknown, .security): message
        case (.unknown, _):
            OperatorMessage(
                .outcomeUnknown,
                at: message.place,
                message.event,
                state: "It may have been done",
                next: message.next ?? "rollbook resume \(executor.run)"
            )
        case (.failed, .outcomeUnknown):
            OperatorMessage(
                .stepFailed,
                at: message.place,
                message.event,
                state: "It may be repeated safely",
                next: message.next
            )
        case (.failed, _) where !mayRepeat:
            OperatorMessage(
                message.code,
                at: message.place,
                message.event,
                state: message.state,
                next: nextOfFailure(message)
            )
        default: message
        }
    }

    /// The outcome is durable, so nobody will ask the host for it; what cannot be removed now is swept after 30 days.
    func removeRecords() async {
        guard planned.stepClass == .guarded, let host = target.host,
            let connection = try? await link.connection(to: host)
        else { return }
        let records = "\(executor.run.short).\(planned.id.text)"
        _ = try? await connection.run(OperationRecord.removal(ofAll: records))
    }

    func context(attempt: Int, _ operations: OperationLedger) -> StepContext {
        let plan = executor.plan
        let state = executor.journal.state
        let cache = FactCache(
            cluster: plan.cluster,
            connections: link,
            parallel: executor.parallel,
            time: executor.time
        )
        return StepContext(
            target: target,
            run: executor.run,
            plan: PlanSummary(
                id: executor.planID.text,
                runbook: plan.runbook,
                program: plan.program,
                gates: plan.stages.flatMap(\.require)
            ),
            step: planned.id,
            attempt: attempt,
            facts: RecordingFactReader(cluster: plan.cluster, cache: cache, views: executor.services),
            history: RunHistory(plan: plan, state: state, outputs: executor.outputs, stage: planned.stage),
            services: executor.services,
            time: executor.time,
            progress: { [events = executor.events, planned] in
                events(.progress(planned.id, host: planned.host, text: $0))
            },
            epoch: typed.traits.changesHost ? state.epoch ?? 0 : nil,
            connections: link,
            operations: operations
        )
    }

    /// What this turn is about: performing the step, or undoing it.
    private func work(_ context: StepContext) async throws -> JSONValue {
        if let undoing { return try await Self.undo(typed, undoing, context) }
        return try await Self.perform(typed, context)
    }

    private static func perform<S: Step>(_ step: S, _ context: StepContext) async throws -> JSONValue {
        try JSONValue(encoding: try await step.perform(context))
    }

    private static func undo<S: Step>(_ step: S, _ output: JSONValue, _ context: StepContext) async throws -> JSONValue
    {
        try await step.undo(try output.decode(S.Output.self), context)
        return .null
    }
}
