package import ClusterModel
import Journal
import RemoteShell
package import RunEngine

/// `etcd.member-promote`: makes a learner a voter as soon as it has caught up, through another member.
///
/// etcd refuses until the learner has 90 % of the leader's log, so asking is the test (etcd "Learner", `isLearnerReady`).
package struct PromoteEtcdMember: MemberStep {
    package static let signature = memberSignature("promote", "Make a learner a voting member once it has caught up")
    /// A voter stays one when the run is given up: taking it out is a replacement of its own.
    ///
    /// A promotion that failed must not keep the learner from being taken off the list again.
    package static let reversal = Reversal.nothingToUndo

    package let member: String

    package struct Output: Codable, Sendable {
        package let id: String
        package let voters: Int
    }

    package func decide(_ view: EtcdSurvivors, about host: Host) throws -> Decision {
        let voters = view.health.members.count { !$0.isLearner && $0 != view.entry } + 1
        return .change([
            PlannedChange(
                "promote \(member) to the last of \(voters) voters when it has caught up (asked every 2 s, for up to 10 min)",
                commands: ["etcdctl member promote ID"]
            )
        ])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let view = try await survivors(context)
        guard let entry = try view.entry(in: try await MemberChange.members(context)) else {
            throw OperatorMessage(.stepFailed, "\(member) is not on the member list")
        }
        let list =
            entry.isLearner
            ? try await MemberChange.perform(
                "PATIENCE=300; again member promote \"$1\" || exit 1",
                [entry.hexID],
                context,
                deadline: .seconds(700)
            ) : try await MemberChange.members(context)
        guard let after = try view.entry(in: list), !after.isLearner else {
            throw OperatorMessage(.stepFailed, "etcd said it promoted \(member), but lists it as a learner")
        }
        return Output(id: after.hexID, voters: list.count { !$0.isLearner })
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        let view = try await survivors(context)
        let list = try await MemberChange.members(context)
        guard let entry = try view.entry(in: list), !entry.isLearner else {
            return .notDone(detail: "\(member) is no voter")
        }
        return .done(
            output: try JSONValue(encoding: Output(id: entry.hexID, voters: list.count { !$0.isLearner })),
            detail: "\(member) is a voter"
        )
    }
}
