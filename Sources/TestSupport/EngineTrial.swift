package import ClusterModel
package import Journal
package import RunEngine
import RemoteShell
import Synchronization

/// A cluster in memory, a runbook, and everything else that a plan and a run need.
package struct EngineTrial: Sendable {
    package let cluster: Cluster
    package let hosts: SimulatedCluster
    package let time: TestTime
    package let registry: StepRegistry
    package let outputs = MemoryOutputs()
    package let stop = StopRequest()
    package var parallel = 8
    package var library: [String: Runbook] = [:]
    package let run: RunID

    package init(_ cluster: Cluster = .sample(), registry: StepRegistry = .toys, time: TestTime = TestTime()) {
        self.cluster = cluster
        self.registry = registry
        self.time = time
        hosts = SimulatedCluster(cluster, time: time)
        run = RunID(moment: time.now, random: 0x9f3a_12c4)
    }

    /// Another run on the same hosts, as of another controller.
    package init(beside other: EngineTrial, random: UInt32) {
        cluster = other.cluster
        registry = other.registry
        time = other.time
        hosts = other.hosts
        run = RunID(moment: time.now, random: random)
    }

    package func plan(
        _ runbook: Runbook,
        inputs: [String: String] = [:],
        without: [String] = [],
        views: StepServices = StepServices()
    )
        async throws -> Plan
    {
        let facts = FactCache(cluster: cluster, connections: hosts, parallel: parallel, time: time)
        let library = library
        let planner = Planner(cluster: cluster, registry: registry, facts: facts, views: views) { name in
            guard let found = library[name] else { throw OperatorMessage(.invalidInput, at: name, "no such runbook") }
            return found
        }
        return try await planner.plan(
            Planner.Request(
                runbook: runbook,
                inputs: inputs,
                bindings: PlanBindings(inventory: "sha256:i", runbook: runbook.digest, knownHosts: "sha256:k"),
                program: "rollbook test",
                moment: time.now,
                without: without.compactMap { HostName($0) }
            )
        )
    }

    /// A journal without bytes, for tests of very many runs.
    package func foldJournal(for plan: Plan) throws -> FoldJournal {
        let id = ContentHash(of: Array(plan.runbook.utf8))
        let begin = JournalEvent.runBegin(
            RunBegin(plan: id, by: me, cluster: cluster.id, runbook: plan.runbook, steps: plan.steps.count)
        )
        let real = InMemoryJournal(run: run, plan: id, clock: JournalClock(time: time, boot: "boot"))
        let journal = FoldJournal(placeholder: try real.append(begin))
        try journal.append(begin)
        try journal.append(.lockTaken(LockTaken(epoch: 1)))
        return journal
    }

    package func resumed(_ journal: FoldJournal) throws -> FoldJournal { try journal.resumed(by: me) }

    private var me: Operator { Operator(program: "rollbook test", host: "controller", user: "tester", pid: 1) }

    /// A journal as it is when the first step may begin.
    package func journal(for plan: Plan) throws -> InMemoryJournal {
        let id = ContentHash(of: try plan.bytes())
        let journal = InMemoryJournal(run: run, plan: id, clock: JournalClock(time: time, boot: "boot"))
        try journal.append(
            .runBegin(
                RunBegin(plan: id, by: me, cluster: cluster.id, runbook: plan.runbook, steps: plan.steps.count)
            )
        )
        try journal.append(.lockTaken(LockTaken(epoch: 1)))
        return journal
    }

    /// What a later process makes of a journal: the same records, and its own first one.
    package func resumed(_ journal: InMemoryJournal, of plan: Plan) throws -> InMemoryJournal {
        let copy = InMemoryJournal(
            run: run,
            plan: ContentHash(of: try plan.bytes()),
            clock: JournalClock(time: time, boot: "boot")
        )
        for record in journal.records { try copy.append(record.event) }
        try copy.append(.runResumed(RunResumed(purpose: .resume, by: me)))
        return copy
    }

    package func execute(
        _ plan: Plan,
        on journal: any RunJournal,
        services: StepServices = StepServices(),
        events: @escaping @Sendable (RunEvent) -> Void = { _ in }
    ) async throws -> Executor.Ending {
        try await executor(for: plan, on: journal, services: services, events: events).execute()
    }

    /// Begins a journal as a controller does that shares the cluster with others: with an epoch of its own.
    package func ownedJournal(for plan: Plan, _ fence: ClusterFence) async throws -> FoldJournal {
        let epoch = try await fence.survey(after: nil)
        let journal = try foldJournal(for: plan)
        try journal.append(.lockTaken(LockTaken(epoch: epoch)))
        return journal
    }

    package func fence(_ plan: Plan, controller: String, takesOver: Bool = false) -> ClusterFence {
        ClusterFence(
            of: plan,
            run: run,
            controller: HostFence.Controller(id: controller, name: "ops-\(controller)"),
            isTakingOver: takesOver,
            registry: registry,
            connections: hosts,
            parallel: parallel
        )
    }

    package func executor(
        for plan: Plan,
        on journal: any RunJournal,
        services: StepServices = StepServices(),
        events: @escaping @Sendable (RunEvent) -> Void = { _ in }
    ) -> Executor {
        Executor(
            plan: plan,
            planID: ContentHash(of: Array(plan.runbook.utf8)),
            run: run,
            registry: registry,
            connections: hosts,
            journal: journal,
            outputs: outputs,
            services: services,
            time: time,
            stop: stop,
            parallel: parallel,
            events: events
        )
    }
}

extension Cluster {
    /// A cluster of some masters, workers and load balancers, named `master1`, `worker1`, `lb1` and so on.
    package static func sample(masters: Int = 3, workers: Int = 2, loadBalancers: Int = 2) -> Cluster {
        func hosts(_ count: Int, _ name: String, _ role: Role, _ net: Int) -> [Host] {
            (0..<count).compactMap { index in
                HostName("\(name)\(index + 1)").map {
                    Host(name: $0, role: role, ssh: SSHSettings(address: "10.0.\(net).\(index + 1)"))
                }
            }
        }
        guard let id = ClusterID("sample") else { preconditionFailure("the name of the sample cluster is valid") }
        return Cluster(
            id: id,
            hosts: hosts(masters, "master", .master, 1) + hosts(workers, "worker", .worker, 2)
                + hosts(loadBalancers, "lb", .loadBalancer, 3)
        )
    }
}

extension Runbook {
    /// A runbook of toy steps.
    package static func toy(inputs: [RunbookInput] = [], _ stages: [RunbookStage]) -> Runbook {
        .toy("toy", inputs: inputs, stages)
    }

    package static func toy(_ name: String, inputs: [RunbookInput] = [], _ stages: [RunbookStage]) -> Runbook {
        Runbook(name: name, summary: "", inputs: inputs, stages: stages, digest: "sha256:\(name)")
    }
}

extension RunbookStage {
    package static func toy(
        _ name: String = "stage",
        on selector: String,
        pace: Pace = .parallel(cap: nil),
        onFailure: FailurePolicy = .hold,
        maxFailures: HostShare? = nil,
        require: [StepCall] = [],
        gates: [StepCall] = [],
        _ steps: [StepCall]
    ) -> RunbookStage {
        RunbookStage(
            name: name,
            selector: selector,
            pace: pace,
            onFailure: onFailure,
            maxFailures: maxFailures,
            require: require,
            gates: gates,
            steps: steps,
            location: SourceLocation(file: "toy.yaml", line: 1, column: 1)
        )
    }

    package static func including(_ name: String) -> RunbookStage {
        RunbookStage(
            name: name,
            selector: "all",
            steps: [],
            include: name,
            location: SourceLocation(file: "toy.yaml", line: 1, column: 1)
        )
    }
}

extension StepCall {
    package static func toy(_ kind: String, _ parameters: [String: JSONValue] = [:]) -> StepCall {
        StepCall(
            kind: "toy.\(kind)",
            parameters: parameters,
            location: SourceLocation(file: "toy.yaml", line: 1, column: 1)
        )
    }
    package static func read(_ key: String) -> StepCall { .toy("read", ["key": .string(key)]) }
    package static func set(_ key: String, _ value: String) -> StepCall {
        .toy("set", ["key": .string(key), "value": .string(value)])
    }
    package static func add(_ key: String, _ entry: String) -> StepCall {
        .toy("add", ["key": .string(key), "entry": .string(entry)])
    }
    package static func turn(_ key: String, probe: String = "cannotTell") -> StepCall {
        .toy("turn", ["key": .string(key), "probe": .string(probe)])
    }
    package static func gate(_ key: String, _ value: String) -> StepCall {
        .toy("is", ["key": .string(key), "value": .string(value)])
    }
}
