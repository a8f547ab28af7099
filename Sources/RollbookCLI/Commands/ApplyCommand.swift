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
    @OptionGroup var ownership: OwnershipOptions
    @OptionGroup var progress: ProgressOptions
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
        let view = RunView(cluster.state, surroundings, progress.progress)
        let person = PersonAtTerminal(surroundings, mayAsk: !yes)
        let session = try RunSession(context, stateOption: cluster.state.stateDir, view: view, person: person)
        let run = session.newRunID()
        let lock = try session.lock(for: run, runbook: saved.runbook)
        defer { lock.release() }
        try Staleness(session: session).check(saved, id: id)
        let report = session.reporting(for: run, saved.runbook, saved.report, action: "apply")
        await report.backup?.began()
        try await report.follow(since: began) {
            try await RunFlow(session: session, view: view, asks: !yes, takesOver: ownership.takeOver)
                .execute(saved, run: run, since: began, report)
        }
    }
}
