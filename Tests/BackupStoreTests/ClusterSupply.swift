@testable import BackupStore
import ClusterModel

/// Ready values of a small cluster, and a whole backup in one call.
enum ClusterSupply {
    /// A constant of the tests that is known to be valid.
    static func known<Value>(_ value: Value?) -> Value {
        guard let value else { preconditionFailure("a constant of the tests is not valid") }
        return value
    }

    static let start = UTCMoment(seconds: 1_795_000_000)
    static let run = RunID(moment: start, random: 0x9f3a_12c4)
    static let master1 = known(HostName("master1"))
    static let balancer = known(HostName("lb1"))

    static func id(_ number: UInt32 = 1, hoursLater: Int64 = 0) -> BackupID {
        BackupID(moment: UTCMoment(seconds: start.seconds + hoursLater * 3600), random: number)
    }

    static let etcd = EtcdState(
        clusterID: "cdf818194e3a8c32",
        version: "3.4.23",
        leader: "8e9e05c52164694d",
        revisionAtGate: 7,
        members: [
            EtcdMember(
                id: "8e9e05c52164694d",
                name: "master1",
                peerURLs: ["https://10.0.0.11:2380"],
                clientURLs: ["https://10.0.0.11:2379"]
            )
        ],
        keyspaceHash: KeyspaceHash(revision: 7, hash: 3_628_877_040, compactRevision: -1, members: ["8e9e05c52164694d"])
    )

    static func manifest(
        _ id: BackupID,
        policy: BackupPolicy = BackupPolicy(),
        snapshots: [StoredSnapshot] = [],
        archives: [StoredArchive] = [],
        recipients: [String] = [],
        result: BackupResult = .complete
    ) -> Manifest {
        Manifest(
            id: id,
            cluster: Sandbox.cluster,
            topology: .stacked,
            started: start,
            published: start,
            run: run,
            program: "rollbook 0.1.0",
            controller: "ops1",
            policy: TakenPolicy(policy),
            result: result,
            etcd: etcd,
            snapshots: snapshots,
            archives: archives,
            recipients: recipients,
            verification: VerificationMark(level: 2, at: start),
            identity: ClusterIdentity(
                caFingerprint: String(repeating: "ab", count: 32),
                kubeSystemUID: "0b2ff0b4-60f9-4c5d-b6a4-0f8f6f3f2e11"
            )
        )
    }

    /// Writes bytes into a staged file in uneven pieces.
    @discardableResult
    static func write(_ bytes: [UInt8], as name: BackupFileName, to staged: StagedBackup) throws -> FileDigest {
        let file = try staged.create(name)
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = Array(rest.prefix(1999))
            try append(piece, to: file)
            rest = rest.dropFirst(1999)
        }
        return try file.finish(expecting: FileDigest(of: bytes))
    }

    static func append(_ bytes: [UInt8], to file: StagedFile) throws {
        try unsafe file.append(bytes.span.bytes)
    }

    /// Takes and publishes a set with one snapshot.
    @discardableResult
    static func publish(
        _ id: BackupID,
        in store: BackupStore,
        snapshot: [UInt8] = TrailerChecker.snapshot(pages: 4, seed: 1),
        checker: TrailerChecker = TrailerChecker(),
        result: BackupResult = .complete
    ) async throws -> PublishedBackup {
        let staged = try store.beginStaging(id)
        let name = BackupFileName.snapshot(of: master1)
        try write(snapshot, as: name, to: staged)
        let facts = try staged.check(snapshot: name, with: checker)
        let file = try await staged.seal(name, with: nil, time: TestTime())
        let stored = StoredSnapshot(host: master1, member: "8e9e05c52164694d", file: file, facts: facts)
        return try staged.publish(manifest(id, snapshots: [stored], result: result))
    }
}

extension BackupStore {
    /// A verification with the test's checker and clock.
    func verify(
        _ id: BackupID,
        level: Int,
        checker: TrailerChecker = TrailerChecker()
    ) async throws(BackupError)
        -> VerificationReport
    {
        try await verify(
            id,
            VerificationRequest(level: level, checker: checker, scratch: ClusterSupply.id(0xffff), time: TestTime())
        )
    }
}
