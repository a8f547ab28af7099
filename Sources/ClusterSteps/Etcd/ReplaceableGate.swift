package import ClusterModel
package import RunEngine

/// `etcd.replaceable`: a member may be taken out of the cluster now, and put back from nothing.
///
/// Sources: etcd FAQ (quorum while members change), `server.go` `strictReconfigCheck`; a member that is well is not replaced
/// because somebody mistyped a name.
package struct ReplaceableGate: Gate {
    package static let signature = KindSignature(
        kind: "etcd.replaceable",
        summary: "A member can be taken out and put back without endangering the others",
        parameters: [
            EtcdMemberParameter.parameter,
            Parameter("reason", .choice(Reason.allCases.map(\.rawValue)), required: true, "why it is replaced"),
        ]
    )

    package enum Reason: String, Codable, Sendable, CaseIterable {
        /// Its etcd does not work, and its host does.
        case dead
        /// Its data or its disk is bad; etcd may still run.
        case badDisk = "bad-disk"
        /// Its host was made anew and has no data.
        case newHost = "new-host"
    }

    package let member: String
    package let reason: Reason

    package func facts(in cluster: Cluster) -> [FactRequest] {
        cluster.etcdHosts.map { FactRequest(EtcdStatus(pki: cluster.paths.pki), on: $0.name) }
            + EtcdSurvivors.facts(of: member, in: cluster)
    }

    package func evaluate(_ facts: any FactReader) async throws -> GateVerdict {
        let host = try EtcdMemberParameter.host(member, in: facts.cluster)
        func closed(_ what: String, next: String) -> GateVerdict {
            .closed(OperatorMessage(.refused, at: member, what, state: "Nothing was changed", next: next))
        }
        let found: EtcdInstallation.Value
        do { found = try await facts.read(EtcdInstallation(paths: facts.cluster.paths), on: host.name) } catch {
            return closed(
                "its host cannot be reached: \(error.message.event)",
                next: "rollbook run etcd-member-remove --set member=\(member), and this again when the host is back"
            )
        }
        let view = try await EtcdSurvivors(facts, of: host)
        guard found.form != .none else {
            let (what, next) = obstacleOfBareHost(host, view, in: facts.cluster)
            return closed(what, next: next)
        }
        if let obstacle = view.obstacle(toRemoving: host) { return .closed(obstacle) }
        let own = try? await facts.read(EtcdStatus(pki: facts.cluster.paths.pki), on: host.name)
        let works =
            own.map { $0.answers && $0.leader != 0 && $0.errors.isEmpty && view.entry?.id == $0.memberID } ?? false
        switch reason {
        case .dead where works:
            return closed(
                "its etcd works (revision \(own?.revision ?? 0)); it is not dead",
                next:
                    "look again: rollbook facts --only etcd.status; with --set reason=bad-disk it is replaced all the same"
            )
        case .newHost where found.hasData:
            return closed(
                "there is data in \(found.dataDirectory); it is no new host",
                next: "--set reason=bad-disk keeps that data aside"
            )
        default: break
        }
        let voters = view.health.members.count { !$0.isLearner && $0 != view.entry }
        return .open(
            detail: "\(view.health.healthy.count) other members are healthy; without \(member), "
                + "\(Quorum.tolerated(voters: voters)) more may fail until it is back",
            remarks: works ? ["its etcd works now, and will be stopped"] : []
        )
    }

    /// What a host that was made anew lacks, and who makes it; Docs/Etcd.md tells the whole way.
    private func obstacleOfBareHost(
        _ host: Host,
        _ view: EtcdSurvivors,
        in cluster: Cluster
    ) -> (what: String, next: String) {
        guard cluster.topology == .stacked else {
            return (
                "there is neither a manifest nor a unit of etcd on its host",
                "set up etcd there as on the other hosts (unit, environment file, certificates) and leave it stopped; then this again"
            )
        }
        if let entry = view.entry {
            return (
                "there is neither a manifest nor a unit of etcd on its host, so kubeadm has to join it; but kubeadm waits for ever "
                    + "while the old member \(entry.hexID) is on the list",
                "rollbook run etcd-member-remove --set member=\(member), and then kubeadm join (Docs/Etcd.md, a host made anew)"
            )
        }
        return (
            "there is neither a manifest nor a unit of etcd on its host; kubeadm makes them, and the member with them",
            "kubeadm join \(cluster.vip ?? "VIP"):\(cluster.apiPort) --control-plane --apiserver-advertise-address "
                + "\(host.clusterAddress) --node-name \(host.name) … (Docs/Etcd.md, a host made anew, for the rest of it)"
        )
    }
}
