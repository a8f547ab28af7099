package import ClusterModel
package import RunEngine

/// `etcd.snapshot-ready`: etcd has one leader and quorum, no alarm, one cluster id, and its members are at one revision.
///
/// `snapshot save` succeeds without a leader and then stores old data without a word, so this is asked before every backup.
/// What the inventory's `whenDegraded` allows (a member down while quorum holds) opens the gate with a remark.
package struct SnapshotReadyGate: Gate {
    package static let signature = KindSignature(
        kind: "etcd.snapshot-ready",
        summary: "etcd can be trusted to give a current snapshot",
        parameters: []
    )

    package func facts(in cluster: Cluster) -> [FactRequest] {
        cluster.etcdHosts.map { FactRequest(EtcdStatus(pki: cluster.paths.pki), on: $0.name) }
    }

    package func evaluate(_ facts: any FactReader) async throws -> GateVerdict {
        let health = await EtcdHealth.read(facts)
        if let first = health.refusals.first {
            let more = health.refusals.dropFirst().map { "; \($0)" }.joined()
            return .closed(
                OperatorMessage(
                    .refused,
                    first + more,
                    state: "Nothing was changed and nothing published",
                    next: "look at the members: rollbook facts --only etcd.status"
                )
            )
        }
        if !health.degradations.isEmpty, facts.cluster.backup.whenDegraded == .refuse {
            return .closed(
                OperatorMessage(
                    .refused,
                    "etcd is degraded: " + health.degradations.joined(separator: "; "),
                    state: "Nothing was changed and nothing published",
                    next: "mend it, or set backup.whenDegraded: store in the inventory"
                )
            )
        }
        let leader = health.leaderName
        let cluster = String(health.healthy.first?.status.clusterID ?? 0, radix: 16)
        return .open(
            detail: "\(health.healthy.count) of \(health.voters) voters healthy, leader \(leader), revision "
                + "\(health.highestRevision), cluster \(cluster)",
            remarks: health.degradations.map { "degraded: \($0)" }
        )
    }
}

extension EtcdHealth {
    /// Reads every member's status; a host that cannot be reached counts as a member that does not answer.
    static func read(_ facts: any FactReader, except left: HostName? = nil, isReliedOn: Bool = true) async -> EtcdHealth
    {
        var statuses: [(host: HostName, status: EtcdStatus.Value)] = []
        for host in facts.cluster.etcdHosts where host.name != left {
            do {
                statuses.append(
                    (
                        host.name,
                        try await facts.read(
                            EtcdStatus(pki: facts.cluster.paths.pki, isReliedOn: isReliedOn),
                            on: host.name
                        )
                    )
                )
            } catch {
                var unknown = EtcdStatus.Value()
                unknown.problem = error.message.event
                statuses.append((host.name, unknown))
            }
        }
        return EtcdHealth(statuses)
    }
}
