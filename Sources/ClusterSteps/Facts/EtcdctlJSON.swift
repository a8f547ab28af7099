import FoundationEssentials

// JSON of etcdctl 3.4 to 3.6 (`-w json`): false and 0 are omitted, ids are unsigned 64-bit decimals beyond 2^63, names
// are etcd's own. Sources: etcdctl's printer_json.go and recorded outputs (Fixtures/facts).

/// `endpoint status`: endpoints that failed are missing, and 3.6 prints `null` when all did.
struct EndpointStatusJSON: Decodable {
    struct Header: Decodable {
        let cluster_id: UInt64
        let member_id: UInt64
        let revision: Int64?
    }
    struct Body: Decodable {
        let header: Header
        let version: String?
        let dbSize: UInt64?
        /// Since etcd 3.4.
        let dbSizeInUse: UInt64?
        let leader: UInt64?
        let raftIndex: UInt64?
        let raftTerm: UInt64?
        let raftAppliedIndex: UInt64?
        let isLearner: Bool?
        let errors: [String]?
    }
    let Endpoint: String
    let Status: Body

    static func list(_ text: some StringProtocol) throws -> [EndpointStatusJSON] {
        try JSONDecoder().decode([EndpointStatusJSON]?.self, from: Data(text.utf8)) ?? []
    }
}

/// `member list`.
struct MemberListJSON: Decodable {
    struct Member: Decodable {
        let ID: UInt64
        let name: String?
        let peerURLs: [String]?
        let clientURLs: [String]?
        let isLearner: Bool?
    }
    let members: [Member]?

    static func members(_ text: some StringProtocol) throws -> [EtcdMemberEntry] {
        let list = try JSONDecoder().decode(MemberListJSON.self, from: Data(text.utf8)).members ?? []
        return list.map {
            EtcdMemberEntry(
                id: $0.ID,
                name: $0.name ?? "",
                peerURLs: $0.peerURLs ?? [],
                clientURLs: $0.clientURLs ?? [],
                isLearner: $0.isLearner ?? false
            )
        }
    }
}

/// `alarm list`: the alarm is a number, 1 NOSPACE and 2 CORRUPT (etcd's rpc.proto, `AlarmType`).
struct AlarmListJSON: Decodable {
    struct Alarm: Decodable {
        let memberID: UInt64?
        let alarm: Int?
    }
    let alarms: [Alarm]?

    static func alarms(_ text: some StringProtocol) throws -> [String] {
        let list = try JSONDecoder().decode(AlarmListJSON.self, from: Data(text.utf8)).alarms ?? []
        return list.map { entry in
            let kind =
                switch entry.alarm {
                case 1: "NOSPACE"
                case 2: "CORRUPT"
                default: "alarm \(entry.alarm ?? 0)"
                }
            return spoken(kind, entry.memberID ?? 0)
        }
    }

    /// The alarm that an error of `endpoint status` repeats (`memberID:443629905751424238 alarm:NOSPACE `), or nil.
    ///
    /// Every member lists every alarm there, so it says nothing about the member that was asked.
    static func alarm(inError text: String) -> String? {
        let words = text.split(separator: " ")
        guard words.count == 2, words[0].hasPrefix("memberID:"), words[1].hasPrefix("alarm:"),
            let member = UInt64(words[0].dropFirst("memberID:".count))
        else { return nil }
        return spoken(String(words[1].dropFirst("alarm:".count)), member)
    }

    private static func spoken(_ kind: String, _ member: UInt64) -> String {
        kind + " on member " + String(member, radix: 16)
    }
}

/// `endpoint hashkv`: 3.5 prints `hash` and `compact_revision` (-1 before the first compaction).
package struct HashKVJSON: Decodable {
    struct Body: Decodable {
        let hash: UInt64?
        let compact_revision: Int64?
    }
    let Endpoint: String
    let HashKV: Body

    package static func list(_ text: some StringProtocol) throws -> [HashKVJSON] {
        try JSONDecoder().decode([HashKVJSON]?.self, from: Data(text.utf8)) ?? []
    }
}

/// `get -w json` with a limit: `count` counts the whole range, and is omitted when it is 0.
package struct KeyCount {
    let keys: Int64
    let revision: Int64

    private struct Answer: Decodable {
        struct Header: Decodable { let revision: Int64? }
        let header: Header
        let count: Int64?
    }

    package init(_ text: String) throws {
        let answer = try JSONDecoder().decode(Answer.self, from: Data(text.utf8))
        keys = answer.count ?? 0
        revision = answer.header.revision ?? 0
    }
}
