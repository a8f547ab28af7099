import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `loadBalancer.enable-backend`: lets a master's API server have clients again, on every load balancer.
///
/// Only where a run took it out of service. Done when the check of each load balancer has it `UP`, past its slow start: only then
/// may the next master go.
package struct EnableBackend: Step {
    package static let signature = KindSignature(
        kind: "loadBalancer.enable-backend",
        summary: "Let a master's API server have clients again, on every load balancer",
        parameters: [
            Parameter("timeout", .duration, "how long its check may take (3m)"),
            Parameter(
                "leftBehind",
                .boolean,
                "only where an earlier run left it out of service, and nothing else (false)"
            ),
        ]
    )
    package static let stepClass = StepClass.idempotent
    package var traits: StepTraits {
        StepTraits(Self.stepClass, purpose: leftBehind == true ? nil : .restoration)
    }

    package var subjects: [StepSubject] { [.thing("what a run left of it on load balancers")] }

    package let timeout: String?
    /// Whether it is there for what a run that never came to its end did, and not for what this one does.
    package let leftBehind: Bool?

    package struct Output: Codable, Sendable {
        /// Where it was put back, as `BALANCER: BACKEND/SERVER`.
        package let enabled: [String]
        /// Where an operator has it out of service.
        package let left: [String]
    }

    package func facts(on target: StepTarget) -> [FactRequest] { Balancers.facts(on: target) }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        if let idle = Balancers.idle(target) { return idle }
        let found = try await Balancers(facts, for: target)
        guard found.members.contains(where: { $0.own.contains { !$0.isAway || $0.heldBy != nil } }) else {
            return .noop("an operator has it out of service, and it stays so")
        }
        guard found.members.contains(where: { $0.own.contains { $0.heldBy != nil } }) else {
            return leftBehind == true
                ? .noop("no run left it out of service") : .unknown(until: DrainBackend.signature.kind)
        }
        let paths = found.members.flatMap { member in
            member.own.filter { $0.heldBy != nil }.map {
                "\(member.host.name): set server \($0.path) state ready"
            }
        }
        return .change([
            PlannedChange(
                "put \(target.name) back where a run drained it, and wait until its checks pass",
                commands: paths
            )
        ])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let patience = timeout.flatMap(parseDuration) ?? .seconds(180)
        let enabled = try await BalancerRelease.release(heldBy: nil, context)
        let end = context.time.uptime + patience
        while true {
            let now = try await Balancers(context.lookAgain(), for: context.target)
            let late = now.members.flatMap { member in
                member.own.filter { !$0.isAway && !$0.isInFullService }.map { (member.host.name, $0) }
            }
            guard let (balancer, server) = late.first else {
                let left = now.members.flatMap { member in
                    member.own.filter(\.isAway).map { "\(member.host.name): \($0.path)" }
                }
                return Output(enabled: enabled, left: left)
            }
            guard context.time.uptime < end else {
                throw OperatorMessage(
                    .stepFailed,
                    at: balancer.text,
                    "\(server.path) is not in full service after \(patience.brief): \(server.spoken)"
                        + (server.operation == 1 ? ", in slow start" : ""),
                    next: "see why the API server of \(context.target.name) does not pass that check"
                )
            }
            context.progress("\(balancer) has it as \(server.spoken)")
            try await context.time.sleep(for: .seconds(2))
        }
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        let now = try await Balancers(context.lookAgain(), for: context.target)
        let own = now.members.flatMap(\.own)
        guard own.allSatisfy({ $0.heldBy == nil && ($0.isAway || $0.isInFullService) }) else {
            return .notDone(detail: "it is not back everywhere")
        }
        let left = own.filter(\.isAway).map(\.path)
        return .done(
            output: try JSONValue(encoding: Output(enabled: [], left: left)),
            detail: "it is in service wherever no operator took it out"
        )
    }
}

extension HAProxyServers.Server {
    /// Its check passes and it gets its whole share of connections.
    var isInFullService: Bool { isServing && operation == 2 }
}

/// Putting back what was taken out of service.
enum BalancerRelease {
    /// Puts a master's servers back that bear a run's note, or any run's, and returns where, as `BALANCER: BACKEND/SERVER`.
    ///
    /// A load balancer that fails does not keep the others from it.
    ///
    /// - Throws: the first failure, when all others have been told; also when a server is still out of service.
    static func release(heldBy run: String?, _ context: StepContext) async throws -> [String] {
        var done: [String] = []
        var failure: (any Error)?
        for balancer in Balancers.hosts(context.target) {
            do {
                done += try await release(heldBy: run, on: balancer, context).map { "\(balancer.name): \($0)" }
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
        return done
    }

    private static func release(heldBy run: String?, on balancer: Host, _ context: StepContext) async throws -> [String]
    {
        let cluster = context.target.cluster
        func own() async throws -> [HAProxyServers.Server] {
            guard let master = context.target.host else { throw StepFault("it is on a master") }
            let state = try await context.lookAgain().read(HAProxyServers(cluster.paths), on: balancer.name)
            if let problem = state.problem {
                throw OperatorMessage(.stepFailed, at: balancer.name.text, problem, next: state.remedy)
            }
            return state.servers(of: master, cluster)
        }
        var done: [String] = []
        for server in try await own() where run == nil ? server.heldBy != nil : server.heldBy == run {
            try await context.tell(HAProxySocket.release(server, cluster.paths.haproxy), on: balancer)
            done.append(server.path)
        }
        guard !done.isEmpty else { return [] }
        if let stuck = try await own().first(where: { $0.isAway && done.contains($0.path) }) {
            throw OperatorMessage(
                .stepFailed,
                at: balancer.name.text,
                "HAProxy was told that \(stuck.path) is ready, but has it as \(stuck.spoken)"
            )
        }
        return done
    }
}
