package import ClusterModel
package import RunEngine

/// `etcd.quorum`: one more member of etcd can be lost now, so one may be taken away on purpose.
///
/// Counted over voters as the members list them: a dead member and one that was never started are lost already, learners never
/// count. Source: etcd FAQ "What is failure tolerance?".
package struct EtcdQuorumGate: Gate {
    package static let signature = KindSignature(
        kind: "etcd.quorum",
        summary: "One more member of etcd can be lost now",
        parameters: []
    )

    package init() {}

    package func facts(in cluster: Cluster) -> [FactRequest] {
        cluster.etcdHosts.map { FactRequest(EtcdStatus(pki: cluster.paths.pki), on: $0.name) }
    }

    package func evaluate(_ facts: any FactReader) async throws -> GateVerdict {
        let health = await EtcdHealth.read(facts)
        if let obstacle = health.obstacleToLosingOne {
            return .closed(OperatorMessage(.refused, obstacle, next: "rollbook facts --only etcd.status"))
        }
        guard health.voters > 1 else {
            return .open(
                detail: "the only voter is healthy",
                remarks: ["while the only member of etcd is away, the cluster is"]
            )
        }
        return .open(
            detail: "\(health.healthyVoters) of \(health.voters) voters healthy, "
                + "\(Quorum.needed(voters: health.voters)) needed: \(health.spare) may be lost",
            remarks: health.degradations
        )
    }
}
