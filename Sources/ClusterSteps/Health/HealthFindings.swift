import ClusterModel

/// Collects what is down and what is wrong, host by host; a host that does not answer is told once, not once for each of its parts.
struct HealthFindings {
    private let cluster: Cluster
    private(set) var down: [ClusterHealth.Finding] = []
    private(set) var wrong: [ClusterHealth.Finding] = []
    /// In percent: a fuller database is a reason to look before etcd stops taking writes.
    private static let quotaWarning = 80

    init(_ cluster: Cluster, _ observations: [HostObservation], _ etcd: EtcdHealth) {
        self.cluster = cluster
        for seen in observations {
            let host = seen.host.name
            if let failure = seen.failure {
                down.append(ClusterHealth.Finding(host: host, what: "does not answer: \(failure.event)"))
                continue
            }
            if let status = seen.etcd { judge(status, on: host) }
            if let api = seen.api, let problem = api.problem { add(host, "API server: \(problem)") }
            for problem in seen.servingProblems(in: cluster) { add(host, problem) }
            for remark in seen.balancerRemarks(in: cluster) { note(host, remark) }
            for text in seen.unclear { note(host, "cannot be made out: \(text)") }
        }
        // What members say of each other; what is of one host is told there.
        let own = Set(
            etcd.statuses.flatMap { entry in [entry.status.problem, entry.status.errors.first].compactMap(\.self) }
        )
        for text in etcd.refusals where !text.hasPrefix("etcd has no") && !text.hasPrefix("etcd does not answer") {
            note(nil, text)
        }
        for text in etcd.degradations where !own.contains(where: { text.hasSuffix($0) }) { note(nil, text) }
        for member in etcd.members where member.isLearner {
            note(nil, "member \(member.name.isEmpty ? member.hexID : member.name) is still a learner")
        }
    }

    private mutating func judge(_ status: EtcdStatus.Value, on host: HostName) {
        if let problem = status.problem ?? status.errors.first {
            add(host, "etcd: \(problem)")
        } else if status.leader == 0 {
            add(host, "etcd: it knows no leader")
        }
        let space = EtcdSpace(status)
        if status.answers, space.quotaPercent >= Self.quotaWarning { note(host, "etcd's database: \(space.text)") }
    }

    mutating func judgeVIP(_ holders: [HostName], _ observations: [HostObservation]) {
        guard let vip = cluster.vip else { return }
        if holders.count > 1 {
            note(nil, "the VIP \(vip) is on \(holders.map(\.text).joined(separator: " and on ")) at once")
        } else if holders.isEmpty, observations.allSatisfy({ $0.failure == nil }) {
            note(nil, "nobody holds the VIP \(vip)")
        } else if holders.isEmpty, observations.contains(where: { $0.failure == nil }) {
            note(nil, "no host that answered holds the VIP \(vip)")
        }
    }

    private mutating func add(_ host: HostName, _ what: String) {
        down.append(ClusterHealth.Finding(host: host, what: what))
    }

    private mutating func note(_ host: HostName?, _ what: String) {
        wrong.append(ClusterHealth.Finding(host: host, what: what))
    }
}

extension HostObservation {
    /// Why a load balancer does not serve now, or would not hold the VIP; empty when it does, and for other hosts.
    func servingProblems(in cluster: Cluster) -> [String] {
        guard host.role == .loadBalancer, failure == nil else { return failure.map { [$0.event] } ?? [] }
        guard let balancer else { return ["its load balancer could not be looked at"] }
        var found: [String] = []
        let proxies = [LoadBalancerState.Program.haproxy, .nginx].compactMap { balancer[$0] }.filter(\.isConfigured)
        if proxies.isEmpty { found.append("neither haproxy nor nginx is set up") }
        for proxy in proxies where !proxy.state.isActive {
            found.append("\(proxy.program.rawValue) is \(proxy.state.spoken)")
        }
        if cluster.vip != nil, let keepalived = balancer[.keepalived], !keepalived.state.isActive {
            found.append("keepalived is \(keepalived.isConfigured ? keepalived.state.spoken : "not set up")")
        }
        return found
    }

    /// What would keep a load balancer from coming up again.
    func balancerRemarks(in cluster: Cluster) -> [String] {
        guard let balancer else { return [] }
        var found: [String] = []
        for unit in balancer.units where unit.isConfigured && (unit.program != .keepalived || cluster.vip != nil) {
            if unit.state.isActive, !unit.state.isEnabled {
                found.append("\(unit.program.rawValue) would not start at the next boot")
            }
            if let verdict = unit.verdict, verdict.exitCode != 0 {
                found.append(
                    "\(unit.program.rawValue) refuses its configuration: \(verdict.said.last ?? "code \(verdict.exitCode)")"
                )
            }
        }
        return found
    }
}
