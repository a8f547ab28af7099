package import ClusterModel
package import RunEngine

/// `etcd.removable`: the member of a host that was lost may be taken off the member list.
///
/// Only of a host that cannot be reached: where it can, its etcd has to be stopped first, and etcd-member-replace does that.
package struct RemovableGate: Gate {
    package static let signature = KindSignature(
        kind: "etcd.removable",
        summary: "The member of a host that cannot be reached can be removed without endangering the others",
        parameters: [EtcdMemberParameter.parameter]
    )

    package let member: String

    package func facts(in cluster: Cluster) -> [FactRequest] { EtcdSurvivors.facts(of: member, in: cluster) }

    package func evaluate(_ facts: any FactReader) async throws -> GateVerdict {
        let host = try EtcdMemberParameter.host(member, in: facts.cluster)
        do {
            _ = try await facts.read(EtcdInstallation(paths: facts.cluster.paths), on: host.name)
            return .closed(
                OperatorMessage(
                    .refused,
                    at: member,
                    "its host answers",
                    state: "Nothing was changed",
                    next: "rollbook run etcd-member-replace --set member=\(member) --set reason=dead"
                )
            )
        } catch  where error.message.code == .unreachable {
            // Only silence means lost: another host key, or an answer that cannot be read, is somebody who answers.
        } catch {
            return .closed(error.message)
        }
        let view = try await EtcdSurvivors(facts, of: host)
        if let obstacle = view.obstacle(toRemoving: host) { return .closed(obstacle) }
        let voters = view.health.members.count { !$0.isLearner && $0 != view.entry }
        return .open(
            detail: "\(view.health.healthy.count) other members are healthy; of \(voters) that are left "
                + "\(Quorum.tolerated(voters: voters)) may fail",
            remarks: []
        )
    }
}
