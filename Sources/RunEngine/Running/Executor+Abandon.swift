import ClusterModel
import Journal

extension Executor {
    /// Gives the run up: takes back what it set and can take back, newest first, and begins nothing else.
    ///
    /// First finds out what came of steps without an outcome; while one of them stays unknown nothing is taken back. On each
    /// host undoing stops at a step that cannot be undone: what was set before it may be needed for what it did. Only what changed
    /// nothing of the host, and what made room for the time being, is never needed. When that step ends an outage of the whole
    /// cluster, what it did needs all hosts: then only steps of the outage are taken back, so that what was stopped runs again.
    /// Recorded like any step, so it may be interrupted and called again; an undo that fails holds the run.
    package func abandon() async throws -> Ending {
        var executor = self
        executor.isAbandoning = true
        return try await executor.session { try await executor.takeBack() }
    }

    private func takeBack() async throws -> Ending {
        let unknown = try await findOutcomes()
        guard unknown.isEmpty else { return try await end(unknown, isHeld: true) }
        var stopped: [HostName: OperatorMessage] = [:]
        var outageHasEnded = false
        for step in plan.steps.reversed() {
            if stop.requested != nil { return try await end([], isHeld: true) }
            guard let known = journal.state[step.id] else { continue }
            switch step.reversal {
            case .nothingToUndo: continue
            case .irreversible(let reason):
                guard stopped[step.host] == nil, known.intent != nil, known.phase == .ok || known.phase == .failed
                else {
                    continue
                }
                stopped[step.host] = OperatorMessage(
                    .partial,
                    at: "\(step.host)/\(step.kind)",
                    "it cannot be undone: \(reason)",
                    state: step.outage == true
                        ? "What the run set on any host before it stays; what it stopped is started"
                        : "What the run set on \(step.host) before it stays"
                )
                if step.outage == true { outageHasEnded = true }
            case .undoable:
                guard known.phase == .ok, !outageHasEnded || step.outage == true else { continue }
                if stopped[step.host] != nil, try isGround(step) { continue }
                if let failure = try await undo(step, known) { return try await end([failure], isHeld: true) }
            }
        }
        let left = plan.cluster.hosts.compactMap { stopped[$0.name] }
        return try await finish(.abandoned, ExitCode.mostSevere(left.map(\.code)), left)
    }

    /// Whether what later steps did on the host may stand on this one.
    private func isGround(_ step: PlannedStep) throws -> Bool {
        let traits = try registry.step(step.kind, step.parameters).traits
        return traits.changesHost && traits.purpose != .preparation
    }

    /// Asks hosts and steps what came of everything that was begun; what stays unknown is returned.
    private func findOutcomes() async throws -> [OperatorMessage] {
        var problems: [OperatorMessage] = []
        for step in plan.steps {
            guard let state = journal.state[step.id], state.needsProbe else { continue }
            let turn = try turn(for: step)
            if case .settled(let failure?) = try await turn.recover(attempt: state.attempt),
                journal.state[step.id]?.needsProbe ?? false
            {
                problems.append(failure)
            }
        }
        return problems
    }

    private func undo(_ step: PlannedStep, _ known: StepState) async throws -> OperatorMessage? {
        let planned = try step.undoing
        let state = journal.state[planned.id]
        if state?.isSatisfied ?? false { return nil }
        if let state, state.needsProbe {
            try journal.append(
                .stepProbe(
                    StepProbe(
                        step: planned.id,
                        attempt: state.attempt,
                        finding: .notDone,
                        detail: "an undo is simply done again"
                    )
                )
            )
        }
        var turn = try turn(for: planned)
        turn.undoing = try outputs.output(of: known) ?? .null
        guard let failure = try await turn.perform(attempt: (state?.attempt ?? 0) + 1) else { return nil }
        return OperatorMessage(
            .outcomeUnknown,
            at: "\(step.host)/\(step.kind)",
            "it could not be undone: \(failure.event)",
            state: "Undoing stopped here; what was set before is as the run left it",
            next: "mend the cause, then rollbook abandon \(run)"
        )
    }

    private func turn(for step: PlannedStep) throws -> StepTurn {
        StepTurn(
            executor: self,
            planned: step,
            typed: try registry.step(step.kind, step.parameters),
            place: "\(step.host)/\(step.kind)",
            link: VerifiedConnections(connections, plan: plan)
        )
    }
}

extension PlannedStep {
    /// The undo of this step as a step of its own: `undo.<step id>`, repeatable by contract.
    fileprivate var undoing: PlannedStep {
        get throws {
            guard let id = StepID("undo.\(id.text)") else {
                throw OperatorMessage(.fault, at: id.text, "its undo cannot be named")
            }
            return PlannedStep(
                id: id,
                stage: stage,
                host: host,
                kind: kind,
                parameters: parameters,
                stepClass: .idempotent,
                reversal: .nothingToUndo,
                takesHostAway: takesHostAway,
                outage: outage,
                decision: .change([]),
                preconditions: []
            )
        }
    }
}
