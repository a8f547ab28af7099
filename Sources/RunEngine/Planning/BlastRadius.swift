package import ClusterModel

/// How much of the cluster a plan takes out of service at the same time: arithmetic on the plan alone.
///
/// Counted are steps that say so of themselves (`takesHostAway`). Hosts that were left out, or that did not answer when the
/// plan was made, count as away already.
package struct BlastRadius: Sendable, Hashable {
    /// The most hosts of a role that are away at once by the plan's doing; roles without any are absent.
    package let atOnce: [Role: Int]
    /// The plan stops the whole cluster, and that is what it is for.
    package let isOutage: Bool
    /// Why the plan must not be executed; nil when quorum and every pair of load balancers outlast it.
    package let risk: OperatorMessage?

    package init(of plan: Plan) {
        var atOnce: [Role: Int] = [:]
        for (index, stage) in plan.stages.enumerated() {
            let away = Set(plan.steps.lazy.filter { $0.stage == index && $0.takesHostAway == true }.map(\.host))
            guard !away.isEmpty else { continue }
            for batch in stage.batches {
                let counts = batch.filter(away.contains).compactMap { plan.cluster.host(named: $0)?.role }
                    .reduce(into: [Role: Int]()) { $0[$1, default: 0] += 1 }
                for (role, count) in counts {
                    let together = stage.parallel > 0 ? min(stage.parallel, count) : count
                    atOnce[role] = max(atOnce[role] ?? 0, together)
                }
            }
        }
        self.atOnce = atOnce
        isOutage = plan.steps.contains { $0.outage == true }
        risk = isOutage ? nil : Self.risk(in: plan, atOnce)
    }

    /// One line for people: `at most 1 master and 1 load balancer out at a time`.
    package var text: String {
        let parts = Role.allCases.compactMap { role in
            atOnce[role].map { "\($0) \(role.spoken)\($0 == 1 ? "" : "s")" }
        }
        if isOutage { return "the control plane is stopped everywhere until the plan ends" }
        guard let last = parts.last else { return "no host is taken out of service" }
        let list = parts.count == 1 ? last : parts.dropLast().joined(separator: ", ") + " and " + last
        return "at most \(list) out at a time"
    }

    private static func risk(in plan: Plan, _ atOnce: [Role: Int]) -> OperatorMessage? {
        let gone = Set(plan.without ?? []).union(plan.hosts.filter { $0.unreachable != nil }.map(\.name))
        for role in [Role.master, .etcd, .loadBalancer] {
            guard let together = atOnce[role] else { continue }
            let all = plan.cluster.hosts.filter { $0.role == role }
            let away = all.filter { gone.contains($0.name) }.map(\.name.text)
            let isVoter = role == .etcd || role == .master
            let left = all.count - away.count - together
            // A cluster of one master, or one load balancer, cannot be changed without an interruption; that is no news.
            guard all.count > 1, isVoter ? !Quorum.holds(healthy: left, of: all.count) : left < 1 else { continue }
            let what =
                isVoter
                ? "\(left) of \(all.count) \(role.spoken)s would be left, \(Quorum.needed(voters: all.count)) are needed"
                : "none of \(all.count) \(role.spoken)s would be left"
            let cause =
                away.isEmpty ? "" : " (\(away.joined(separator: ", ")) \(away.count == 1 ? "is" : "are") away already)"
            return OperatorMessage(
                .refused,
                "the plan takes \(together) \(role.spoken)\(together == 1 ? "" : "s") out at a time: \(what)\(cause)",
                state: "Nothing was changed",
                next: away.isEmpty ? "use serial: 1 in the runbook" : "bring \(away.joined(separator: ", ")) back first"
            )
        }
        return nil
    }
}

extension Role {
    /// As people say it: `load balancer`.
    package var spoken: String {
        switch self {
        case .master: "master"
        case .worker: "worker"
        case .loadBalancer: "load balancer"
        case .etcd: "etcd host"
        }
    }
}
