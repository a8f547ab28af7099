/// What a verified snapshot holds; it exists only for a file that passed every check.
///
/// The counts are those of the real tools: `totalKeys` is what `etcdctl` and `etcdutl` up to 3.5 print as totalKey, `liveKeys` is
/// what `etcdutl` 3.6 prints. The two must not be compared with each other.
package struct SnapshotReport: Codable, Sendable, Hashable {
    package enum Trailer: String, Codable, Sendable, Hashable {
        /// The SHA-256 at the end is right: the file is what the server sent.
        case valid
        /// There is none, and the caller accepted that: nothing proves that the pages are intact.
        case missing
    }

    /// Bytes of the file.
    package let fileSize: UInt64
    /// Bytes of the database in it, without the trailer.
    package let bodySize: UInt64
    package let trailer: Trailer
    /// SHA-256 of the whole file, in lower-case hexadecimal.
    package let fileSHA256: String
    /// SHA-256 of the database without the trailer, in lower-case hexadecimal.
    package let bodySHA256: String
    package let pageSize: UInt64
    package let pagesTotal: UInt64
    /// Pages in use, with the two meta pages and the stored list of free pages.
    package let pagesReachable: UInt64
    /// bbolt's transaction number.
    package let transactionID: UInt64
    /// The same as `snapshot status` prints; only comparable between copies of one snapshot.
    package let hash: UInt32
    /// The last revision; 0 where nothing was ever written.
    package let revision: Int64
    /// Entries over all buckets.
    package let totalKeys: Int
    /// User keys whose newest revision is not a deletion.
    package let liveKeys: Int
    /// Those of them under the registry prefix, which is where Kubernetes keeps its objects.
    package let liveRegistryKeys: Int
    /// The revision up to which history was compacted, where that ever happened.
    package let compactedRevision: Int64?
    /// Raft index up to which the database is applied.
    package let consistentIndex: UInt64?
    /// Raft term of that index; etcd stores it from 3.5 on.
    package let term: UInt64?
    /// Format of the database as etcd 3.6 marks it; nil up to 3.5.
    package let storageVersion: String?
    /// Version that the whole cluster supports, where it was stored.
    package let clusterVersion: String?
    /// Whether etcd's own users and roles are in force.
    package let isAuthEnabled: Bool
    package let members: [EtcdMember]
    /// UID of the namespace kube-system, the identity of a Kubernetes cluster; nil where it is absent or encrypted.
    package let kubeSystemUID: String?
    package let buckets: [BucketSummary]
}

/// A top-level bucket and how many keys it has.
package struct BucketSummary: Codable, Sendable, Hashable {
    package let name: String
    package let entries: Int
}

/// A member of the cluster as the snapshot's server knew it.
package struct EtcdMember: Codable, Sendable, Hashable {
    package let id: UInt64
    /// Empty for a member that was added and never started.
    package let name: String
    package let peerURLs: [String]
    package let clientURLs: [String]
    package let isLearner: Bool
}
