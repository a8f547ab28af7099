package import ClusterModel

/// A verdict on an etcd cluster from what each member said: pure arithmetic, used by gates and by the backup.
package struct EtcdHealth: Sendable, Hashable {
    /// The difference in revisions up to which members count as equal while they are written to.
    static let allowedRevisionLag: Int64 = 1000
    /// etcd 3.5.0 to 3.5.2 can corrupt data silently (etcd 13766).
    static let corruptingVersions: Set<String> = ["3.5.0", "3.5.1", "3.5.2"]

    /// Hosts in inventory order with what their members said.
    package let statuses: [(host: HostName, status: EtcdStatus.Value)]
    /// All members that a member with a leader lists.
    package let members: [EtcdMemberEntry]

    package init(_ statuses: [(host: HostName, status: EtcdStatus.Value)]) {
        self.statuses = statuses
        members = statuses.first { $0.status.answers && !$0.status.members.isEmpty }?.status.members ?? []
    }

    package static func == (left: EtcdHealth, right: EtcdHealth) -> Bool {
        left.members == right.members && left.statuses.map(\.host) == right.statuses.map(\.host)
            && left.statuses.map(\.status) == right.statuses.map(\.status)
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(members)
        for entry in statuses { hasher.combine(entry.host) }
    }

    /// Members that answer without an error and know a leader.
    package var healthy: [(host: HostName, status: EtcdStatus.Value)] {
        statuses.filter { $0.status.answers && $0.status.errors.isEmpty && $0.status.leader != 0 }
    }

    package var voters: Int {
        members.isEmpty ? statuses.count : members.count { !$0.isLearner }
    }

    /// Learners, dead members and such that were never started are none.
    package var healthyVoters: Int { healthy.count { !$0.status.isLearner } }

    /// How many more members may be lost now; negative when there is no quorum.
    package var spare: Int { Quorum.spare(healthy: healthyVoters, of: voters) }

    /// Why one more member must not be lost now, or nil.
    ///
    /// A cluster of one member has no margin to lose; what takes it away is an interruption, and that is no news.
    package var obstacleToLosingOne: String? {
        guard refusals.isEmpty else { return refusals.joined(separator: "; ") }
        guard voters > 1, spare < 1 else { return nil }
        let lacking = degradations.isEmpty ? "" : " (\(degradations.joined(separator: "; ")))"
        return "no more etcd member can be lost: \(healthyVoters) of \(voters) voters are healthy, "
            + "\(Quorum.needed(voters: voters)) are needed\(lacking)"
    }

    /// A member's file has reached its quota: etcd takes no writes, on any member.
    package var isOutOfSpace: Bool { alarms.contains { $0.hasPrefix("NOSPACE") } }

    package var highestRevision: Int64 { healthy.map(\.status.revision).max() ?? 0 }

    /// The host of the leader; its member's name when that host says nothing, and nil when nobody leads.
    package var leaderHost: String? {
        guard let leader = healthy.first?.status.leader else { return nil }
        return healthy.first { $0.status.memberID == leader }?.host.text
            ?? members.first { $0.id == leader && !$0.name.isEmpty }?.name ?? "unknown"
    }

    var leaderName: String { leaderHost ?? "none" }

    /// What makes a snapshot worthless or dangerous now; empty when one can be taken.
    package var refusals: [String] {
        let answering = statuses.filter(\.status.answers)
        let total = statuses.count
        guard !answering.isEmpty else { return ["etcd does not answer on any of \(total) hosts"] }
        var found: [String] = []
        if healthy.isEmpty {
            found.append(
                "etcd has no leader (\(answering.count) of \(total) members answer); a snapshot now would be stale"
            )
        } else {
            if !Quorum.holds(healthy: healthyVoters, of: voters) {
                found.append(
                    "etcd has no quorum (\(healthyVoters) of \(voters) voters healthy, "
                        + "\(Quorum.needed(voters: voters)) needed); a snapshot now would be stale"
                )
            }
        }
        let clusters = Set(answering.map(\.status.clusterID))
        if clusters.count > 1 {
            found.append(
                "the members serve \(clusters.count) different clusters ("
                    + answering.map { "\($0.host) \(String($0.status.clusterID, radix: 16))" }.joined(separator: ", ")
                    + "): split brain"
            )
        }
        if Set(healthy.map(\.status.leader)).count > 1 { found.append("the members name different leaders") }
        for alarm in alarms where !alarm.hasPrefix("NOSPACE") { found.append("etcd raised the alarm \(alarm)") }
        for entry in answering where Self.corruptingVersions.contains(entry.status.version) {
            found.append("\(entry.host) runs etcd \(entry.status.version), which can corrupt data (etcd issue 13766)")
        }
        return found
    }

    /// What is not whole although etcd works; a snapshot can be taken but somebody should look.
    package var degradations: [String] {
        var found: [String] = []
        for entry in statuses where !entry.status.answers {
            found.append("\(entry.host): \(entry.status.problem ?? "does not answer")")
        }
        for entry in statuses where entry.status.answers && !entry.status.errors.isEmpty {
            found.append("\(entry.host): \(entry.status.errors.joined(separator: ", "))")
        }
        for entry in healthy where highestRevision - entry.status.revision > Self.allowedRevisionLag {
            found.append("\(entry.host) is \(highestRevision - entry.status.revision) revisions behind")
        }
        for member in members where member.name.isEmpty {
            found.append("member \(member.hexID) (\(member.peerURLs.joined(separator: ","))) was never started")
        }
        for member in members
        where !member.name.isEmpty && !statuses.contains(where: { $0.status.memberID == member.id }) {
            // Either its host does not answer, which is said above, or it is no host of the inventory.
            if statuses.allSatisfy(\.status.answers) {
                found.append("member \(member.name) (\(member.hexID)) is on no host of the inventory")
            }
        }
        // The backup only reads; a full database is a reason to look, and a good moment to have a snapshot.
        for alarm in alarms where alarm.hasPrefix("NOSPACE") { found.append("etcd raised the alarm \(alarm)") }
        return found
    }

    package var alarms: [String] { Array(Set(statuses.flatMap(\.status.alarms))).sorted() }

    /// The member a single snapshot is best taken from: the most up to date, a follower when there is a choice.
    package var bestSource: HostName? {
        let candidates = healthy.filter { !$0.status.isLearner }
        guard let best = candidates.map(\.status.raftAppliedIndex).max() else { return nil }
        let upToDate = candidates.filter { best - $0.status.raftAppliedIndex <= 8 }
        return (upToDate.first { !$0.status.isLeader } ?? upToDate.first)?.host
    }
}
