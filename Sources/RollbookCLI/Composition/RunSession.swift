import BackupStore
import ClusterModel
import ClusterSteps
import Journal
import Manifests
import RemoteShell
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
    /// Who can be asked.
    let person: PersonAtTerminal

    init(_ context: ClusterContext, stateOption: String?, view: RunView, person: PersonAtTerminal? = nil) throws {
        self.context = context
        self.person = person ?? PersonAtTerminal(context.surroundings)
        state = try StateDirectory.prepare(at: FilePath(context.surroundings.stateDirectory(stateOption)))
        registry = .shipped
        source = RunbookSource(context.surroundings, registry: registry)
        self.view = view
    }

    var surroundings: Surroundings { context.surroundings }
    var backupRoot: String { state.path.appending("backups").string }

    func newRunID() -> RunID { RunID(moment: surroundings.time.now, random: UInt32.random(in: .min ... .max)) }

    /// Takes the cluster's lock, or throws `locked` naming the holder.
    func lock(for run: RunID, runbook: String) throws -> RunLock {
        try state.takeLock(of: context.cluster.id, for: run, runbook: runbook, surroundings)
    }

    /// Makes the plan; hosts are only read.
    func plan(
        _ entry: RunbookSource.Entry,
        inputs: [String: String],
        scope: ScopeOptions,
        checks: CheckOptions
    ) async throws -> Plan {
        let selector: HostSelector?
        do { selector = try scope.on.map { try HostSelector($0) } } catch {
            throw OperatorMessage(.usage, at: "--on", "\(error)")
        }
        let facts = FactCache(
            cluster: context.cluster,
            connections: context.connections,
            parallel: context.parallel,
            time: surroundings.time
        )
        let planner = Planner(cluster: context.cluster, registry: registry, facts: facts, views: try views()) { name in
            try source.find(name).runbook
        }
        let plan = try await planner.plan(
            Planner.Request(
                runbook: entry.runbook,
                inputs: inputs,
                bindings: bindings(of: entry),
                program: Version.program,
                moment: surroundings.time.now,
                limit: selector,
                without: try scope.left(of: context.cluster),
                skipped: try checks.skipped(of: entry.runbook)
            )
        )
        try person.check(answersAreAskedIn: plan)
        return plan
    }

    func bindings(of entry: RunbookSource.Entry) -> PlanBindings {
        PlanBindings(
            inventory: context.inventory.digest,
            runbook: entry.runbook.digest,
            knownHosts: context.hostKeys.digest,
            runbookFile: entry.isNamedFile ? entry.path.map(surroundings.absolute) : nil
        )
    }

    /// Executes a plan under a lock that is held already.
    func execute(_ plan: Plan, as run: RunID, takingOver: Bool) async throws -> Executor.Ending {
        try person.check(plan)
        let bytes = try plan.bytes()
        let id = ContentHash(of: bytes)
        let fence = try fence(plan, run: run, takingOver: takingOver)
        let epoch = try await fence.survey(after: nil)
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
        try journal.append(.lockTaken(LockTaken(epoch: epoch)))
        let executor = try executor(for: plan, id: id, run: run, journal: journal, fence: fence)
        showBoard(plan, run)
        return try await go(executor) { try await $0.execute() }
    }

    /// Begins the live view, where there is to be one.
    private func showBoard(_ plan: Plan, _ run: RunID, after known: RunState? = nil, isUndoing: Bool = false) {
        guard view.isLive else { return }
        let finder = RunFinder(state)
        view.progress.beginLive(
            LiveBoard(
                plan,
                run: run,
                satisfied: Set(known?.steps.filter { $0.value.isSatisfied }.keys.map(\.self) ?? []),
                isUndoing: isUndoing,
                pace: isUndoing ? nil : finder.pace(for: plan, before: run),
                began: surroundings.time.uptime
            ),
            inColour: view.isInColour
        )
    }

    /// The plan of a run, as its folder has it.
    func plan(of folder: RunFolder) throws -> Plan {
        guard let bytes = try JournalReader.verify(folder).plan else {
            throw OperatorMessage(.integrity, at: folder.plan.string, "the plan of the run is missing")
        }
        return try Plan.read(bytes, from: folder.plan.string)
    }

    /// Goes on with a run whose process ended, or gives it up.
    func reopen(
        _ folder: RunFolder,
        _ purpose: RunResumed.Purpose,
        _ options: Reopening,
        _ report: RunReporting
    ) async throws -> Reopened {
        let known = try JournalReader.verify(folder)
        guard let bytes = known.plan else {
            throw OperatorMessage(.integrity, at: folder.plan.string, "the plan of the run is missing")
        }
        let plan = try Plan.read(bytes, from: folder.plan.string)
        try options.check(plan, known, purpose)
        if purpose == .resume { try person.check(plan, known.state) }
        let fence = try fence(plan, run: folder.run, takingOver: options.takesOver)
        let epoch = try await fence.survey(after: known.state.epoch)
        let (journal, _) = try JournalWriter.reopen(
            folder,
            purpose: purpose,
            by: surroundings.operatorIdentity,
            clock: surroundings.clock,
            witnesses: try state.witnesses(of: folder.run)
        )
        try journal.append(.lockTaken(LockTaken(epoch: epoch)))
        var executor = try executor(
            for: plan,
            id: ContentHash(of: bytes),
            run: folder.run,
            journal: journal,
            fence: fence
        )
        executor.retry = options.retry
        await report.notifier.started()
        showBoard(plan, folder.run, after: known.state, isUndoing: purpose == .abandon)
        let ending = try await go(executor) {
            purpose == .abandon ? try await $0.abandon() : try await $0.execute()
        }
        return Reopened(plan: plan, ending: ending)
    }

    private func fence(_ plan: Plan, run: RunID, takingOver: Bool) throws -> ClusterFence {
        ClusterFence(
            of: plan,
            run: run,
            controller: HostFence.Controller(
                id: try state.controllerID(orElse: UInt64.random(in: .min ... .max)),
                name: surroundings.hostname.split(whereSeparator: \.isWhitespace).joined(separator: "-")
            ),
            isTakingOver: takingOver,
            registry: registry,
            connections: context.connections,
            parallel: context.parallel
        )
    }

    private func executor(
        for plan: Plan,
        id: ContentHash,
        run: RunID,
        journal: JournalWriter,
        fence: ClusterFence
    ) throws -> Executor {
        var executor = Executor(
            plan: plan,
            planID: id,
            run: run,
            registry: registry,
            connections: context.connections,
            journal: journal,
            outputs: RunOutputs(folder: journal.folder),
            services: try services(journal.folder),
            time: surroundings.time,
            stop: StopRequest(),
            parallel: context.parallel,
            events: { event in
                guard view.progress.show(event) else { return }
                try? journal.note(Note(kind: "ui.lost", detail: .string("nobody reads the progress any more")))
            }
        )
        executor.fence = fence
        return executor
    }

    /// Works until the end, or until signals ask to stop.
    private func go(
        _ executor: Executor,
        _ work: @escaping @Sendable (Executor) async throws -> Executor.Ending
    ) async throws -> Executor.Ending {
        defer { view.progress.endLive() }
        let task = Task { try await work(executor) }
        let watcher = SignalWatcher(stop: executor.stop, show: view.progress.stop) { task.cancel() }
        defer { watcher.cancel() }
        let ending: Executor.Ending
        do { ending = try await task.value } catch let detached as Detached {
            throw Self.message(of: detached, executor.run)
        }
        if let failure = (executor.journal as? JournalWriter)?.headFailure {
            Terminal.error(failure.message.description)
        }
        return ending
    }

    private static func message(of detached: Detached, _ run: RunID) -> OperatorMessage {
        let running = detached.running.map { "\($0.host)/\($0.kind)" }
        return OperatorMessage(
            detached.signal.exitCode,
            "let go of the run at once",
            state: running.isEmpty
                ? "No step was under way"
                : "Still running on its host, or about to: \(running.joined(separator: ", "))",
            next: "rollbook resume \(run)"
        )
    }
}
