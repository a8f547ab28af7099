import FoundationEssentials

/// What the small buckets say about the cluster: `members`, `meta`, `cluster` and `auth` (etcd server/storage/schema).
struct ClusterRecords: EntryVisitor {
    private static let longestValue = 64 << 10
    private static let memberLimit = 1_000

    private let bucket: String
    private(set) var members: [EtcdMember] = []
    private(set) var consistentIndex: UInt64?
    private(set) var term: UInt64?
    private(set) var storageVersion: String?
    private(set) var clusterVersion: String?
    private(set) var compactedRevision: Int64?
    private(set) var isAuthEnabled = false

    static let buckets: Set<String> = ["members", "meta", "cluster", "auth"]

    init(bucket: String) { self.bucket = bucket }

    mutating func visit(_ entry: LeafEntry, _ window: inout ByteWindow) throws(SnapshotProblem) {
        guard entry.value.count <= Self.longestValue, entry.key.count <= 64 else { return }
        let index = try window.load(entry.key.count + entry.value.count, at: entry.key.offset)
        let key = String(decoding: window.buffer[index..<(index + entry.key.count)], as: UTF8.self)
        let value = Array(window.buffer[(index + entry.key.count)..<(index + entry.key.count + entry.value.count)])
        switch (bucket, key) {
        case ("members", _): try add(member: value, page: entry.page)
        case ("meta", "consistent_index"): consistentIndex = Self.number(value)
        case ("meta", "term"): term = Self.number(value)
        case ("meta", "storageVersion"): storageVersion = Self.text(value)
        case ("meta", "finishedCompactRev"): compactedRevision = Self.number(value).map { Int64(bitPattern: $0) }
        case ("cluster", "clusterVersion"): clusterVersion = Self.text(value)
        case ("auth", "authEnabled"): isAuthEnabled = value == [1]
        default: break
        }
    }

    /// The first eight bytes, big-endian; an index has eight, a revision seventeen.
    private static func number(_ value: [UInt8]) -> UInt64? {
        value.count == 8 || value.count == 17 ? value.span.bigEndianUInt64(at: 0) : nil
    }

    private static func text(_ value: [UInt8]) -> String? {
        value.count <= 64 ? String(validating: value, as: UTF8.self) : nil
    }

    private struct StoredMember: Decodable {
        let id: UInt64
        let name: String?
        let peerURLs: [String]?
        let clientURLs: [String]?
        let isLearner: Bool?
    }

    private mutating func add(member value: [UInt8], page: UInt64) throws(SnapshotProblem) {
        guard members.count < Self.memberLimit,
            let stored = try? JSONDecoder().decode(StoredMember.self, from: Data(value))
        else { throw SnapshotProblem(.memberRecord, page: page) }
        members.append(
            EtcdMember(
                id: stored.id,
                name: stored.name ?? "",
                peerURLs: stored.peerURLs ?? [],
                clientURLs: stored.clientURLs ?? [],
                isLearner: stored.isLearner ?? false
            )
        )
    }
}
