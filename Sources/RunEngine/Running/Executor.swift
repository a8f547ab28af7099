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
    /// Hosts at the same time where the plan sets no lower limit; at least 1.
    let parallel: Int
    let events: @Sendable (RunEvent) -> Void
    /// The steps of each stage by host, in plan order.
    private let lanes: [[HostName: [PlannedStep]]]

    package init(
        plan: Plan,
        planID: ContentHash,
        run: RunID,
        registry: StepRegistry,
        connections: any HostConnections,
        journal: any RunJournal,
        outputs: any OutputStore,
        services: StepServices,
        time: any TimeSource,
        stop: StopRequest,
        parallel: Int,
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
        self.parallel = max(1, parallel)
        self.events = events
        var lanes = plan.stages.map { _ in [HostName: [PlannedStep]]() }
        for step in plan.steps where lanes.indices.contains(step.stage) {
            lanes[step.stage][step.host, default: []].append(step)
        }
        self.lanes = lanes
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
    /// - Throws: only when the journal cannot be written, or when cancelled between two steps; then nothing more was sent.
    package func execute() async throws -> Ending {
        var problems: [OperatorMessage] = []
        /// A stage that an earlier session finished, but perhaps without having seen its gates open.
        var unproven: PlannedStage?
        for (index, stage) in plan.stages.enumerated() {
            guard hasWork(stage: index) else {
                if !lanes[index].isEmpty { unproven = stage }
                continue
            }
            if stop.requested != nil { return try end(problems, isHeld: true) }
            if let finished = unproven, let closed = try await closedGate(after: finished) {
                return try end(problems + [closed], isHeld: true)
            }
            unproven = nil
            let (found, isHeld) = try await run(stage, index)
            problems += found
            if isHeld { return try end(problems, isHeld: true) }
        }
        if let finished = unproven, let closed = try await closedGate(after: finished) {
            return try end(problems + [closed], isHeld: true)
        }
        return try end(problems, isHeld: false)
    }

    /// The steps of one host in a stage, in plan order.
    func steps(ofStage index: Int, on host: HostName) -> [PlannedStep] { lanes[index][host] ?? [] }

    private func hasWork(stage index: Int) -> Bool {
        let state = journal.state
        return lanes[index].values.contains { $0.contains { !(state[$0.id]?.isSatisfied ?? false) } }
    }

    private func run(_ stage: PlannedStage, _ index: Int) async throws -> (problems: [OperatorMessage], isHeld: Bool) {
        events(.stageBegan(index: index, name: stage.name, hosts: stage.batches.reduce(0) { $0 + $1.count }))
        if let closed = try await closedRequirement(of: stage) { return ([closed], true) }
        var problems: [OperatorMessage] = []
        for batch in stage.batches {
            if stop.requested != nil { return (problems, true) }
            let failures = try await run(batch, ofStage: index, stage)
            problems += failures.map { tolerated($0, stage) }
            if stop.requested != nil || failures.contains(where: { holds($0, stage) }) { return (problems, true) }
            if let closed = try await closedGate(after: stage) { return (problems + [closed], true) }
        }
        return (problems, false)
    }

    private func run(_ batch: [HostName], ofStage index: Int, _ stage: PlannedStage) async throws -> [OperatorMessage] {
        let limit = stage.parallel > 0 ? min(stage.parallel, parallel) : parallel
        let brake = Brake()
        var byHost: [HostName: OperatorMessage] = [:]
        try await withThrowingTaskGroup(of: (HostName, OperatorMessage?).self) { group in
            var waiting = batch.makeIterator()
            func startNext() {
                guard stop.requested == nil, !brake.isPulled, let host = waiting.next() else { return }
                group.addTask {
                    let failure = try await StepLane(executor: self, host: host, stage: index, brake: brake).run()
                    if let failure, holds(failure, stage) { brake.pull() }
                    return (host, failure)
                }
            }
            for _ in 0..<limit { startNext() }
            while let (host, failure) = try await group.next() {
                byHost[host] = failure
                startNext()
            }
        }
        return batch.compactMap { byHost[$0] }
    }

    /// Whether nothing new may begin after this failure.
    private func holds(_ failure: OperatorMessage, _ stage: PlannedStage) -> Bool {
        stage.onFailure == .hold || failure.code == .security || failure.code == .outcomeUnknown
    }

    /// In a stage that goes on after failures, plain failures count as "partial"; what a person must see stays itself.
    private func tolerated(_ message: OperatorMessage, _ stage: PlannedStage) -> OperatorMessage {
        guard stage.onFailure == .continue else { return message }
        switch message.code {
        case .outcomeUnknown, .integrity, .security, .storage, .fault: return message
        default:
            return OperatorMessage(
                .partial,
                at: message.place,
                message.event,
                state: message.state,
                next: message.next
            )
        }
    }

    /// Records how the session ends: done only when every step is, held while an outcome is not known.
    private func end(_ problems: [OperatorMessage], isHeld: Bool) throws -> Ending {
        let state = journal.state
        let isUndecided = plan.steps.contains { state[$0.id]?.needsProbe ?? false }
        let left = plan.steps.count { !(state[$0.id]?.isSatisfied ?? false) }
        var problems = problems
        let result: RunEnd.Result
        var code = ExitCode.mostSevere(problems.map(\.code) + (isUndecided ? [.outcomeUnknown] : []))
        if let signal = stop.requested {
            events(.stopping(signal: signal))
            try journal.append(.runInterrupted(RunInterrupted(signal: signal)))
            result = .held
            if !isUndecided { code = signal.exitCode }
        } else if isHeld || isUndecided {
            result = .held
        } else if !problems.isEmpty {
            result = .partial
        } else if left == 0 {
            result = .done
        } else {
            let message = OperatorMessage(.fault, "\(left) steps of the plan were not executed")
            (result, code, problems) = (.held, message.code, [message])
        }
        let summary = try JSONValue(encoding: problems)
        try journal.append(
            .runEnd(RunEnd(result: result, exitCode: code, summary: .object(["problems": summary])))
        )
        return Ending(result: result, exitCode: code, problems: problems)
    }
}

extension RunInterrupted.Signal {
    fileprivate var exitCode: ExitCode {
        switch self {
        case .hangUp: .hungUp
        case .interrupt: .interrupted
        case .terminate: .terminated
        }
    }
}
