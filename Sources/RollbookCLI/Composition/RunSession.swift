import BackupStore
import ClusterModel
import ClusterSteps
import Journal
import Manifests
import RunEngine
import SSHTransport
import SystemPackage

/// One run on one cluster, from the lock to the last line: what `run`, `apply` and `resume` share.
struct RunSession: Sendable {
    let context: ClusterContext
    let state: StateDirectory
    let registry: StepRegistry
    let source: RunbookSource
    let view: RunView

    init(_ context: ClusterContext, stateOption: String?, view: RunView) throws {
        self.context = context
        state = try StateDirectory.prepare(at: FilePath(context.surroundings.stateDirectory(stateOption)))
        registry = .shipped
        source = RunbookSource(context.surroundings, registry: registry)
        self.view = view
    }

    private var surroundings: Surroundings { context.surroundings }
    var backupRoot: String { state.path.appending("backups").string }

    func newRunID() -> RunID { RunID(moment: surroundings.time.now, random: UInt32.random(in: .min ... .max)) }

    /// Takes the cluster's lock, or throws `locked` naming the holder.
    func lock(for run: RunID, runbook: String) throws -> RunLock {
        guard let process = ProcessIdentity.current else {
            throw OperatorMessage(.fault, at: "/proc", "cannot tell this process from others")
        }
        let hint = LockHint(
            run: run,
            process: process,
            program: Version.program,
            runbook: runbook,
            since: surroundings.time.now
        )
        return try RunLock.take(state.lock(of: context.cluster.id), hint: hint, what: "cluster \(context.cluster.id)")
    }

    /// Makes the plan; hosts are only read.
    func plan(_ entry: RunbookSource.Entry, inputs: [String: String], on limit: String? = nil) async throws -> Plan {
        let selector: HostSelector?
        do { selector = try limit.map { try HostSelector($0) } } catch {
            throw OperatorMessage(.usage, at: "--on", "\(error)")
        }
        let facts = FactCache(
            cluster: context.cluster,
            connections: context.connections,
            parallel: context.parallel
        )
        let planner = Planner(cluster: context.cluster, registry: registry, facts: facts, views: try views()) { name in
            try source.find(name).runbook
        }
        return try await planner.plan(
            Planner.Request(
                runbook: entry.runbook,
                inputs: inputs,
                bindings: bindings(of: entry),
                program: Version.program,
                moment: surroundings.time.now,
                limit: selector
            )
        )
    }

    func bindings(of entry: RunbookSource.Entry) -> PlanBindings {
        PlanBindings(
            inventory: context.inventory.digest,
            runbook: entry.runbook.digest,
            knownHosts: context.hostKeys.digest
        )
    }

    /// Executes a plan under a lock that is held already.
    func execute(_ plan: Plan, as run: RunID) async throws -> Executor.Ending {
        let bytes = try plan.bytes()
        let id = ContentHash(of: bytes)
        let begin = RunBegin(
            plan: id,
            by: surroundings.operatorIdentity,
            cluster: plan.cluster.id,
            runbook: plan.runbook,
            steps: plan.steps.count,
            previous: try state.witness(before: run)
        )
        let journal = try JournalWriter.create(
            in: try state.makeRun(run),
            plan: bytes,
            begin: begin,
            clock: surroundings.clock
        )
        try journal.append(.lockTaken(LockTaken(epoch: 1)))
        return try await go(plan, id: id, run: run, journal: journal)
    }

    /// Goes on with a run whose process ended.
    func resume(_ folder: RunFolder) async throws -> (Plan, Executor.Ending) {
        let (journal, recorded) = try JournalWriter.reopen(
            folder,
            purpose: .resume,
            by: surroundings.operatorIdentity,
            clock: surroundings.clock,
            witnesses: try state.witnesses(of: folder.run)
        )
        guard let bytes = recorded.plan else {
            throw OperatorMessage(.integrity, at: folder.plan.string, "the plan of the run is missing")
        }
        let plan = try Plan.read(bytes, from: folder.plan.string)
        return (plan, try await go(plan, id: ContentHash(of: bytes), run: folder.run, journal: journal))
    }

    private func go(_ plan: Plan, id: ContentHash, run: RunID, journal: JournalWriter) async throws -> Executor.Ending {
        let stop = StopRequest()
        let executor = Executor(
            plan: plan,
            planID: id,
            run: run,
            registry: registry,
            connections: context.connections,
            journal: journal,
            outputs: RunOutputs(folder: journal.folder),
            services: try services(),
            time: surroundings.time,
            stop: stop,
            parallel: context.parallel,
            events: { view.progress.show($0) }
        )
        let work = Task { try await executor.execute() }
        let watcher = SignalWatcher(stop: stop) { work.cancel() }
        defer { watcher.cancel() }
        let ending = try await work.value
        if let failure = journal.headFailure { Terminal.error(failure.message.description) }
        return ending
    }

    /// Read-only views for planning.
    private func views() throws -> StepServices {
        var views = StepServices()
        let local = LocalBackups(state: state.path.string, cluster: context.cluster, time: surroundings.time)
        views.add(local as any BackupOutlook)
        return views
    }

    /// What steps may use while they act: the views, and the workspace of a backup.
    private func services() throws -> StepServices {
        var services = try views()
        services.add(
            BackupWorkspace(
                store: try BackupStore(root: backupRoot, cluster: context.cluster.id),
                tools: .standard,
                checker: SnapshotChecker(),
                controller: surroundings.hostname
            )
        )
        return services
    }

    func report(for run: RunID, _ kind: RunReport) -> BackupReport? {
        guard kind == .backup else { return nil }
        let local = LocalBackups(state: state.path.string, cluster: context.cluster, time: surroundings.time)
        return BackupReport(
            policy: context.cluster.backup,
            cluster: context.cluster.id,
            run: run,
            local: local,
            time: surroundings.time
        )
    }
}
