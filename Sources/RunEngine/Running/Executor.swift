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
    package let run: RunID
    let registry: StepRegistry
    let connections: any HostConnections
    package let journal: any RunJournal
    let outputs: any OutputStore
    let services: StepServices
    let time: any TimeSource
    package let stop: StopRequest
    /// Hosts at the same time where the plan sets no lower limit; at least 1.
    let parallel: Int
    let events: @Sendable (RunEvent) -> Void
    /// Ownership of the hosts; without one the run is not kept apart from those of other controllers.
    package var fence: ClusterFence?
    /// Steps that failed and that a person wants tried again, although they are not repeated by themselves.
    package var retry: Set<StepID> = []
    /// Nothing is begun any more, only what was done is taken back.
    var isAbandoning = false
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
    /// - Throws: when the journal cannot be written, and `Detached` when cancelled; then nothing more was sent.
    package func execute() async throws -> Ending { try await session { try await goOn() } }

    /// Owns the hosts for the time of `work`, and lets go of everything at once when cancelled.
    func session(_ work: () async throws -> Ending) async throws -> Ending {
        do {
            if let fence, !fence.hosts.isEmpty {
                do { try await fence.claimAll(epoch: journal.state.epoch ?? 0) } catch let message as OperatorMessage {
                    return try await end([message], isHeld: true)
                }
            }
            return try await work()
        } catch is CancellationError {
            let signal = stop.requested ?? .terminate
            try journal.append(.runInterrupted(RunInterrupted(signal: signal)))
            let state = journal.state
            throw Detached(signal: signal, running: plan.steps.filter { state[$0.id]?.phase == .started })
        }
    }

    /// Whether a host is left in a state that only this run can explain.
    private var holdsHosts: Bool {
        let state = journal.state
        return plan.steps.contains { step in
            guard let known = state[step.id], known.intent != nil, known.phase != .refused else { return false }
            return (try? registry.step(step.kind, step.parameters).traits.changesHost) ?? true
        }
    }

    private func goOn() async throws -> Ending {
        var problems: [OperatorMessage] = []
        /// A stage that an earlier session finished, but perhaps without having seen its gates open.
        var unproven: PlannedStage?
        for (index, stage) in plan.stages.enumerated() {
            guard hasWork(stage: index) else {
                if !lanes[index].isEmpty { unproven = stage }
                continue
            }
            if stop.requested != nil { return try await end(problems, isHeld: true) }
            if let finished = unproven,
                let closed = try await closedGate(after: finished.batches.flatMap(\.self), of: finished)
            {
                return try await end(problems + [closed], isHeld: true)
            }
            unproven = nil
            let (found, isHeld) = try await run(stage, index)
            problems += found
            if isHeld { return try await end(problems, isHeld: true) }
        }
        if let finished = unproven,
            let closed = try await closedGate(after: finished.batches.flatMap(\.self), of: finished)
        {
            return try await end(problems + [closed], isHeld: true)
        }
        return try await end(problems, isHeld: false)
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
        let brake = Brake(budget: stage.maxFailures)
        /// Hosts of batches in which nothing had to be done, or nothing more: one look at the gates is for all of them.
        var unproven: [HostName] = []
        for batch in stage.batches {
            if stop.requested != nil { return (problems, true) }
            let isChanging = isChanging(batch, ofStage: index)
            if isChanging, !unproven.isEmpty {
                if let closed = try await closedGate(after: unproven, of: stage) { return (problems + [closed], true) }
                unproven = []
            }
            let failures = try await run(batch, ofStage: index, stage, brake)
            problems += failures.map { tolerated($0, stage) }
            if stop.requested != nil || brake.isPulled { return (problems, true) }
            guard isChanging else {
                unproven += batch
                continue
            }
            if let closed = try await closedGate(after: batch, of: stage) { return (problems + [closed], true) }
        }
        if !unproven.isEmpty, let closed = try await closedGate(after: unproven, of: stage) {
            return (problems + [closed], true)
        }
        return (problems, false)
    }

    /// Whether a batch has a step that is not satisfied yet and that may change something.
    private func isChanging(_ batch: [HostName], ofStage index: Int) -> Bool {
        let state = journal.state
        return batch.contains { host in
            steps(ofStage: index, on: host).contains {
                !$0.decision.isNothingToDo && !(state[$0.id]?.isSatisfied ?? false)
            }
        }
    }

    private func run(
        _ batch: [HostName],
        ofStage index: Int,
        _ stage: PlannedStage,
        _ brake: Brake
    ) async throws -> [OperatorMessage] {
        let limit = stage.parallel > 0 ? min(stage.parallel, parallel) : parallel
        var byHost: [HostName: OperatorMessage] = [:]
        try await withThrowingTaskGroup(of: (HostName, OperatorMessage?).self) { group in
            var waiting = batch.makeIterator()
            func startNext() {
                guard stop.requested == nil, !brake.isPulled, let host = waiting.next() else { return }
                group.addTask {
                    let failure = try await StepLane(executor: self, host: host, stage: index, brake: brake).run()
                    if let failure, holds(failure, stage) { brake.countFailure(isFinal: isFinal(failure)) }
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

    /// Whether nothing new may begin after this failure, or too many like it.
    private func holds(_ failure: OperatorMessage, _ stage: PlannedStage) -> Bool {
        stage.onFailure == .hold || isFinal(failure)
    }

    /// Whether no policy and no budget lets the run go on after this failure.
    private func isFinal(_ failure: OperatorMessage) -> Bool {
        failure.code == .security || failure.code == .outcomeUnknown || failure.code == .locked
    }

    /// In a stage that goes on after failures, plain failures count as "partial"; what a person must see stays itself.
    private func tolerated(_ message: OperatorMessage, _ stage: PlannedStage) -> OperatorMessage {
        guard stage.onFailure == .continue || stage.maxFailures != nil else { return message }
        switch message.code {
        case .outcomeUnknown, .integrity, .security, .storage, .locked, .fault: return message
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
    func end(_ problems: [OperatorMessage], isHeld: Bool) async throws -> Ending {
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
        return try await finish(result, code, problems)
    }

    /// Gives the hosts back, then records the end: a process that dies in between leaves a run to be resumed, never hosts that
    /// belong to a run that is over.
    func finish(_ result: RunEnd.Result, _ code: ExitCode, _ problems: [OperatorMessage]) async throws -> Ending {
        if let fence, result != .held || !holdsHosts { await fence.release() }
        let summary = try JSONValue(encoding: problems)
        try journal.append(
            .runEnd(RunEnd(result: result, exitCode: code, summary: .object(["problems": summary])))
        )
        return Ending(result: result, exitCode: code, problems: problems)
    }
}

extension RunInterrupted.Signal {
    /// What a process ends with that was stopped by it.
    package var exitCode: ExitCode {
        switch self {
        case .hangUp: .hungUp
        case .interrupt: .interrupted
        case .terminate: .terminated
        }
    }
}
