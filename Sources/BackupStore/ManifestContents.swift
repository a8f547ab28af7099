package import ClusterModel

/// What the gate saw of etcd before the first snapshot.
package struct EtcdState: Sendable, Hashable, Codable {
    /// Hexadecimal, as `etcdctl member list` prints ids; they exceed what JSON numbers carry exactly.
    package var clusterID: String
    package var version: String
    package var leader: String
    package var revisionAtGate: Int64
    package var members: [EtcdMember]
    /// The HashKV that was equal on several members, when it was read.
    package var keyspaceHash: KeyspaceHash?

    package init(
        clusterID: String,
        version: String,
        leader: String,
        revisionAtGate: Int64,
        members: [EtcdMember],
        keyspaceHash: KeyspaceHash? = nil
    ) {
        self.clusterID = clusterID
        self.version = version
        self.leader = leader
        self.revisionAtGate = revisionAtGate
        self.members = members
        self.keyspaceHash = keyspaceHash
    }
}

/// One member of etcd as it listed itself.
package struct EtcdMember: Sendable, Hashable, Codable {
    package var id: String
    package var name: String
    package var peerURLs: [String]
    package var clientURLs: [String]
    package var isLearner: Bool

    package init(id: String, name: String, peerURLs: [String], clientURLs: [String], isLearner: Bool = false) {
        self.id = id
        self.name = name
        self.peerURLs = peerURLs
        self.clientURLs = clientURLs
        self.isLearner = isLearner
    }
}

/// A hash of the keys at one revision, comparable between members that compacted alike.
package struct KeyspaceHash: Sendable, Hashable, Codable {
    package var revision: Int64
    package var hash: UInt32
    package var compactRevision: Int64
    /// Ids of the members on which it was equal.
    package var members: [String]

    package init(revision: Int64, hash: UInt32, compactRevision: Int64, members: [String]) {
        self.revision = revision
        self.hash = hash
        self.compactRevision = compactRevision
        self.members = members
    }
}

/// A file of the set: what it is, and what lies on disk.
package struct StoredFile: Sendable, Hashable, Codable {
    /// Path within the set, with `.age` when encrypted.
    package let path: String
    package let encryption: FileEncryption
    package let plain: FileDigest
    package let stored: FileDigest

    init(_ name: BackupFileName, encryption: FileEncryption, plain: FileDigest, stored: FileDigest) {
        path = "\(name.folder.rawValue)/\(name.storedLeaf(encryption))"
        self.encryption = encryption
        self.plain = plain
        self.stored = stored
    }

    /// The checked name, or nil when the path is none that this module would have written.
    package var name: BackupFileName? {
        switch encryption {
        case .none: BackupFileName(path)
        case .age: path.hasSuffix(".age") ? BackupFileName(String(path.dropLast(4))) : nil
        }
    }
}

/// One etcd snapshot of the set.
package struct StoredSnapshot: Sendable, Hashable, Codable {
    package var host: HostName
    /// etcd's id of the member, hexadecimal.
    package var member: String
    package var file: StoredFile
    package var facts: SnapshotFacts

    package init(host: HostName, member: String, file: StoredFile, facts: SnapshotFacts) {
        self.host = host
        self.member = member
        self.file = file
        self.facts = facts
    }
}

/// One archive of files.
package struct StoredArchive: Sendable, Hashable, Codable {
    package enum Kind: String, Sendable, Hashable, Codable { case master, worker, loadBalancer, etcd, cluster }

    /// Nil for archives of objects that belong to no host.
    package var host: HostName?
    package var kind: Kind
    package var file: StoredFile
    package var entries: [ArchiveEntry]
    package var checks: [SourceCheck]

    package init(host: HostName?, kind: Kind, file: StoredFile, entries: [ArchiveEntry], checks: [SourceCheck] = []) {
        self.host = host
        self.kind = kind
        self.file = file
        self.entries = entries
        self.checks = checks
    }
}

/// One entry of a tar archive.
package struct ArchiveEntry: Sendable, Hashable, Codable {
    package enum Kind: String, Sendable, Hashable, Codable { case file, directory, symlink, hardlink, other }

    package var path: String
    package var type: Kind
    /// Permission bits.
    package var mode: UInt32
    package var uid: UInt64
    package var gid: UInt64
    package var bytes: Int64
    /// Of the content of a file.
    package var sha256: String?
    /// Where a link leads.
    package var target: String?

    package init(
        path: String,
        type: Kind,
        mode: UInt32,
        uid: UInt64,
        gid: UInt64,
        bytes: Int64,
        sha256: String? = nil,
        target: String? = nil
    ) {
        self.path = path
        self.type = type
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.bytes = bytes
        self.sha256 = sha256
        self.target = target
    }
}

/// What the host's own checker (`haproxy -c`, `keepalived -t`, `nginx -t`) said of the archived files.
package struct SourceCheck: Sendable, Hashable, Codable {
    package enum Verdict: String, Sendable, Hashable, Codable { case ok, failed, notRun }

    package var program: String
    package var command: String
    package var verdict: Verdict
    package var output: String

    package init(program: String, command: String, verdict: Verdict, output: String) {
        self.program = program
        self.command = command
        self.verdict = verdict
        self.output = output
    }
}
