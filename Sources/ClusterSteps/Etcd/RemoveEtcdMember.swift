package import ClusterModel
import Journal
import RemoteShell
package import RunEngine

/// `etcd.member-remove`: takes a member off the member list, through another member.
///
/// First removed, then added: with the dead one still listed, etcd would need more voters than are alive, and refuses (etcd FAQ,
/// "Should I add a member before removing an unhealthy member?"). The id is found by name and peer address together, and given in
/// hex; a name is no argument for `member remove`.
package struct RemoveEtcdMember: MemberStep {
    package static let signature = memberSignature("remove", "Take a member off etcd's member list")
    package static let reversal = Reversal.irreversible(
        reason: "a removed member never comes back with its old data; etcd-member-replace adds it anew"
    )

    package let member: String

    package struct Output: Codable, Sendable {
        /// In hex; empty when it was gone already.
        package let id: String
        package let left: Int
    }

    package func decide(_ view: EtcdSurvivors, about host: Host) throws -> Decision {
        guard let entry = view.entry else { return .noop("\(member) is not on the member list") }
        if let obstacle = view.obstacle(toRemoving: host) { return .blocked(obstacle) }
        let left = view.health.members.count - 1
        return .change([
            PlannedChange(
                "remove member \(entry.hexID) (\(entry.name.isEmpty ? "never started" : entry.name), "
                    + "\(entry.peerURLs.joined(separator: ","))); \(left) are left, \(Quorum.needed(voters: left)) needed for quorum",
                commands: ["etcdctl member remove \(entry.hexID)"]
            )
        ])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let host = try EtcdMemberParameter.host(member, in: context.target.cluster)
        let view = try await survivors(context)
        guard let entry = view.entry else { return Output(id: "", left: view.health.members.count) }
        if let obstacle = view.obstacle(toRemoving: host) { throw obstacle }
        let left = try await MemberChange.perform(Self.script, [entry.hexID, String(entry.id)], context)
        guard try view.entry(in: left) == nil else {
            throw OperatorMessage(.stepFailed, "etcd said it removed \(entry.hexID), but still lists it")
        }
        return Output(id: entry.hexID, left: left.count)
    }

    /// `$1` id in hex, `$2` in decimal as the alarm list has it.
    ///
    /// An alarm outlives the member that raised it; when no other member has one, it is taken back. (CORRUPT keeps all clients
    /// out until then.)
    static let script: StaticString = """
        again member remove "$1" 2>/dev/null || case $said in
            *'member not found'*) ;;
            *) printf '%s\\n' "$said" >&2; exit 1 ;;
        esac
        alarms=$(E -w json alarm list | tr -d '\\n')
        if [ "$(printf %s "$alarms" | grep -o '"memberID":[0-9]*' | sort -u)" = "\\"memberID\\":$2" ]; then
            E alarm disarm >&2 || exit 1
        fi
        """

    package func probe(_ context: StepContext) async throws -> Probe {
        let view = try await survivors(context)
        let members = try await MemberChange.members(context)
        guard try view.entry(in: members) == nil else {
            return .notDone(detail: "\(member) is still on the member list")
        }
        return .done(
            output: try JSONValue(encoding: Output(id: "", left: members.count)),
            detail: "\(member) is not on the member list any more"
        )
    }
}
