package import ClusterModel

/// One published set as lists, retention and monitoring see it.
package struct BackupSummary: Sendable, Hashable {
    package let id: BackupID
    package let result: BackupResult.Kind
    /// The highest level that was proved: before publication or since.
    package let level: Int
    package let pinned: Bool
    package let encrypted: Bool
    /// Bytes of all stored files.
    package let bytes: Int64
    /// Of the snapshot a restore would choose; nil when the set has none.
    package let revision: Int64?
    package let liveKeys: Int64?
    package let snapshotBytes: Int64?
    package let etcdVersion: String
    package let manifestSHA256: String
    package let files: Int
    /// etcd's id of its cluster, hexadecimal; another one after a restore.
    package let etcdCluster: String
    /// Of each member whose snapshot the set has.
    package let databases: [DatabaseSize]

    package init(
        id: BackupID,
        result: BackupResult.Kind = .complete,
        level: Int = 2,
        pinned: Bool = false,
        encrypted: Bool = false,
        bytes: Int64 = 0,
        revision: Int64? = nil,
        liveKeys: Int64? = nil,
        snapshotBytes: Int64? = nil,
        etcdVersion: String = "",
        manifestSHA256: String = "",
        files: Int = 0,
        etcdCluster: String = "",
        databases: [DatabaseSize] = []
    ) {
        self.id = id
        self.result = result
        self.level = level
        self.pinned = pinned
        self.encrypted = encrypted
        self.bytes = bytes
        self.revision = revision
        self.liveKeys = liveKeys
        self.snapshotBytes = snapshotBytes
        self.etcdVersion = etcdVersion
        self.manifestSHA256 = manifestSHA256
        self.files = files
        self.etcdCluster = etcdCluster
        self.databases = databases
    }

    init(_ manifest: Manifest, _ digest: FileDigest, level: Int, pinned: Bool) {
        let best = manifest.bestSnapshot
        self.init(
            id: manifest.id,
            result: manifest.result.kind,
            level: level,
            pinned: pinned,
            encrypted: manifest.files.contains { $0.encryption == .age },
            bytes: manifest.files.reduce(0) { $0 + $1.stored.bytes },
            revision: best?.facts.revision,
            liveKeys: best?.facts.liveKeys,
            snapshotBytes: best?.file.plain.bytes,
            etcdVersion: manifest.etcd.version,
            manifestSHA256: digest.sha256,
            files: manifest.files.count,
            etcdCluster: manifest.etcd.clusterID,
            databases: manifest.snapshots.map { DatabaseSize($0) }
        )
    }

    /// Verified to level 2 or more, and complete: what counts for retention and `backups status`.
    package var isGood: Bool { level >= 2 && result == .complete }

    /// Time since the backup began; negative when the clock went back.
    package func age(at now: UTCMoment) -> Duration { .milliseconds(now.milliseconds - id.moment.milliseconds) }
}
