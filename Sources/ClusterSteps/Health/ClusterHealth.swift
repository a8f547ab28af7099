package import ClusterModel
package import RunEngine

/// A verdict on what a cluster can lose now, from what its hosts showed: pure arithmetic.
///
/// Everything that does not answer counts as lost. Of masters that run etcd none can be lost unless etcd can lose a member, too.
package struct ClusterHealth: Sendable {
    package enum Verdict: String, Sendable, Codable, CaseIterable {
        /// Everything is up.
        case well
        /// It works, with something down or wrong.
        case degraded
        /// It does not serve: no quorum, no API server that is ready, or no way to one.
        case down
        /// No host answered, so nothing is known.
        case unknown
    }

    /// Something of a host that is down or wrong.
    package struct Finding: Sendable, Hashable {
        /// Nil when it is about no one host.
        package let host: HostName?
        package let what: String
    }

    package let cluster: Cluster
    package let observations: [HostObservation]
    package let etcd: EtcdHealth
    /// Why the cluster does not serve; empty unless the verdict is `down`.
    package let outages: [String]
    package let down: [Finding]
    package let wrong: [Finding]
    /// Masters with an API server that is ready.
    package let readyMasters: [HostName]
    /// Load balancers that forward, and would hold the VIP if they had to.
    package let servingBalancers: [HostName]
    package let vipHolders: [HostName]

    /// Looks at every host of the cluster; `facts` were best read ahead.
    package static func read(_ facts: any FactReader) async -> ClusterHealth {
        var observations: [HostObservation] = []
        for host in facts.cluster.hosts { observations.append(await HostObservation(of: host, facts)) }
        return ClusterHealth(facts.cluster, observations)
    }

    /// Judges observations of all hosts of the cluster, in its order.
    package init(_ cluster: Cluster, _ observations: [HostObservation]) {
        self.cluster = cluster
        self.observations = observations
        let inner = EtcdHealth(
            observations.filter { HostObservation.runsEtcd($0.host, in: cluster) }.map { seen in
                var silent = EtcdStatus.Value()
                silent.problem = seen.failure?.event ?? "not known"
                return (seen.host.name, seen.etcd ?? silent)
            }
        )
        etcd = inner
        readyMasters = observations.filter { $0.api?.isReady == true }.map(\.host.name)
        servingBalancers = observations.filter {
            $0.host.role == .loadBalancer && $0.servingProblems(in: cluster).isEmpty
        }
        .map(\.host.name)
        let vip = cluster.vip.flatMap { IPAddress($0) }
        vipHolders = observations.filter { seen in vip.map { seen.addresses?.holds($0) != nil } ?? false }.map(
            \.host.name
        )
        var findings = HealthFindings(cluster, observations, inner)
        findings.judgeVIP(vipHolders, observations)
        down = findings.down
        wrong = findings.wrong
        outages = Self.outages(
            cluster,
            observations,
            inner,
            ready: readyMasters,
            serving: servingBalancers,
            holders: vipHolders
        )
    }

    package var verdict: Verdict {
        guard observations.contains(where: { $0.failure == nil }) else { return .unknown }
        if !outages.isEmpty { return .down }
        return down.isEmpty && wrong.isEmpty ? .well : .degraded
    }

    /// How many more may be lost now, each on its own, before the cluster stops serving.
    package var spareMembers: Int { outages.isEmpty && etcd.refusals.isEmpty ? max(0, etcd.spare) : 0 }

    package var spareMasters: Int {
        guard outages.isEmpty, verdict != .unknown else { return 0 }
        let others = max(0, readyMasters.count - 1)
        return cluster.topology == .stacked ? min(others, spareMembers) : others
    }

    /// Nil when the cluster has none of its own.
    package var spareBalancers: Int? {
        guard !cluster.hosts(in: .loadBalancer).isEmpty else { return nil }
        return outages.isEmpty ? max(0, servingBalancers.count - 1) : 0
    }

    /// How the command that tells it ends: 0 well, 13 it works with something down or wrong, 4 it does not serve; what kept hosts
    /// from being asked counts, as everywhere.
    package var exitCode: ExitCode {
        let failures = observations.compactMap { $0.failure?.code }
        switch verdict {
        case .well: return .done
        case .unknown: return ExitCode.mostSevere(failures)
        case .down: return failures.contains(.security) ? .security : .refused
        case .degraded: return ExitCode.mostSevere(failures + [.partial])
        }
    }

    private static func outages(
        _ cluster: Cluster,
        _ observations: [HostObservation],
        _ etcd: EtcdHealth,
        ready: [HostName],
        serving: [HostName],
        holders: [HostName]
    ) -> [String] {
        // Of a cluster that nobody saw nothing is claimed.
        guard observations.contains(where: { $0.failure == nil }) else { return [] }
        var found: [String] = []
        let away = observations.count { $0.failure != nil && HostObservation.runsEtcd($0.host, in: cluster) }
        if !etcd.hasQuorum(outOfSight: away) {
            found.append(
                "etcd has no quorum (\(etcd.healthyVoters) of \(etcd.voters) members healthy, "
                    + "\(Quorum.needed(voters: etcd.voters)) needed)"
            )
        }
        if ready.isEmpty { found.append("no API server is ready") }
        let balancers = observations.filter { $0.host.role == .loadBalancer }
        guard !balancers.isEmpty else { return found }
        if serving.isEmpty, balancers.allSatisfy({ $0.failure == nil }) {
            found.append("no load balancer serves")
        } else if let vip = cluster.vip, holders.isEmpty, observations.allSatisfy({ $0.failure == nil }) {
            found.append("nobody holds the VIP \(vip)")
        }
        return found
    }
}

extension EtcdHealth {
    /// Whether etcd serves: by counting, or because a member answers what only quorum can (its list of members) and so many others
    /// are just out of sight from here that they may make it up.
    func hasQuorum(outOfSight: Int) -> Bool {
        if Quorum.holds(healthy: healthyVoters, of: voters) { return true }
        return healthy.contains { !$0.status.members.isEmpty }
            && Quorum.holds(healthy: healthyVoters + outOfSight, of: voters)
    }
}
