import ArgumentParser
import ClusterModel
import Journal
import RunEngine

/// `run RUNBOOK`: plan, show, confirm, execute that plan.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Plan a runbook, show the plan, ask, and execute exactly that plan."
    )

    @Argument(help: "Runbook name, or a YAML file.") var runbook: String
    @OptionGroup var cluster: ClusterOptions
    @OptionGroup var inputs: InputOptions
    @OptionGroup var answers: AnswerOptions
    @OptionGroup var scope: ScopeOptions
    @OptionGroup var checks: CheckOptions
    @OptionGroup var ownership: OwnershipOptions
    @OptionGroup var progress: ProgressOptions
    @Flag(name: .shortAndLong, help: "Do not ask.") var yes = false

    func run() async throws {
        let surroundings = try Surroundings.current()
        guard yes || surroundings.asksOnTerminal else {
            throw OperatorMessage(
                .refused,
                "there is no terminal to ask for confirmation",
                state: "Nothing was contacted",
                next: "rollbook run \(runbook) --yes"
            )
        }
        let began = surroundings.time.uptime
        let context = try ClusterContext.load(cluster, surroundings)
        let view = RunView(cluster.state, surroundings, progress.progress)
        let person = PersonAtTerminal(surroundings, answers: try answers.answers(), mayAsk: !yes)
        let session = try RunSession(context, stateOption: cluster.state.stateDir, view: view, person: person)
        let entry = try session.source.find(runbook)
        let run = session.newRunID()
        let report = session.reporting(for: run, entry.runbook.name, entry.runbook.report, action: "run")
        let lock: RunLock
        do { lock = try session.lock(for: run, runbook: entry.runbook.name) } catch {
            if (error as? JournalError)?.code == .locked { await report.skipped() }
            throw error
        }
        defer { lock.release() }
        await report.backup?.began()
        try await report.follow(since: began) {
            let plan = try await session.plan(entry, inputs: try inputs.values(), scope: scope, checks: checks)
            return try await RunFlow(session: session, view: view, asks: !yes, takesOver: ownership.takeOver)
                .execute(plan, run: run, since: began, report)
        }
    }
}

/// From a plan to the end of its run: refuse, show, ask, execute, summarise.
struct RunFlow: Sendable {
    let session: RunSession
    let view: RunView
    let asks: Bool
    var takesOver = false

    func execute(_ plan: Plan, run: RunID, since began: Duration, _ report: RunReporting) async throws -> RunOutcome {
        let id = ContentHash(of: try plan.bytes()).text
        try view.show(plan, id: id)
        guard plan.obstacles.isEmpty else {
            for message in plan.obstacles { Terminal.error(message.description) }
            return RunOutcome(.mostSevere(plan.obstacles.map(\.code)), "refused", problems: plan.obstacles)
        }
        if asks, !Terminal.confirm("Execute this plan on cluster \(plan.cluster.id)?") {
            throw RunOutcome.notConfirmed
        }
        await report.notifier.started()
        let ending = try await session.execute(plan, as: run, takingOver: takesOver)
        return try finish(ending, plan: plan, run: run, since: began)
    }

    func finish(_ ending: Executor.Ending, plan: Plan, run: RunID, since began: Duration) throws -> RunOutcome {
        let recorded = try JournalReader.verify(session.state.folder(of: run))
        let facts = RunSummary.facts(of: plan, recorded.state)
        let took = session.context.surroundings.time.uptime - began
        try view.show(ending, of: plan, run: run, facts: facts, took: took)
        return RunOutcome(ending.exitCode, ending.spokenResult, problems: ending.problems, facts: facts)
    }
}
