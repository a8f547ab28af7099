package import ClusterModel
import Journal
import RemoteShell
package import RunEngine

/// `etcd.member-add`: puts a host on the member list as a learner, through another member.
///
/// A learner does not count for quorum, so one that never starts costs nothing (etcd "Learner", 3.4 and later). Source of the
/// order: kubeadm's `join phase control-plane-join etcd`.
package struct AddEtcdMember: MemberStep {
    package static let signature = memberSignature("add", "Put a host on etcd's member list as a learner")
    package static let reversal = Reversal.undoable

    package let member: String

    package struct Output: Codable, Sendable {
        /// In hex.
        package let id: String
        /// What the new member must be started with: all members, itself among them.
        package let initialCluster: String
    }

    package func decide(_ view: EtcdSurvivors, about host: Host) throws -> Decision {
        .change([
            PlannedChange(
                "add \(view.name) at \(view.peerURL) as a learner, which does not count for quorum",
                commands: ["etcdctl member add \(view.name) --peer-urls=\(view.peerURL) --learner"]
            )
        ])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let view = try await survivors(context)
        let present = try view.entry(in: try await MemberChange.members(context))
        if let present, !present.name.isEmpty {
            throw OperatorMessage(
                .stepFailed,
                "\(member) is a started member (\(present.hexID)); it was to be removed first"
            )
        }
        let list = try await MemberChange.perform(
            Self.script,
            [view.name, view.peerURL, present == nil ? "add" : "is-there"],
            context
        )
        return try output(of: view, in: list)
    }

    private func output(of view: EtcdSurvivors, in list: [EtcdMemberEntry]) throws -> Output {
        guard let entry = try view.entry(in: list) else {
            throw OperatorMessage(.stepFailed, "etcd said it added \(member), but does not list it")
        }
        let all = list.flatMap { one in
            one.peerURLs.map { "\(one.id == entry.id ? view.name : one.name)=\($0)" }
        }
        return Output(id: entry.hexID, initialCluster: all.joined(separator: ","))
    }

    /// `$1` name, `$2` peer URL, `$3` whether it has to be added.
    private static let script: StaticString = """
        [ "$3" = is-there ] || again member add "$1" --peer-urls="$2" --learner || exit 1
        """

    package func probe(_ context: StepContext) async throws -> Probe {
        let view = try await survivors(context)
        let list = try await MemberChange.members(context)
        guard try view.entry(in: list) != nil else {
            return .notDone(detail: "\(member) is not on the member list")
        }
        return .done(
            output: try JSONValue(encoding: output(of: view, in: list)),
            detail: "\(member) is on the member list"
        )
    }

    /// Takes a learner off the list; one that votes by now is part of the cluster, and stays.
    package func undo(_ output: Output, _ context: StepContext) async throws {
        let view = try await survivors(context)
        guard let entry = try view.entry(in: try await MemberChange.members(context)), entry.isLearner else { return }
        _ = try await MemberChange.perform("again member remove \"$1\" || exit 1", [entry.hexID], context)
    }
}
