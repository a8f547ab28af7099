package import ClusterModel
package import Journal
import RemoteShell

/// Executes a plan, and only that plan: every choice was made when it was planned.
///
/// Guarantees: an intent is durable before anything is sent; an outcome is durable before anything that depends on it
/// begins; when nothing can be recorded, nothing is sent. The same function runs a new plan and resumes one, for what
/// is left to do is read from the recorder's state.
package struct Executor: Sendable {
    let plan: Plan
    let planID: ContentHash
    let run: RunID
    let registry: StepRegistry
    let connections: any HostConnections
    let journal: any RunJournal
    let outputs: any OutputStore
    let services: StepServices
    let time: any TimeSource
    let stop: StopRequest
    /// Hosts at the same time where the plan sets no lower limit.
    let parallel: Int
    let events: @Sendable (RunEvent) -> Void

    package init(
        plan: Plan, planID: ContentHash, run: RunID, registry: StepRegistry, connections: any HostConnections,
        journal: any RunJournal, outputs: any OutputStore, services: StepServices, time: any TimeSource, stop: StopRequest, parallel: Int,
        events: @escaping @Sendable (RunEvent) -> Void
    ) {
        self.plan = plan
        self.planID = planID
        self.run = run
        self.registry = registry
        self.connections = connections
        self.journal = journal
        self.outputs = outputs
        self.services = services
        self.time = time
        self.stop = stop
        self.parallel = parallel
        self.events = events
    }

    /// How a session of a run ended.
    package struct Ending: Sendable {
        package let result: RunEnd.Result
        package let exitCode: ExitCode
        /// What went wrong, in inventory order within each stage.
        package let problems: [OperatorMessage]
    }

    /// Does what is left to do, and records the end.
    ///
    /// - Throws: only when the journal cannot be written; then nothing more was sent.
    package func execute() async throws -> Ending {
        var problems: [OperatorMessage] = []
        var isHeld = false
        stages: for (index, stage) in plan.stages.enumerated() {
            guard try await hasWork(stage: index) else { continue }
            if stop.requested != nil { break }
            events(.stageBegan(index: index, name: stage.name, hosts: stage.batches.reduce(0) { $0 + $1.count }))
            if let closed = try await closedRequirement(of: stage) {
                problems.append(closed)
                isHeld = true
                break
            }
            for batch in stage.batches {
                if stop.requested != nil { break stages }
                let failures = try await run(batch, ofStage: index, stage)
                problems += failures.map { tolerated($0, stage) }
                let stops = failures.contains { $0.code == .security || $0.code == .outcomeUnknown }
                if stops || (stage.onFailure == .hold && !failures.isEmpty) {
                    isHeld = true
                    break stages
                }
                if let closed = try await closedGate(after: stage) {
                    problems.append(closed)
                    isHeld = true
                    break stages
                }
            }
        }
        return try await end(problems: problems, isHeld: isHeld)
    }

    private func end(problems: [OperatorMessage], isHeld: Bool) async throws -> Ending {
        let ending: Ending
        if let signal = stop.requested {
            events(.stopping(signal: signal))
            try journal.append(.runInterrupted(RunInterrupted(signal: signal)))
            let code: ExitCode =
                switch signal {
                case .hangUp: .hungUp
                case .interrupt: .interrupted
                case .terminate: .terminated
                }
            ending = Ending(result: .held, exitCode: code, problems: problems)
        } else if isHeld {
            ending = Ending(
                result: .held, exitCode: ExitCode.mostSevere(problems.map(\.code)), problems: problems)
        } else if problems.isEmpty {
            ending = Ending(result: .done, exitCode: .done, problems: [])
        } else {
            ending = Ending(
                result: .partial, exitCode: ExitCode.mostSevere(problems.map(\.code)), problems: problems)
        }
        let summary = try JSONValue(encoding: problems)
        try journal.append(
            .runEnd(RunEnd(result: ending.result, exitCode: ending.exitCode, summary: .object(["problems": summary]))))
        return ending
    }

    /// In a stage that goes on after failures, plain failures count as "partial"; what a person must see stays itself.
    private func tolerated(_ message: OperatorMessage, _ stage: PlannedStage) -> OperatorMessage {
        guard stage.onFailure == .continue else { return message }
        switch message.code {
        case .outcomeUnknown, .integrity, .security, .storage, .fault: return message
        default:
            return OperatorMessage(
                .partial, at: message.place, message.event, state: message.state, next: message.next)
        }
    }

    private func hasWork(stage index: Int) async throws -> Bool {
        let state = journal.state
        return plan.steps(ofStage: index).contains { !(state[$0.id]?.isSatisfied ?? false) }
    }

    private func run(_ batch: [HostName], ofStage index: Int, _ stage: PlannedStage) async throws -> [OperatorMessage] {
        let limit = stage.parallel > 0 ? min(stage.parallel, parallel) : parallel
        var byHost: [HostName: OperatorMessage] = [:]
        try await withThrowingTaskGroup(of: (HostName, OperatorMessage?).self) { group in
            var waiting = batch.makeIterator()
            func startNext() {
                guard stop.requested == nil, let host = waiting.next() else { return }
                group.addTask { (host, try await StepLane(executor: self, host: host, stage: index).run()) }
            }
            for _ in 0..<limit { startNext() }
            while let (host, failure) = try await group.next() {
                byHost[host] = failure
                startNext()
            }
        }
        return batch.compactMap { byHost[$0] }
    }

    private func closedRequirement(of stage: PlannedStage) async throws -> OperatorMessage? {
        for gate in stage.require {
            if let closed = try await decide(gate, of: stage) { return closed }
        }
        return nil
    }

    /// Evaluates a gate on facts read now, and records the verdict.
    private func decide(_ planned: PlannedGate, of stage: PlannedStage) async throws -> OperatorMessage? {
        let began = time.uptime
        let verdict: GateVerdict
        do {
            let gate = try registry.gate(planned.kind, planned.parameters)
            let cache = FactCache(cluster: plan.cluster, connections: connections, parallel: parallel)
            await cache.prefetch(gate.facts(in: plan.cluster))
            verdict = await Planner.verdict(of: gate, RecordingFactReader(
                cluster: plan.cluster, cache: cache, views: services))
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
            .stageGate(StageGate(stage: stage.name, passed: passed, waited: time.uptime - began, detail: detail)))
        events(.gate(stage: stage.name, kind: planned.kind, passed: passed, detail: detail))
        return closed
    }

    /// Waits for the gates after a batch: three good reads in a row, five seconds apart, within ten minutes.
    private func closedGate(after stage: PlannedStage) async throws -> OperatorMessage? {
        for planned in stage.gates {
            let deadline = time.uptime + .seconds(600)
            var good = 0
            while good < 3 {
                if let closed = try await decide(planned, of: stage) {
                    good = 0
                    if time.uptime >= deadline || stop.requested != nil {
                        return OperatorMessage(
                            .deadline, at: planned.kind, "still waits: \(closed.event)", state: closed.state,
                            next: closed.next)
                    }
                } else {
                    good += 1
                }
                if good < 3 { try await time.sleep(for: .seconds(5)) }
            }
        }
        return nil
    }
}
