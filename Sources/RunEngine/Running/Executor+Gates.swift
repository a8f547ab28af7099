import ClusterModel
import Journal

extension Executor {
    /// Reads of an open gate in a row that a decision needs.
    private static let goodReads = 3
    private static let timeBetweenReads = Duration.seconds(5)
    private static let gateDeadline = Duration.seconds(600)

    /// The first closed condition of a stage that is about to begin, or nil when all are open.
    func closedRequirement(of stage: PlannedStage) async throws -> OperatorMessage? {
        let facts = freshFacts()
        for gate in stage.require {
            let look = try await look(at: gate, of: stage, facts)
            tell(look, of: stage)
            if let closed = look.closed { return closed }
        }
        return nil
    }

    /// Waits for the gates after a batch; nil when all of them were open three times in a row.
    ///
    /// The gates of one look see the same facts. A gate that is closed after ten minutes, or when the run is asked to stop, is returned
    /// as its message.
    func closedGate(after batch: [HostName], of stage: PlannedStage) async throws -> OperatorMessage? {
        guard !stage.gates.isEmpty else { return nil }
        let deadline = time.uptime + Self.gateDeadline
        var good = 0
        var told: [String: GateLook] = [:]
        while true {
            let facts = freshFacts()
            var closed: OperatorMessage?
            for gate in stage.gates where closed == nil {
                let look = try await look(at: gate, of: stage, after: batch, facts)
                if told.updateValue(look, forKey: gate.kind)?.text != look.text { tell(look, of: stage) }
                closed = look.closed
            }
            if let closed {
                good = 0
                if closed.code == .security { return closed }
                if time.uptime >= deadline || stop.requested != nil {
                    return OperatorMessage(
                        .deadline,
                        at: closed.place,
                        "still waits: \(closed.event)",
                        state: closed.state,
                        next: closed.next
                    )
                }
            } else {
                good += 1
                if good == Self.goodReads { return nil }
            }
            try await time.sleep(for: Self.timeBetweenReads)
        }
    }

    private struct GateLook {
        let kind: String
        let detail: String
        /// Why it is closed; nil when it is open.
        let closed: OperatorMessage?

        var text: String { (closed == nil ? "open " : "closed ") + detail }
    }

    /// Facts of one look at gates, read from the machines of the plan.
    private func freshFacts() -> FactCache {
        let verified = VerifiedConnections(connections, plan: plan)
        return FactCache(cluster: plan.cluster, connections: verified, parallel: parallel, time: time)
    }

    private func tell(_ look: GateLook, of stage: PlannedStage) {
        events(.gate(stage: stage.name, kind: look.kind, passed: look.closed == nil, detail: look.detail))
    }

    /// Evaluates a gate, and records the verdict.
    private func look(
        at planned: PlannedGate,
        of stage: PlannedStage,
        after batch: [HostName]? = nil,
        _ facts: FactCache
    ) async throws -> GateLook {
        let began = time.uptime
        let verdict: GateVerdict
        do {
            let gate = try registry.gate(planned.kind, planned.parameters)
            await facts.prefetch(gate.facts(in: plan.cluster))
            verdict = await Planner.verdict(
                of: gate,
                RecordingFactReader(cluster: plan.cluster, cache: facts, views: services),
                after: batch
            )
        } catch let message as OperatorMessage {
            verdict = .closed(message)
        }
        let look =
            switch verdict {
            case .open(let text, let remarks):
                GateLook(kind: planned.kind, detail: ([text] + remarks).joined(separator: "; "), closed: nil)
            case .closed(let message):
                GateLook(kind: planned.kind, detail: message.event, closed: message.completed(place: planned.kind))
            }
        try journal.append(
            .stageGate(
                StageGate(
                    stage: stage.name,
                    gate: planned.kind,
                    passed: look.closed == nil,
                    waited: time.uptime - began,
                    detail: look.detail
                )
            )
        )
        return look
    }
}
