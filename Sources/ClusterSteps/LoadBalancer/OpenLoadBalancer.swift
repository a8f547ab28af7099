import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `loadBalancer.open`: lets clients through to the API servers that `loadBalancer.close` took out of service.
package struct OpenLoadBalancer: Step {
    package static let signature = KindSignature(
        kind: "loadBalancer.open",
        summary: "Let clients through to the API servers again",
        parameters: [Parameter("timeout", .duration, "how long their checks may take (3m)")]
    )
    package static let stepClass = StepClass.idempotent

    package let timeout: String?

    package struct Output: Codable, Sendable {
        package let opened: [String]
        /// Those that an operator has out of service.
        package let left: [String]
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        [FactRequest(HAProxyServers(target.cluster.paths), on: target.name)]
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let state = try await facts.read(HAProxyServers(facts.cluster.paths), on: target.name)
        if let problem = state.problem { return .warning(problem) }
        let servers = state.apiServers(of: facts.cluster).filter { !$0.isAway || $0.heldBy != nil }
        guard !servers.isEmpty else { return .noop("no API server is in service there, and none was by a run's doing") }
        return .change([
            PlannedChange(
                "put back what a run took out of service, and wait until one API server's check passes",
                commands: servers.map { "set server \($0.path) state ready" }
            )
        ])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let patience = timeout.flatMap(parseDuration) ?? .seconds(180)
        let opened = try await context.open(only: nil)
        let end = context.time.uptime + patience
        while true {
            let servers = try await context.apiServers()
            let open = servers.filter { !$0.isAway }
            if open.isEmpty || open.contains(where: \.isServing) {
                return Output(opened: opened, left: servers.filter(\.isAway).map(\.path))
            }
            guard context.time.uptime < end else {
                let list = open.map { "\($0.name) is \($0.spoken)" }.joined(separator: ", ")
                throw OperatorMessage(.stepFailed, "no API server is in service after \(patience.brief): \(list)")
            }
            try await context.time.sleep(for: .seconds(2))
        }
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        let servers = try await context.apiServers()
        guard servers.allSatisfy({ $0.heldBy == nil }), servers.contains(where: \.isServing) else {
            return .notDone(detail: "some API servers are not back")
        }
        let output = Output(opened: [], left: servers.filter(\.isAway).map(\.path))
        return .done(output: try JSONValue(encoding: output), detail: "clients are let through")
    }
}
