package import ClusterModel
import FoundationEssentials
package import RemoteShell
import RunEngine

/// What the etcd member on a host says of itself, its peers and its alarms.
///
/// Sources: `etcdctl -w json endpoint status`, `member list`, `alarm list`. The latter two need quorum and are asked only
/// when the member knows a leader, for without one they only end after their time limit.
package struct EtcdStatus: Fact {
    package static let name = "etcd.status"
    package let pki: String
    /// Whether a plan may rely on which member answers; not where the same run may replace it first.
    let isReliedOn: Bool

    package init(pki: String, isReliedOn: Bool = true) {
        self.pki = pki
        self.isReliedOn = isReliedOn
    }

    package struct Value: Codable, Sendable, Hashable {
        /// Why this member's etcd cannot be asked, or nil when it answers.
        package var problem: String?
        package var via = ""
        package var name = ""
        package var dataDirectory = ""
        package var quotaBytes: UInt64 = 0
        package var clusterID: UInt64 = 0
        package var memberID: UInt64 = 0
        package var leader: UInt64 = 0
        package var revision: Int64 = 0
        package var raftTerm: UInt64 = 0
        package var raftIndex: UInt64 = 0
        package var raftAppliedIndex: UInt64 = 0
        package var databaseBytes: UInt64 = 0
        /// What of the file holds data; the rest is free pages that only defragmentation gives back.
        package var databaseInUseBytes: UInt64 = 0
        package var version = ""
        package var isLearner = false
        package var errors: [String] = []
        package var members: [EtcdMemberEntry] = []
        package var alarms: [String] = []

        package init() {}

        package var isLeader: Bool { leader != 0 && leader == memberID }
        package var answers: Bool { problem == nil }
    }

    package var command: RemoteCommand { RemoteCommand([EtcdAccess.functions, Self.script], [pki]) }

    private static let script: StaticString = """
        printf 'via %s\\nname %s\\ndata %s\\nquota %s\\n' "$via" "$name" "$data" "$(flag quota-backend-bytes)"
        s=$(E -w json endpoint status | tr -d '\\n'); printf 'status %s\\n' "$s"
        case $s in *'"leader":'*)
            printf 'members %s\\n' "$(E -w json member list | tr -d '\\n')"
            printf 'alarms %s\\n' "$(E -w json alarm list | tr -d '\\n')" ;;
        esac
        """

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        var value = Value()
        // crictl ends with a line of its own, and etcdctl's log lines are JSON; the reason stands between them.
        let said = String(decoding: answer.errorOutput, as: UTF8.self).split(separator: "\n").last {
            !$0.contains("command terminated with exit code") && !$0.hasPrefix("{")
        }.map(String.init)
        guard answer.exitCode == 0 else {
            value.problem = said ?? "its probe ended with code \(answer.exitCode)"
            return value
        }
        var lines: [Substring: Substring] = [:]
        for line in answer.text.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1)
            // A line of nothing but blanks has no first word.
            guard let name = parts.first else { continue }
            lines[name] = parts.count > 1 ? parts[1] : ""
        }
        value.via = lines["via"].map(String.init) ?? ""
        value.name = lines["name"].map(String.init) ?? ""
        value.dataDirectory = lines["data"].map(String.init) ?? ""
        value.quotaBytes = lines["quota"].flatMap { UInt64($0) } ?? 0
        guard let text = lines["status"], !text.isEmpty, let status = try EndpointStatusJSON.list(text).first?.Status
        else {
            value.problem = said ?? "etcd does not answer"
            return value
        }
        value.clusterID = status.header.cluster_id
        value.memberID = status.header.member_id
        value.revision = status.header.revision ?? 0
        value.leader = status.leader ?? 0
        value.raftTerm = status.raftTerm ?? 0
        value.raftIndex = status.raftIndex ?? 0
        value.raftAppliedIndex = status.raftAppliedIndex ?? 0
        value.databaseBytes = status.dbSize ?? 0
        value.databaseInUseBytes = status.dbSizeInUse ?? value.databaseBytes
        value.version = status.version ?? ""
        value.isLearner = status.isLearner ?? false
        value.errors = (status.errors ?? []).filter { AlarmListJSON.alarm(inError: $0) == nil }
        value.alarms = (status.errors ?? []).compactMap { AlarmListJSON.alarm(inError: $0) }
        if let text = lines["members"], !text.isEmpty { value.members = try MemberListJSON.members(text) }
        if let text = lines["alarms"], !text.isEmpty {
            for alarm in try AlarmListJSON.alarms(text) where !value.alarms.contains(alarm) {
                value.alarms.append(alarm)
            }
        }
        return value
    }

    /// Which member this is and of which cluster; its numbers change all the time.
    package func bound(_ value: Value) throws -> JSONValue? {
        guard isReliedOn else { return nil }
        return .object([
            "cluster": .string(String(value.clusterID, radix: 16)),
            "member": .string(String(value.memberID, radix: 16)), "name": .string(value.name),
            "dataDirectory": .string(value.dataDirectory), "answers": .bool(value.answers),
        ])
    }
}

/// One entry of `member list`.
package struct EtcdMemberEntry: Codable, Sendable, Hashable {
    package let id: UInt64
    /// Empty while the member was never started.
    package let name: String
    package let peerURLs: [String]
    package let clientURLs: [String]
    package let isLearner: Bool

    package init(id: UInt64, name: String, peerURLs: [String], clientURLs: [String], isLearner: Bool) {
        self.id = id
        self.name = name
        self.peerURLs = peerURLs
        self.clientURLs = clientURLs
        self.isLearner = isLearner
    }

    /// The form etcdctl's `member remove`, `promote` and `move-leader` take.
    package var hexID: String { String(id, radix: 16) }
}
