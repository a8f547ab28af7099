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
    @OptionGroup var scope: ScopeOptions
    @OptionGroup var checks: CheckOptions
    @OptionGroup var ownership: OwnershipOptions
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
        let view = RunView(cluster.state, time: surroundings.time)
        let session = try RunSession(context, stateOption: cluster.state.stateDir, view: view)
        let entry = try session.source.find(runbook)
        let run = session.newRunID()
        let report = session.report(for: run, entry.runbook.report)
        let lock: RunLock
        do { lock = try session.lock(for: run, runbook: entry.runbook.name) } catch {
            if (error as? JournalError)?.code == .locked { await report?.skipped() }
            throw error
        }
        defer { lock.release() }
        await report?.began()
        do {
            let plan = try await session.plan(entry, inputs: try inputs.values(), scope: scope, checks: checks)
            let flow = RunFlow(session: session, view: view, asks: !yes, takesOver: ownership.takeOver)
            let code = try await flow.execute(plan, run: run, since: began)
            await context.connections.close()
            await report?.ended(code, took: surroundings.time.uptime - began)
            if code != .done { throw CommandEnding(code: code) }
        } catch let ending as CommandEnding {
            throw ending
        } catch {
            await context.connections.close()
            let code = (error as? any OperatorMessageConvertible)?.operatorMessage.code ?? .fault
            await report?.ended(code, took: surroundings.time.uptime - began)
            throw error
        }
    }
}

/// From a plan to the end of its run: refuse, show, ask, execute, summarise.
struct RunFlow: Sendable {
    let session: RunSession
    let view: RunView
    let asks: Bool
    var takesOver = false

    func execute(_ plan: Plan, run: RunID, since began: Duration) async throws -> ExitCode {
        let id = ContentHash(of: try plan.bytes()).text
        try view.show(plan, id: id)
        guard plan.obstacles.isEmpty else {
            for message in plan.obstacles { Terminal.error(message.description) }
            return ExitCode.mostSevere(plan.obstacles.map(\.code))
        }
        if asks, !Terminal.confirm("Execute this plan on cluster \(plan.cluster.id)?") {
            throw OperatorMessage(.refused, "not confirmed", state: "Nothing was changed")
        }
        let ending = try await session.execute(plan, as: run, takingOver: takesOver)
        return try finish(ending, plan: plan, run: run, since: began)
    }

    func finish(_ ending: Executor.Ending, plan: Plan, run: RunID, since began: Duration) throws -> ExitCode {
        let recorded = try JournalReader.verify(session.state.folder(of: run))
        try view.show(
            ending,
            of: plan,
            run: run,
            facts: RunSummary.facts(of: plan, recorded.state),
            took: session.context.surroundings.time.uptime - began
        )
        return ending.exitCode
    }
}
