import ArgumentParser
import ClusterModel
import ClusterSteps
import RunEngine

/// `health`: what the cluster can lose now, what is down and what is wrong; changes nothing.
struct HealthCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "What the cluster can lose now, what is down and what is wrong; changes nothing.",
        discussion:
            "Ends with 0 when all is well, 13 when it works with something down or wrong, 4 when it does not serve."
    )

    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let surroundings = try Surroundings.current()
        let context = try ClusterContext.load(cluster, surroundings)
        let cache = FactCache(cluster: context.cluster, connections: context.connections, parallel: context.parallel)
        await cache.prefetch(HostObservation.facts(in: context.cluster))
        let health = await ClusterHealth.read(cache.reader(of: context.cluster))
        await context.connections.close()
        let backups = LocalBackups(
            state: surroundings.stateDirectory(cluster.state.stateDir),
            cluster: context.cluster,
            time: surroundings.time
        )
        let view = HealthView(health: health, history: KeptDatabases(backups))
        if cluster.state.format == .json { try JSONAnswer.print(view.json) } else { Terminal.answer(view.text) }
        for failure in health.observations.compactMap(\.failure)
        where failure.code == .security || health.verdict == .unknown {
            Terminal.error(failure.description)
        }
        guard health.exitCode == .done else { throw CommandEnding(code: health.exitCode) }
    }
}
