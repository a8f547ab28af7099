import ArgumentParser
import ClusterModel
import Journal
import RunEngine

/// `resume [RUN]`: goes on with a run that was interrupted; executes its stored plan, never plans again.
struct ResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: "Go on with an interrupted run, by its stored plan."
    )

    @Argument(help: "Run id (else the newest run that can go on).") var id: String?
    @Option(
        help: ArgumentHelp(
            "Try this failed step again, which is not repeated by itself; may be repeated.",
            valueName: "step"
        )
    )
    var retry: [String] = []
    @OptionGroup var cluster: ClusterOptions
    @OptionGroup var ownership: OwnershipOptions
    @OptionGroup var progress: ProgressOptions

    func run() async throws {
        var steps: Set<StepID> = []
        for text in retry {
            guard let step = StepID(text) else { throw OperatorMessage(.usage, at: "--retry \(text)", "is no step id") }
            steps.insert(step)
        }
        try await ReopenedRun(cluster: cluster, progress: progress, id: id, takesOver: ownership.takeOver).work(
            .resume,
            retry: steps
        )
    }
}

/// `abandon RUN`: gives a run up and takes back what it set, as far as that can be taken back.
struct AbandonCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "abandon",
        abstract: "Give a run up: undo what it set, and begin nothing else."
    )

    @Argument(help: "Run id.") var id: String
    @OptionGroup var cluster: ClusterOptions
    @OptionGroup var ownership: OwnershipOptions
    @OptionGroup var progress: ProgressOptions
    @Flag(name: .shortAndLong, help: "Do not ask.") var yes = false

    func run() async throws {
        try await ReopenedRun(
            cluster: cluster,
            progress: progress,
            id: id,
            takesOver: ownership.takeOver,
            asks: !yes
        ).work(.abandon)
    }
}

/// A recorded run that a later process takes up: what `resume` and `abandon` share.
struct ReopenedRun {
    let cluster: ClusterOptions
    let progress: ProgressOptions
    let id: String?
    let takesOver: Bool
    var asks = false

    func work(_ purpose: RunResumed.Purpose, retry: Set<StepID> = []) async throws {
        let surroundings = try Surroundings.current()
        let began = surroundings.time.uptime
        let context = try ClusterContext.load(cluster, surroundings)
        let view = RunView(cluster.state, surroundings, progress.progress)
        let session = try RunSession(context, stateOption: cluster.state.stateDir, view: view)
        let folder = try find(session.state, context.cluster.id)
        if asks { try confirm(folder, surroundings) }
        let lock = try session.lock(for: folder.run, runbook: purpose.rawValue)
        defer { lock.release() }
        let options = Reopening(cluster: context.cluster.id, takesOver: takesOver, retry: retry)
        let plan = try session.plan(of: folder)
        let report = session.reporting(for: folder.run, plan.runbook, plan.report, action: purpose.rawValue)
        try await report.follow(since: began) {
            let reopened = try await session.reopen(folder, purpose, options, report)
            return try RunFlow(session: session, view: view, asks: false).finish(
                reopened.ending,
                plan: reopened.plan,
                run: folder.run,
                since: began
            )
        }
    }

    private func confirm(_ folder: RunFolder, _ surroundings: Surroundings) throws {
        guard surroundings.asksOnTerminal else {
            throw OperatorMessage(
                .refused,
                "there is no terminal to ask for confirmation",
                state: "Nothing was contacted",
                next: "rollbook abandon \(folder.run) --yes"
            )
        }
        guard Terminal.confirm("Give up run \(folder.run) and undo what it set?") else {
            throw OperatorMessage(.refused, "not confirmed", state: "Nothing was changed")
        }
    }

    private func find(_ state: StateDirectory, _ cluster: ClusterID) throws -> RunFolder {
        if let text = id { return try state.run(named: text) }
        for id in try state.runs().reversed() {
            guard let folder = try state.existingRun(id), let recorded = try? JournalReader.verify(folder),
                recorded.state.begin?.cluster == cluster
            else { continue }
            if recorded.state.status == .open || recorded.state.status == .held { return folder }
        }
        throw OperatorMessage(.refused, "no run of cluster \(cluster) waits to be resumed")
    }
}

extension StateDirectory {
    /// The folder of the run a person named.
    func run(named text: String) throws -> RunFolder {
        guard let run = RunID(text) else {
            throw OperatorMessage(.usage, at: text, "is no run id", next: "rollbook runs lists them")
        }
        guard let folder = try existingRun(run) else {
            throw OperatorMessage(.usage, at: text, "there is no such run", next: "rollbook runs lists them")
        }
        return folder
    }
}
