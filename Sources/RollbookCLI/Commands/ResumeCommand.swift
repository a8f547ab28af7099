import ArgumentParser
import ClusterModel
import Journal
import RunEngine
import SystemPackage

/// `resume [RUN]`: goes on with a run that was interrupted; executes its stored plan, never plans again.
struct ResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume",
        abstract: "Go on with an interrupted run, by its stored plan."
    )

    @Argument(help: "Run id (else the newest run that can go on).") var id: String?
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let surroundings = try Surroundings.current()
        let began = surroundings.time.uptime
        let context = try ClusterContext.load(cluster, surroundings)
        let view = RunView(cluster.state, time: surroundings.time)
        let session = try RunSession(context, stateOption: cluster.state.stateDir, view: view)
        let folder = try find(session.state, context.cluster.id)
        let lock = try session.lock(for: folder.run, runbook: "resume")
        defer { lock.release() }
        let recorded = try JournalReader.verify(folder)
        guard let bytes = recorded.plan else {
            throw OperatorMessage(.integrity, at: folder.plan.string, "the plan of the run is missing")
        }
        let stored = try Plan.read(bytes, from: folder.plan.string)
        guard stored.cluster.id == context.cluster.id else {
            throw OperatorMessage(
                .refused,
                at: folder.run.text,
                "the run is of cluster \(stored.cluster.id), the inventory of \(context.cluster.id)"
            )
        }
        let report = session.report(for: folder.run, stored.report)
        let (plan, ending) = try await session.resume(folder)
        await context.connections.close()
        let code = try RunFlow(session: session, view: view, asks: false).finish(
            ending,
            plan: plan,
            run: folder.run,
            since: began
        )
        await report?.ended(code, took: surroundings.time.uptime - began)
        if code != .done { throw CommandEnding(code: code) }
    }

    private func find(_ state: StateDirectory, _ cluster: ClusterID) throws -> RunFolder {
        if let text = id {
            guard let run = RunID(text) else {
                throw OperatorMessage(.usage, at: text, "is no run id", next: "rollbook runs lists them")
            }
            guard let folder = try state.existingRun(run) else {
                throw OperatorMessage(.usage, at: text, "there is no such run", next: "rollbook runs lists them")
            }
            return folder
        }
        for id in try state.runs().reversed() {
            guard let folder = try state.existingRun(id), let recorded = try? JournalReader.verify(folder),
                recorded.state.begin?.cluster == cluster
            else { continue }
            if recorded.state.status == .open || recorded.state.status == .held { return folder }
        }
        throw OperatorMessage(.refused, "no run of cluster \(cluster) waits to be resumed")
    }
}
