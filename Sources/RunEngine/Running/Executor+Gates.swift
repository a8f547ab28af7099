import ClusterModel
import Journal

extension Executor {
    /// Reads of an open gate in a row that a decision needs.
    private static let goodReads = 3
    private static let timeBetweenReads = Duration.seconds(5)
    private static let gateDeadline = Duration.seconds(600)

    /// The first closed condition of a stage that is about to begin, or nil when all are open.
    func closedRequirement(of stage: PlannedStage) async throws -> OperatorMessage? {
        for gate in stage.require {
            if let closed = try await decide(gate, of: stage) { return closed }
        }
        return nil
    }

    /// Waits for the gates after a batch; nil when each was open three times in a row.
    ///
    /// A gate that is closed after ten minutes, or when the run is asked to stop, is returned as its message.
    func closedGate(after batch: [HostName], of stage: PlannedStage) async throws -> OperatorMessage? {
        for planned in stage.gates {
            let deadline = time.uptime + Self.gateDeadline
            var good = 0
            while good < Self.goodReads {
                if let closed = try await decide(planned, of: stage, after: batch) {
                    good = 0
                    if closed.code == .security { return closed }
                    if time.uptime >= deadline || stop.requested != nil {
                        return OperatorMessage(
                            .deadline,
                            at: planned.kind,
                            "still waits: \(closed.event)",
                            state: closed.state,
                            next: closed.next
                        )
                    }
                } else {
                    good += 1
                }
                if good < Self.goodReads { try await time.sleep(for: Self.timeBetweenReads) }
            }
        }
        return nil
    }

    /// Evaluates a gate on facts read now from the machines of the plan, and records the verdict.
    private func decide(
        _ planned: PlannedGate,
        of stage: PlannedStage,
        after batch: [HostName]? = nil
    ) async throws -> OperatorMessage? {
        let began = time.uptime
        let verdict: GateVerdict
        do {
            let gate = try registry.gate(planned.kind, planned.parameters)
            let verified = VerifiedConnections(connections, plan: plan)
            let cache = FactCache(cluster: plan.cluster, connections: verified, parallel: parallel, time: time)
            await cache.prefetch(gate.facts(in: plan.cluster))
            verdict = await Planner.verdict(
                of: gate,
                RecordingFactReader(cluster: plan.cluster, cache: cache, views: services),
                after: batch
            )
        } catch let message as OperatorMessage {
            verdict = .closed(message)
        }
        let passed: Bool
        let detail: String
        var closed: OperatorMessage?
        switch verdict {
        case .open(let text, let remarks): (passed, detail) = (true, ([text] + remarks).joined(separator: "; "))
        case .closed(let message):
            (passed, detail) = (false, message.event)
            closed = message.completed(place: planned.kind)
        }
        try journal.append(
            .stageGate(
                StageGate(
                    stage: stage.name,
                    gate: planned.kind,
                    passed: passed,
                    waited: time.uptime - began,
                    detail: detail
                )
            )
        )
        events(.gate(stage: stage.name, kind: planned.kind, passed: passed, detail: detail))
        return closed
    }
}
