package import ClusterModel
import RemoteShell
import RunEngine

/// All load balancers through which clients may come to a master's API server, as read at one moment.
///
/// Every one has states of its own, so what is done to a server is done on each of them.
struct Balancers: Sendable {
    struct Member: Sendable {
        let host: Host
        let state: HAProxyServers.Value
        /// The servers that are the master.
        let own: [HAProxyServers.Server]

        /// Servers beside the master's, of the same backends, that get connections and answer them.
        var others: [HAProxyServers.Server] {
            let backends = Set(own.map(\.backend))
            return state.servers.filter { server in
                backends.contains(server.backend) && server.isServing && !own.contains { $0.path == server.path }
            }
        }

        /// Servers beside the master's, of the same backends, that clients do not come to.
        var missing: [HAProxyServers.Server] {
            state.servers.filter { server in
                !server.isServing && own.contains { $0.backend == server.backend && $0.path != server.path }
            }
        }
    }

    let members: [Member]

    /// The load balancers that count: those that nobody left out.
    static func hosts(_ target: StepTarget) -> [Host] {
        target.cluster.hosts(in: .loadBalancer).filter { !target.without.contains($0.name) }
    }

    static func facts(on target: StepTarget) -> [FactRequest] {
        hosts(target).map { FactRequest(HAProxyServers(target.cluster.paths), on: $0.name) }
    }

    /// Why there is nothing to do for this master at all; nil when there is.
    static func idle(_ target: StepTarget) -> Decision? {
        let cluster = target.cluster
        guard let host = target.host, host.role == .master else {
            return .blocked(OperatorMessage(.invalidInput, "it is for masters: stage 'on: masters'"))
        }
        if cluster.hosts(in: .master).count == 1 {
            return .noop("\(host.name) is the only master: its clients have nowhere else to go")
        }
        if cluster.hosts(in: .loadBalancer).isEmpty {
            return .warning("the inventory has no load balancer: clients of its API server are cut off without notice")
        }
        return hosts(target).isEmpty ? .noop("every load balancer was left out") : nil
    }

    /// Reads them.
    ///
    /// - Throws: `OperatorMessage` naming the one that cannot be asked: its clients would still be sent to the master.
    init(_ facts: any FactReader, for target: StepTarget) async throws {
        var members: [Member] = []
        guard let master = target.host else { throw StepFault("a step about a master's servers is on the master") }
        for host in Self.hosts(target) {
            let leaving = "leave it out, if no client comes through it: --without \(host.name)"
            let state: HAProxyServers.Value
            do { state = try await facts.read(HAProxyServers(facts.cluster.paths), on: host.name) } catch {
                throw OperatorMessage(
                    error.message.code,
                    at: host.name.text,
                    "\(error.message.event); its HAProxy would still send clients to \(master.name)",
                    next: "bring \(host.name) back, or \(leaving)"
                )
            }
            if let problem = state.problem {
                throw OperatorMessage(
                    .refused,
                    at: host.name.text,
                    "\(problem); it would still send clients to \(master.name)",
                    next: state.remedy ?? leaving
                )
            }
            let own = state.servers(of: master, facts.cluster)
            guard !own.isEmpty else {
                throw OperatorMessage(
                    .refused,
                    at: host.name.text,
                    "no server of its HAProxy is \(master.clusterAddress):\(facts.cluster.apiPort), \(master.name)'s API server",
                    next: "see rollbook preflight; or \(leaving)"
                )
            }
            members.append(Member(host: host, state: state, own: own))
        }
        self.members = members
    }

    /// Why the master must not be taken away; nil when enough others serve, on each that is to be changed.
    func obstacle(toLeaving needed: Int) -> OperatorMessage? {
        for member in members where member.others.count < needed {
            let list = member.missing.map { server in
                "\(server.name) is \(server.spoken)" + (server.heldBy.map { ", left by run \($0)" } ?? "")
            }
            return OperatorMessage(
                .refused,
                at: member.host.name.text,
                "\(member.others.count) other API server\(member.others.count == 1 ? "" : "s") would be left in service, \(needed) "
                    + "\(needed == 1 ? "is" : "are") needed\(list.isEmpty ? "" : ": \(list.joined(separator: "; "))")",
                next: isShortOnlyOfWhatRunsLeft(needed)
                    ? "put back what a run left: \(EnableBackend.signature.kind) with leftBehind: true, in a stage before this one"
                    : "bring them back first; others: N in the runbook lowers the need"
            )
        }
        return nil
    }

    /// Whether enough others would serve everywhere if those came back that a run took out of service and left so.
    func isShortOnlyOfWhatRunsLeft(_ needed: Int) -> Bool {
        members.allSatisfy { $0.others.count + $0.missing.count { $0.isAway && $0.heldBy != nil } >= needed }
    }
}

extension StepContext {
    /// Gives HAProxy a command whose answer is nothing when it was obeyed.
    ///
    /// - Throws: `OperatorMessage` with what HAProxy said, or `TransportError`.
    func tell(_ command: RemoteCommand, on balancer: Host) async throws {
        let answer = try await connection(to: balancer).run(command)
        let said = (answer.output.text + answer.errorOutput.text).split(whereSeparator: \.isNewline)
            .first { !$0.allSatisfy(\.isWhitespace) }
        guard answer.succeeded else {
            throw OperatorMessage(.stepFailed, at: balancer.name.text, "HAProxy does not answer: \(said ?? "silence")")
        }
        if let said { throw OperatorMessage(.stepFailed, at: balancer.name.text, "HAProxy says: \(said)") }
    }
}

/// What a run did to one server on one load balancer.
package struct BalancerRecord: Codable, Sendable, Hashable {
    package let balancer: HostName
    /// As `BACKEND/SERVER`.
    package let server: String
    /// HAProxy's bits of before: 0 when it was in service.
    package let before: Int
    /// Whether the run took it out of service; else an operator had, and it stays.
    package let isOurs: Bool
}
