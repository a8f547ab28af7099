package import ClusterModel
package import RunEngine

/// `etcd.healthy`: every etcd host of the inventory is a voting member of one cluster, none other is, and nothing is wrong.
package struct EtcdHealthyGate: Gate {
    package static let signature = KindSignature(
        kind: "etcd.healthy",
        summary: "All etcd hosts are healthy voting members of one cluster, and there are no others",
        parameters: [Parameter("spaceAlarm", .boolean, "true: the alarm NOSPACE does not close it")]
    )

    package let spaceAlarm: Bool?

    package init(spaceAlarm: Bool? = nil) { self.spaceAlarm = spaceAlarm }

    package func facts(in cluster: Cluster) -> [FactRequest] {
        cluster.etcdHosts.map { FactRequest(EtcdStatus(pki: cluster.paths.pki), on: $0.name) }
    }

    package func evaluate(_ facts: any FactReader) async throws -> GateVerdict {
        let health = await EtcdHealth.read(facts)
        var found = health.refusals + health.degradations
        let full = health.alarms.filter { $0.hasPrefix("NOSPACE") }
        if spaceAlarm == true { found.removeAll { text in full.contains { text.hasSuffix($0) } } }
        let learners = health.members.filter(\.isLearner).map { $0.name.isEmpty ? $0.hexID : $0.name }
        if !learners.isEmpty { found.append("still a learner: \(learners.joined(separator: ", "))") }
        if health.members.count != health.statuses.count {
            found.append("\(health.members.count) members are listed, the inventory has \(health.statuses.count)")
        }
        guard let first = found.first else {
            return .open(
                detail:
                    "\(health.voters) voters healthy, leader \(health.leaderName), revision \(health.highestRevision)",
                remarks: full.map { "etcd raised the alarm \($0)" }
            )
        }
        return .closed(
            OperatorMessage(
                .refused,
                ([first] + found.dropFirst()).joined(separator: "; "),
                next: "rollbook facts --only etcd.status"
            )
        )
    }
}
