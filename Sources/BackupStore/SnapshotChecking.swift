/// What a sound snapshot file says of itself.
package struct SnapshotFacts: Sendable, Hashable, Codable {
    package var revision: Int64
    /// Entries over all buckets, as etcdctl up to 3.5 counts.
    package var totalKeys: Int64
    /// Keys a reader of etcd sees.
    package var liveKeys: Int64
    /// CRC-32C as `etcdctl snapshot status` computes it.
    package var hash: UInt32
    package var pageSize: Int64
    /// Only when the file names one, which etcd 3.6 and later do.
    package var storageVersion: String?
    /// UID of the namespace `kube-system`: which Kubernetes cluster this is; nil where it is absent or encrypted at rest.
    package var kubeSystemUID: String?
    /// Of the database without its free pages; nil in manifests of earlier releases.
    package var inUseBytes: Int64?

    package init(
        revision: Int64,
        totalKeys: Int64,
        liveKeys: Int64,
        hash: UInt32,
        pageSize: Int64,
        storageVersion: String? = nil,
        kubeSystemUID: String? = nil,
        inUseBytes: Int64? = nil
    ) {
        self.revision = revision
        self.totalKeys = totalKeys
        self.liveKeys = liveKeys
        self.hash = hash
        self.pageSize = pageSize
        self.storageVersion = storageVersion
        self.kubeSystemUID = kubeSystemUID
        self.inUseBytes = inUseBytes
    }

    /// Whether a file with these facts can be the one whose manifest recorded `stored`.
    ///
    /// Manifests of earlier releases name neither the namespace's UID nor the bytes in use.
    func agree(with stored: SnapshotFacts) -> Bool {
        var comparable = self
        if stored.kubeSystemUID == nil { comparable.kubeSystemUID = nil }
        if stored.inUseBytes == nil { comparable.inUseBytes = nil }
        return comparable == stored
    }
}

/// Reads and verifies a plain snapshot file: SHA-256 trailer, database pages, content.
package protocol SnapshotChecking: Sendable {
    /// Returns the facts of a sound snapshot at `path`; throws `SnapshotFault` for any other file.
    func check(path: String) throws(SnapshotFault) -> SnapshotFacts
}

/// Why a file is not a sound snapshot, as one sentence without its full stop.
package struct SnapshotFault: Error, Sendable, Hashable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
