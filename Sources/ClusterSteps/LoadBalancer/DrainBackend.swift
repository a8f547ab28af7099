import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `loadBalancer.drain-backend`: sends a master's API clients elsewhere, on every load balancer, before its API server stops.
///
/// In drain a server gets no new connection and its checks go on. What is connected stays so, watches for hours, and would hang
/// when the API server stops: so after some seconds for short requests the sessions are ended, and clients connect to another.
/// Recorded: that order cost a write load nothing, without it one client hung for 5 s. What an operator had taken out of service
/// stays so afterwards; what a run did it notes on the load balancer, for HAProxy keeps no such note. Source: HAProxy's management
/// guide, `set server` and `shutdown sessions server`.
package struct DrainBackend: Step {
    package static let signature = KindSignature(
        kind: "loadBalancer.drain-backend",
        summary: "Send a master's API clients elsewhere, on every load balancer",
        parameters: [
            Parameter("others", .integer, "API servers that must stay in service (2, or 1 of 2)"),
            Parameter("settle", .duration, "how long requests may end before sessions are cut (5s)"),
        ]
    )
    package static let stepClass = StepClass.idempotent
    package static let reversal = Reversal.undoable

    package var traits: StepTraits {
        StepTraits(Self.stepClass, Self.reversal, takesHostAway: true, purpose: .preparation)
    }

    package let others: Int?
    package let settle: String?

    package struct Output: Codable, Sendable {
        package let servers: [BalancerRecord]
        package let sessionsCut: Int
    }

    package func facts(on target: StepTarget) -> [FactRequest] { Balancers.facts(on: target) }

    private func needed(in cluster: Cluster) -> Int {
        max(0, others ?? max(1, min(2, cluster.hosts(in: .master).count - 1)))
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        if let idle = Balancers.idle(target) { return idle }
        let found = try await Balancers(facts, for: target)
        let todo = found.members.filter { $0.own.contains { !$0.isAway || $0.heldBy != nil } }
        let left = found.members.flatMap(\.own).contains { $0.isAway && $0.heldBy == nil }
        guard !todo.isEmpty else {
            return .noop("it is in drain or maintenance on \(Self.list(found.members)) already, and stays so")
        }
        let needed = needed(in: facts.cluster)
        if let obstacle = found.obstacle(toLeaving: needed) {
            guard found.isShortOnlyOfWhatRunsLeft(needed) else { return .blocked(obstacle) }
            return .blockedUntil(kind: EnableBackend.signature.kind, obstacle)
        }
        let older = todo.filter { $0.state.olderWorkers > 0 }.map(\.host.name.text)
        let paths = todo.flatMap { member in member.own.map { "\(member.host.name): set server \($0.path) state drain" }
        }
        return .change([
            PlannedChange(
                "drain \(target.name) on \(Self.list(todo)) (\(todo.map { "\($0.others.count)" }.min() ?? "0") others in service), "
                    + "end its sessions after \(pause.brief)"
                    + (left ? "; what is out of service already stays so" : "")
                    + (older.isEmpty
                        ? "" : "; connections of before a reload of \(older.joined(separator: ", ")) cannot be ended"),
                commands: paths
                    + todo.flatMap { member in
                        member.own.map { "\(member.host.name): shutdown sessions server \($0.path)" }
                    }
            )
        ])
    }

    private static func list(_ members: [Balancers.Member]) -> String {
        members.map(\.host.name.text).joined(separator: ", ")
    }

    private var pause: Duration { settle.flatMap(parseDuration) ?? .seconds(5) }

    package func perform(_ context: StepContext) async throws -> Output {
        do { return try await drain(context) } catch let problem as OperatorMessage
            where problem.code != .outcomeUnknown
        {
            // A step that failed is not undone when the run is given up, and a master without clients would be left.
            let isBack = (try? await BalancerRelease.release(heldBy: context.run.text, context)) != nil
            throw OperatorMessage(
                problem.code,
                at: problem.place,
                problem.event,
                state: isBack
                    ? "It is in service again where it was" : "It may still be in drain on some load balancer",
                next: problem.next
            )
        }
    }

    private func drain(_ context: StepContext) async throws -> Output {
        let (target, configuration) = (context.target, context.target.cluster.paths.haproxy)
        let before = try await Balancers(context.lookAgain(), for: target)
        let needed = needed(in: target.cluster)
        if let obstacle = before.obstacle(toLeaving: needed) { throw obstacle }
        var records: [BalancerRecord] = []
        for member in before.members {
            for server in member.own {
                // Away with a note: an earlier attempt of this step, or a run that was given up.
                let isOurs = !server.isAway || server.heldBy != nil
                if isOurs {
                    let hold = HAProxySocket.hold(server, as: .drain, run: context.run.text, configuration)
                    try await context.tell(hold, on: member.host)
                }
                records.append(
                    BalancerRecord(
                        balancer: member.host.name,
                        server: server.path,
                        before: server.heldBy == nil ? server.admin : 0,
                        isOurs: isOurs
                    )
                )
            }
        }
        // Another controller may have drained another master in the same moment: then neither goes on.
        let drained = try await Self.look(context, for: records)
        if let obstacle = drained.obstacle(toLeaving: needed) { throw obstacle }
        context.progress("in drain; sessions end in \(pause.brief)")
        try await context.time.sleep(for: pause)
        let settled = try await Self.look(context, for: records)
        for member in settled.members {
            for server in member.own where server.sessions > 0 && Self.isOurs(server, member, records) {
                try await context.tell(HAProxySocket.cutSessions(server, configuration), on: member.host)
            }
        }
        _ = try await Self.look(context, for: records)
        let cut = settled.members.flatMap { member in member.own.filter { Self.isOurs($0, member, records) } }
        return Output(servers: records, sessionsCut: cut.reduce(0) { $0 + $1.sessions })
    }

    private static func isOurs(
        _ server: HAProxyServers.Server,
        _ member: Balancers.Member,
        _ records: [BalancerRecord]
    ) -> Bool {
        records.contains { $0.isOurs && $0.balancer == member.host.name && $0.server == server.path }
    }

    /// The states now.
    ///
    /// - Throws: when a server gets connections all the same: HAProxy's answers have no exit codes, and a reload forgets.
    private static func look(_ context: StepContext, for records: [BalancerRecord]) async throws -> Balancers {
        let now = try await Balancers(context.lookAgain(), for: context.target)
        for member in now.members {
            for server in member.own where !server.isAway {
                throw OperatorMessage(
                    .stepFailed,
                    at: member.host.name.text,
                    "HAProxy was told to drain \(server.path), but has it as \(server.spoken): was it reloaded?"
                )
            }
        }
        return now
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        let now = try await Balancers(context.lookAgain(), for: context.target)
        var records: [BalancerRecord] = []
        for member in now.members {
            for server in member.own {
                let isOurs = server.heldBy == context.run.text
                guard server.isAway else {
                    return .notDone(detail: "\(server.path) is in service on \(member.host.name)")
                }
                guard !isOurs || server.sessions == 0 else {
                    return .notDone(detail: "\(server.path) of \(member.host.name) still has sessions")
                }
                let before = isOurs ? 0 : server.admin
                records.append(
                    BalancerRecord(balancer: member.host.name, server: server.path, before: before, isOurs: isOurs)
                )
            }
        }
        return .done(
            output: try JSONValue(encoding: Output(servers: records, sessionsCut: 0)),
            detail: "it is out of service on \(Self.list(now.members))"
        )
    }

    package func undo(_ output: Output, _ context: StepContext) async throws {
        _ = try await BalancerRelease.release(heldBy: context.run.text, context)
    }
}
