import ClusterModel
import Journal
import RemoteShell

/// The steps of one stage on one host, one after another.
struct StepLane {
    let executor: Executor
    let host: HostName
    let stage: Int
    let brake: Brake

    /// Returns why the lane stopped, or nil when all its steps are satisfied or were not to begin any more.
    ///
    /// - Throws: only when the journal cannot be written.
    func run() async throws -> OperatorMessage? {
        for step in executor.steps(ofStage: stage, on: host) {
            if executor.stop.requested != nil || brake.isPulled { return nil }
            let state = executor.journal.state[step.id]
            if let state, state.isSatisfied { continue }
            let place = "\(host)/\(step.kind)"
            let typed: any Step
            do { typed = try executor.registry.step(step.kind, step.parameters) } catch {
                return StepFailure(error, place: place).message
            }
            let turn = StepTurn(
                executor: executor,
                planned: step,
                typed: typed,
                place: place,
                link: VerifiedConnections(executor.connections, plan: executor.plan)
            )
            if let failure = try await turn.take(from: state) { return failure }
        }
        return nil
    }
}

/// One step whose turn it is: what has to be known before it may be performed.
struct StepTurn {
    let executor: Executor
    let planned: PlannedStep
    let typed: any Step
    /// `master2/kubelet.upgrade`, for messages.
    let place: String
    let link: VerifiedConnections
    /// The step's output, when this turn is to undo it.
    var undoing: JSONValue?

    var target: StepTarget {
        StepTarget(
            host: executor.plan.cluster.host(named: planned.host),
            cluster: executor.plan.cluster,
            without: executor.plan.without ?? []
        )
    }

    var mayRepeat: Bool { planned.stepClass == .read || planned.stepClass == .idempotent }

    /// Brings the step to its end, or returns why not.
    func take(from state: StepState?) async throws -> OperatorMessage? {
        if let state, state.needsProbe {
            switch try await recover(attempt: state.attempt) {
            case .settled(let failure): return failure
            case .again: break
            }
        }
        let attempt = (state?.attempt ?? 0) + 1
        switch planned.decision {
        case .blocked(let message):
            let complete = message.completed(place: place)
            if state == nil { try record(.refused, complete.event, attempt: attempt) }
            return complete
        case .noop(let reason), .warning(let reason):
            try record(.skipped, reason, attempt: attempt)
            return nil
        case .change, .unknown: break
        }
        if let state, state.phase == .failed, !mayRepeat, !executor.retry.contains(planned.id) {
            return OperatorMessage(
                .stepFailed,
                at: place,
                state.outcome?.message ?? "it failed",
                state: "It is not repeated by itself",
                next: retryCommand
            )
        }
        if let stale = await staleness() {
            guard mayRepeat || executor.retry.contains(planned.id), state?.intent != nil else {
                try record(.refused, stale.message.event, attempt: attempt)
                return stale.message
            }
            // An earlier attempt of this very step may be what changed it: what there is to do now decides.
            switch stale.decision {
            case .noop(let reason), .warning(let reason):
                try record(.skipped, reason, attempt: attempt)
                return nil
            case .blocked, .blockedUntil: return stale.message
            case .change, .unknown: break
            }
        }
        if case .unknown = planned.decision {
            switch await decideNow().decision {
            case .noop(let reason), .warning(let reason):
                try record(.skipped, reason, attempt: attempt)
                return nil
            case .blocked(let message), .blockedUntil(_, let message):
                try record(.refused, message.event, attempt: attempt)
                return message.completed(place: place)
            case .change, .unknown: break
            }
        }
        return try await perform(attempt: attempt)
    }

    /// Records an outcome of a step for which nothing was sent.
    func record(_ result: StepOutcome.Result, _ why: String, attempt: Int) throws {
        try executor.journal.append(
            .stepOutcome(StepOutcome(step: planned.id, attempt: attempt, result: result, message: why))
        )
        executor.events(
            .stepEnded(
                planned.id,
                host: planned.host,
                kind: planned.kind,
                result: result,
                message: why,
                duration: .zero
            )
        )
    }

    /// A plan that was made for another state, and what would be decided now.
    struct Stale {
        let message: OperatorMessage
        let decision: Decision
    }

    /// Reads again what the decision relied on; nil when all of it is as it was.
    func staleness() async -> Stale? {
        guard !planned.preconditions.isEmpty else { return nil }
        let (decision, reader) = await decideNow()
        return difference(in: reader).map { Stale(message: $0, decision: decision) }
    }

    private func difference(in reader: RecordingFactReader) -> OperatorMessage? {
        for wanted in planned.preconditions {
            if let found = reader.preconditions.first(where: { $0.host == wanted.host && $0.fact == wanted.fact }) {
                if found.value == wanted.value { continue }
                return stale("\(wanted.fact) of \(wanted.host) was \(wanted.value.brief), is \(found.value.brief)")
            }
            if let failure = reader.failures.first(where: { $0.host == wanted.host && $0.fact == wanted.fact }) {
                return failure.message.completed(place: place, state: "Nothing was sent")
            }
            return stale("\(wanted.fact) of \(wanted.host) was \(wanted.value.brief), is not there any more")
        }
        return nil
    }

    private func stale(_ what: String) -> OperatorMessage {
        OperatorMessage(.stale, at: place, "plan is stale: \(what)", state: "Nothing was sent", next: "plan again")
    }

    /// The verdict on facts read now, and the facts themselves.
    private func decideNow() async -> (decision: Decision, reader: RecordingFactReader) {
        let cluster = executor.plan.cluster
        let cache = FactCache(cluster: cluster, connections: link, parallel: executor.parallel, time: executor.time)
        await cache.prefetch(typed.facts(on: target))
        let reader = RecordingFactReader(cluster: cluster, cache: cache, views: executor.services)
        return (await Planner.decision(of: typed, reader, target), reader)
    }
}

extension JSONValue {
    /// Short text for a message: the value itself, cut when long.
    fileprivate var brief: String {
        let text = String(decoding: CanonicalJSON.bytes(of: self), as: UTF8.self)
        return text.count <= 120 ? text : text.prefix(117) + "…"
    }
}
