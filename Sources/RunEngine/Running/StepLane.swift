import ClusterModel
import Journal
import RemoteShell

/// The steps of one stage on one host, one after another.
struct StepLane {
    let executor: Executor
    let host: HostName
    let stage: Int

    /// Returns why the lane stopped, or nil when all its steps are satisfied.
    ///
    /// - Throws: only when the journal cannot be written.
    func run() async throws -> OperatorMessage? {
        for step in executor.plan.steps(ofStage: stage) where step.host == host {
            if executor.stop.requested != nil { return nil }
            let state = executor.journal.state[step.id]
            if let state, state.isSatisfied { continue }
            if let failure = try await advance(step, from: state) { return failure }
        }
        return nil
    }

    private func advance(_ step: PlannedStep, from state: StepState?) async throws -> OperatorMessage? {
        let place = "\(host)/\(step.kind)"
        let typed: any Step
        do { typed = try executor.registry.step(step.kind, step.parameters) } catch {
            return StepFailure(error, place: place).message
        }
        if let state, state.needsProbe {
            switch try await recover(typed, step, attempt: state.attempt) {
            case .settled: return nil
            case .stuck(let message): return message
            case .again: break
            }
        }
        let attempt = (state?.attempt ?? 0) + 1
        if state == nil {
            switch step.decision {
            case .noop(let reason):
                try await refuseOrSkip(step, attempt: attempt, .skipped, reason)
                return nil
            case .blocked(let message):
                let complete = message.completed(place: place)
                try await refuseOrSkip(step, attempt: attempt, .refused, complete.event)
                return complete
            case .change, .unknown: break
            }
        }
        if let state, state.phase == .failed, step.stepClass == .guarded || step.stepClass == .manual {
            return OperatorMessage(
                .stepFailed, at: place, state.outcome?.message ?? "it failed", state: "It is not repeated by itself")
        }
        if let stale = await staleness(of: typed, step) {
            try await refuseOrSkip(step, attempt: attempt, .refused, stale.event)
            return stale
        }
        return try await perform(typed, step, attempt: attempt)
    }

    private func refuseOrSkip(_ step: PlannedStep, attempt: Int, _ result: StepOutcome.Result, _ why: String) async throws {
        try executor.journal.append(
            .stepOutcome(StepOutcome(step: step.id, attempt: attempt, result: result, message: why)))
        executor.events(
            .stepEnded(step.id, host: host, kind: step.kind, result: result, message: why, duration: .zero))
    }

    /// Reads again what the decision relied on; nil when all of it is as it was.
    private func staleness(of typed: any Step, _ step: PlannedStep) async -> OperatorMessage? {
        guard !step.preconditions.isEmpty else { return nil }
        let cluster = executor.plan.cluster
        let target = StepTarget(host: cluster.host(named: host), cluster: cluster)
        let cache = FactCache(cluster: cluster, connections: executor.connections, parallel: executor.parallel)
        await cache.prefetch(typed.facts(on: target))
        let reader = RecordingFactReader(cluster: cluster, cache: cache, views: executor.services)
        let decision = await Planner.decision(of: typed, reader, target)
        let now = reader.preconditions
        for wanted in step.preconditions {
            guard let found = now.first(where: { $0.host == wanted.host && $0.fact == wanted.fact }) else {
                if case .blocked(let message) = decision { return message.completed(place: "\(host)/\(step.kind)") }
                continue
            }
            guard found.value == wanted.value else {
                return OperatorMessage(
                    .stale, at: "\(host)/\(step.kind)",
                    "plan is stale: \(wanted.fact) of \(wanted.host) was \(wanted.value.brief), is \(found.value.brief)",
                    state: "Nothing was sent", next: "plan again")
            }
        }
        return nil
    }

    private func perform(_ typed: any Step, _ step: PlannedStep, attempt: Int, reattached: Bool = false) async throws
        -> OperatorMessage?
    {
        let place = "\(host)/\(step.kind)"
        let began = executor.time.uptime
        if !reattached {
            let arguments = ContentHash(of: CanonicalJSON.bytes(of: .object(step.parameters)))
            try executor.journal.append(
                .stepIntent(
                    StepIntent(
                        step: step.id, attempt: attempt, operation: "\(executor.run.short).\(step.id.text).\(attempt)",
                        stepClass: step.stepClass, arguments: arguments)))
        }
        executor.events(.stepBegan(step.id, host: host, kind: step.kind, attempt: attempt))
        var result = StepOutcome.Result.ok
        var output = JSONValue.null
        var failure: StepFailure?
        var stored: [OutputRecord] = []
        do {
            let value = try await Self.perform(typed, try context(for: step, attempt: attempt))
            (output, stored) = try executor.outputs.recorded(value, of: step.id, attempt: attempt)
        } catch {
            let thrown = StepFailure(error, place: place)
            failure = thrown
            let mayRepeat = step.stepClass == .read || step.stepClass == .idempotent
            result = thrown.outcomeIsUnknown && !mayRepeat ? .unknown : .failed
        }
        let duration = executor.time.uptime - began
        try executor.journal.append(
            .stepOutcome(
                StepOutcome(
                    step: step.id, attempt: attempt, result: result, reattached: reattached, output: output,
                    message: failure?.message.event, outputs: stored, duration: duration)))
        executor.events(
            .stepEnded(
                step.id, host: host, kind: step.kind, result: result, message: failure?.message.event,
                duration: duration))
        guard let failure else { return nil }
        guard result == .failed, failure.message.code == .outcomeUnknown else { return failure.message }
        return OperatorMessage(
            .stepFailed, at: place, failure.message.event, state: "It may be repeated safely", next: failure.message.next)
    }

    private enum Recovery {
        case settled
        case again
        case stuck(OperatorMessage)
    }

    /// Finds out what came of an attempt that has no outcome.
    private func recover(_ typed: any Step, _ step: PlannedStep, attempt: Int) async throws -> Recovery {
        func record(_ finding: StepProbe.Finding, _ detail: String) async throws {
            try executor.journal.append(
                .stepProbe(StepProbe(step: step.id, attempt: attempt, finding: finding, detail: detail)))
            executor.events(.recovered(step.id, detail: detail))
        }
        if step.stepClass == .read {
            try await record(.notDone, "a read; it is simply done again")
            return .again
        }
        do {
            switch try await typed.probe(try context(for: step, attempt: attempt)) {
            case .done(let output, let detail):
                try await record(.done, detail)
                let (recorded, stored) = try executor.outputs.recorded(output, of: step.id, attempt: attempt)
                try executor.journal.append(
                    .stepOutcome(
                        StepOutcome(
                            step: step.id, attempt: attempt, result: .ok, reattached: true, output: recorded,
                            message: detail, outputs: stored)))
                return .settled
            case .notDone(let detail):
                try await record(.notDone, detail)
                return .again
            case .cannotTell(let detail):
                try await record(.cannotTell, detail)
                return .stuck(
                    OperatorMessage(
                        .outcomeUnknown, at: "\(host)/\(step.kind)", "it cannot be told whether it was done: \(detail)",
                        next: "rollbook resolve \(executor.run) \(step.id.text) --as done|not-done --why TEXT"))
            }
        } catch {
            let message = StepFailure(error, place: "\(host)/\(step.kind)").message
            try await record(.cannotTell, message.event)
            return .stuck(message)
        }
    }

    private func context(for step: PlannedStep, attempt: Int) throws -> StepContext {
        let plan = executor.plan
        let state = executor.journal.state
        let verified = VerifiedConnections(executor.connections, plan: plan)
        let cache = FactCache(cluster: plan.cluster, connections: verified, parallel: executor.parallel)
        var results: [StepID: StepResult] = [:]
        for (order, other) in plan.steps.enumerated() where other.stage <= step.stage && other.id != step.id {
            guard let known = state[other.id], !known.needsProbe else { continue }
            results[other.id] = StepResult(
                step: other.id, order: order, kind: other.kind, host: other.host, succeeded: known.isSatisfied,
                wasSkipped: known.phase == .skipped, output: try executor.outputs.output(of: known) ?? .null, message: known.outcome?.message)
        }
        return StepContext(
            target: StepTarget(host: plan.cluster.host(named: host), cluster: plan.cluster), run: executor.run,
            plan: PlanSummary(
                id: executor.planID.text, runbook: plan.runbook, program: plan.program, gates: plan.stages.flatMap(\.require)),
            step: step.id, attempt: attempt, facts: RecordingFactReader(
                cluster: plan.cluster, cache: cache, views: executor.services),
            results: results, services: executor.services, time: executor.time,
            progress: { [events = executor.events, host] in events(.progress(step.id, host: host, text: $0)) },
            epoch: state.epoch ?? 0, connections: verified)
    }

    private static func perform<S: Step>(_ step: S, _ context: StepContext) async throws -> JSONValue {
        try JSONValue(encoding: try await step.perform(context))
    }
}

extension JSONValue {
    /// Short text for a message: the value itself, cut when long.
    fileprivate var brief: String {
        let text = String(decoding: CanonicalJSON.bytes(of: self), as: UTF8.self)
        return text.count <= 120 ? text : text.prefix(117) + "…"
    }
}
