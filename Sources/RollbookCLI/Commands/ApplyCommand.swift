import ArgumentParser
import ClusterModel
import Journal
import RunEngine

/// `apply plan.json`: executes a saved plan, once, if nothing it was made from has changed.
struct ApplyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Execute a saved plan; refused when stale, altered or already applied."
    )

    @Argument(help: "File written by `rollbook plan --out`.") var plan: String
    @OptionGroup var cluster: ClusterOptions
    @Option(help: "Refuse unless the plan has this id (sha256:…).") var expect: String?
    @Flag(name: .shortAndLong, help: "Do not ask.") var yes = false

    func run() async throws {
        let surroundings = try Surroundings.current()
        let began = surroundings.time.uptime
        let stored = try SavedPlan.read(plan)
        let (saved, id) = (stored.plan, stored.id)
        if let expect, expect != id {
            throw OperatorMessage(
                .integrity,
                at: plan,
                "its id is \(id), expected \(expect)",
                state: "Nothing was sent"
            )
        }
        guard yes || surroundings.asksOnTerminal else {
            throw OperatorMessage(
                .refused,
                "there is no terminal to ask for confirmation",
                next: "rollbook apply \(plan) --yes"
            )
        }
        let context = try ClusterContext.load(cluster, surroundings)
        let view = RunView(cluster.state, time: surroundings.time)
        let session = try RunSession(context, stateOption: cluster.state.stateDir, view: view)
        let run = session.newRunID()
        let lock = try session.lock(for: run, runbook: saved.runbook)
        defer { lock.release() }
        try Staleness(session: session).check(saved, id: id)
        let report = session.report(for: run, saved.report)
        await report?.began()
        let code = try await RunFlow(session: session, view: view, asks: !yes).execute(saved, run: run, since: began)
        await context.connections.close()
        await report?.ended(code, took: surroundings.time.uptime - began)
        if code != .done { throw CommandEnding(code: code) }
    }
}

/// Whether everything a saved plan was made from is as it was.
struct Staleness {
    let session: RunSession

    func check(_ plan: Plan, id: String) throws {
        let now = session.bindings(of: try session.source.find(plan.runbook))
        let pairs = [
            ("inventory", plan.bindings.inventory, now.inventory), ("runbook", plan.bindings.runbook, now.runbook),
            ("known hosts", plan.bindings.knownHosts, now.knownHosts),
        ]
        let included = try plan.bindings.includes.sorted { $0.key < $1.key }.map {
            ("included runbook \($0.key)", $0.value, try session.source.find($0.key).runbook.digest)
        }
        for (name, then, today) in pairs + included where then != today {
            throw OperatorMessage(
                .stale,
                at: name,
                "changed since the plan was made (\(then.prefix(19))… is now \(today.prefix(19))…)",
                state: "Nothing was sent",
                next: "plan again: rollbook plan \(plan.runbook) --out FILE"
            )
        }
        for run in try session.state.runs() {
            guard let folder = try session.state.existingRun(run), let recorded = try? JournalReader.verify(folder),
                recorded.state.begin?.plan.text == id
            else { continue }
            throw OperatorMessage(
                .stale,
                "this plan was applied as run \(run)",
                state: "Nothing was sent",
                next: "rollbook show \(run)"
            )
        }
    }
}
