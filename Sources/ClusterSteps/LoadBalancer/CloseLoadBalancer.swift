import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `loadBalancer.close`: lets no client through to any API server, while all of them are to be stopped.
///
/// In maintenance, so that an API server that starts gets no clients by passing its check: they are let in by `loadBalancer.open`,
/// when all of the cluster is as it should be. A load balancer that cannot be closed is told of and does not hinder a restore:
/// the API servers behind it are stopped all the same.
package struct CloseLoadBalancer: Step {
    package static let signature = KindSignature(
        kind: "loadBalancer.close",
        summary: "Let no client through to the API servers",
        parameters: []
    )
    package static let stepClass = StepClass.idempotent
    package static let reversal = Reversal.undoable

    package var traits: StepTraits { StepTraits(Self.stepClass, Self.reversal, takesHostAway: true, isOutage: true) }

    package init() {}

    package struct Output: Codable, Sendable {
        package let servers: [BalancerRecord]
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        [FactRequest(HAProxyServers(target.cluster.paths), on: target.name)]
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let state = try await facts.read(HAProxyServers(facts.cluster.paths), on: target.name)
        if let problem = state.problem { return .warning("\(problem); clients come through as API servers start") }
        let servers = state.apiServers(of: facts.cluster)
        guard !servers.isEmpty else { return .warning("no server of its HAProxy is an API server of the inventory") }
        let open = servers.filter { !$0.isAway || $0.heldBy != nil }
        guard !open.isEmpty else { return .noop("all API servers are out of service there already") }
        return .change([
            PlannedChange(
                "put \(open.map(\.name).joined(separator: ", ")) into maintenance and end their sessions",
                commands: open.map { "set server \($0.path) state maint" }
                    + open.map { "shutdown sessions server \($0.path)" }
            )
        ])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let (balancer, configuration) = (try context.balancer, context.target.cluster.paths.haproxy)
        var records: [BalancerRecord] = []
        for server in try await context.apiServers() {
            let isOurs = !server.isAway || server.heldBy != nil
            if isOurs {
                let hold = HAProxySocket.hold(server, as: .maint, run: context.run.text, configuration)
                try await context.tell(hold, on: balancer)
                try await context.tell(HAProxySocket.cutSessions(server, configuration), on: balancer)
            }
            let before = server.heldBy == nil ? server.admin : 0
            records.append(
                BalancerRecord(balancer: balancer.name, server: server.path, before: before, isOurs: isOurs)
            )
        }
        if let open = try await context.apiServers().first(where: { !$0.isAway }) {
            throw OperatorMessage(.stepFailed, "HAProxy was told to close \(open.path), but has it as \(open.spoken)")
        }
        return Output(servers: records)
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        let balancer = try context.balancer
        let servers = try await context.apiServers()
        guard servers.allSatisfy({ $0.isAway && ($0.heldBy == nil || $0.sessions == 0) }) else {
            return .notDone(detail: "some API servers are in service there")
        }
        let records = servers.map { server in
            let isOurs = server.heldBy == context.run.text
            return BalancerRecord(
                balancer: balancer.name,
                server: server.path,
                before: isOurs ? 0 : server.admin,
                isOurs: isOurs
            )
        }
        return .done(
            output: try JSONValue(encoding: Output(servers: records)),
            detail: "no API server is in service there"
        )
    }

    package func undo(_ output: Output, _ context: StepContext) async throws {
        _ = try await context.open(only: context.run.text)
    }
}

extension HAProxyServers.Value {
    /// The servers that are any API server of the cluster.
    func apiServers(of cluster: Cluster) -> [HAProxyServers.Server] {
        var seen: Set<String> = []
        return cluster.hosts(in: .master).flatMap { servers(of: $0, cluster) }.filter { seen.insert($0.path).inserted }
    }
}

extension StepContext {
    /// The load balancer that the step is on.
    var balancer: Host {
        get throws {
            guard let host = target.host else { throw StepFault("it is for load balancers, not for the controller") }
            return host
        }
    }

    /// The API servers behind the step's load balancer, as they are now.
    func apiServers() async throws -> [HAProxyServers.Server] {
        let state = try await lookAgain().read(HAProxyServers(target.cluster.paths), on: target.name)
        if let problem = state.problem { throw OperatorMessage(.stepFailed, problem, next: state.remedy) }
        return state.apiServers(of: target.cluster)
    }

    /// Puts those back that bear a run's note, or any run's, and returns their paths.
    func open(only run: String?) async throws -> [String] {
        var done: [String] = []
        for server in try await apiServers() where run == nil ? server.heldBy != nil : server.heldBy == run {
            try await tell(HAProxySocket.release(server, target.cluster.paths.haproxy), on: try balancer)
            done.append(server.path)
        }
        if let stuck = try await apiServers().first(where: { $0.isAway && done.contains($0.path) }) {
            throw OperatorMessage(
                .stepFailed,
                "HAProxy was told that \(stuck.path) is ready, but has it as \(stuck.spoken)"
            )
        }
        return done
    }
}
