package import ClusterModel
package import RunEngine

/// `etcd.removable`: the member of a host that was lost may be taken off the member list.
///
/// Only of a host that cannot be reached, or that was made anew and has no etcd: elsewhere its etcd has to be stopped first, and
/// etcd-member-replace does that. A host that was made anew is joined by kubeadm, which waits for ever (up to 1.32) while its old
/// member is on the list (kubeadm 1432).
package struct RemovableGate: Gate {
    package static let signature = KindSignature(
        kind: "etcd.removable",
        summary:
            "The member of a host that cannot be reached, or has no etcd, can be removed without endangering the others",
        parameters: [EtcdMemberParameter.parameter]
    )

    package let member: String

    package func facts(in cluster: Cluster) -> [FactRequest] { EtcdSurvivors.facts(of: member, in: cluster) }

    package func evaluate(_ facts: any FactReader) async throws -> GateVerdict {
        let host = try EtcdMemberParameter.host(member, in: facts.cluster)
        var isBare = false
        do {
            let found = try await facts.read(EtcdInstallation(paths: facts.cluster.paths), on: host.name)
            isBare = found.form == .none && !found.isRunning
            if !isBare {
                return .closed(
                    OperatorMessage(
                        .refused,
                        at: member,
                        "its host answers",
                        state: "Nothing was changed",
                        next: "rollbook run etcd-member-replace --set member=\(member) --set reason=dead"
                    )
                )
            }
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
            remarks: isBare ? ["its host answers, and has no etcd: neither a manifest nor a unit nor a process"] : []
        )
    }
}
