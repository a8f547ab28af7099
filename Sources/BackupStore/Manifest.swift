package import ClusterModel

/// What a backup set is: everything that hangs on it hangs on these bytes (Format.md §2).
package struct Manifest: Sendable, Hashable, Codable {
    package static let currentFormat = 1
    package static let fileName = "manifest.json"
    package static let sizeLimit = 16 << 20

    package var format = Manifest.currentFormat
    package var id: BackupID
    package var cluster: ClusterID
    package var topology: EtcdTopology
    package var started: UTCMoment
    package var published: UTCMoment
    package var run: RunID
    package var program: String
    package var controller: String
    package var policy: TakenPolicy
    package var result: BackupResult
    package var missing: [MissingItem]
    package var etcd: EtcdState
    package var snapshots: [StoredSnapshot]
    package var archives: [StoredArchive]
    /// Public age recipients of the encrypted files; filled in at publication.
    package var recipients: [String]
    package var verification: VerificationMark
    package var identity: ClusterIdentity

    package init(
        id: BackupID,
        cluster: ClusterID,
        topology: EtcdTopology,
        started: UTCMoment,
        published: UTCMoment,
        run: RunID,
        program: String,
        controller: String,
        policy: TakenPolicy,
        result: BackupResult = .complete,
        missing: [MissingItem] = [],
        etcd: EtcdState,
        snapshots: [StoredSnapshot] = [],
        archives: [StoredArchive] = [],
        recipients: [String] = [],
        verification: VerificationMark,
        identity: ClusterIdentity = ClusterIdentity()
    ) {
        self.id = id
        self.cluster = cluster
        self.topology = topology
        self.started = started
        self.published = published
        self.run = run
        self.program = program
        self.controller = controller
        self.policy = policy
        self.result = result
        self.missing = missing
        self.etcd = etcd
        self.snapshots = snapshots
        self.archives = archives
        self.recipients = recipients
        self.verification = verification
        self.identity = identity
    }

    /// Every file of the set, sorted by its stored path.
    package var files: [StoredFile] { (snapshots.map(\.file) + archives.map(\.file)).sorted { $0.path < $1.path } }

    /// The snapshot a restore would choose: the highest revision, the first of several.
    package var bestSnapshot: StoredSnapshot? {
        snapshots.reduce(nil) { best, next in
            guard let best else { return next }
            return next.facts.revision > best.facts.revision ? next : best
        }
    }

    /// Verified well enough, and whole: what retention and `backups status` count.
    package func isGood(level: Int) -> Bool { level >= 2 && result.kind == .complete }
}

/// The parts of the policy that decided what this set holds.
package struct TakenPolicy: Sendable, Hashable, Codable {
    package var snapshotFrom: BackupPolicy.SnapshotSource
    package var encryption: BackupPolicy.Encryption
    package var whenDegraded: BackupPolicy.WhenDegraded

    package init(_ policy: BackupPolicy) {
        snapshotFrom = policy.snapshotFrom
        encryption = policy.encryption
        whenDegraded = policy.whenDegraded
    }
}

/// Whether everything asked for is in the set, of a cluster that was whole.
package struct BackupResult: Sendable, Hashable, Codable {
    package enum Kind: String, Sendable, Hashable, Codable, CaseIterable { case complete, partial, degraded }

    package var kind: Kind
    package var reasons: [String]

    package init(_ kind: Kind, reasons: [String]) {
        self.kind = kind
        self.reasons = reasons
    }

    package static let complete = BackupResult(.complete, reasons: [])
}

/// Something asked for that is not in the set.
package struct MissingItem: Sendable, Hashable, Codable {
    package var host: HostName
    package var what: String
    package var why: String

    package init(host: HostName, what: String, why: String) {
        self.host = host
        self.what = what
        self.why = why
    }
}

/// The level reached before publication, and when.
package struct VerificationMark: Sendable, Hashable, Codable {
    package var level: Int
    package var at: UTCMoment

    package init(level: Int, at: UTCMoment) {
        self.level = level
        self.at = at
    }
}

/// What tells one cluster from another even after etcd got new ids.
package struct ClusterIdentity: Sendable, Hashable, Codable {
    /// SHA-256 of the cluster CA's SubjectPublicKeyInfo, lower-case hexadecimal.
    package var caFingerprint: String?
    /// UID of the namespace `kube-system`.
    package var kubeSystemUID: String?

    package init(caFingerprint: String? = nil, kubeSystemUID: String? = nil) {
        self.caFingerprint = caFingerprint
        self.kubeSystemUID = kubeSystemUID
    }
}
