import ClusterModel
import ClusterSteps
import RunEngine
import TestSupport

@testable import BackupStore

/// A backup as planning a restore sees it, with one thing special about it.
struct CannedRestore: RestoreOutlook {
    enum Special: String {
        case nothing = ""
        case missing, otherCluster, encrypted, noSnapshot, degraded, older, huge
    }

    static let id = "20261120T021500Z-9f3a12c4"

    let cluster: ClusterID
    let special: Special

    init(of cluster: ClusterID, _ special: String = "") throws {
        guard let special = Special(rawValue: special) else { throw OperatorMessage(.usage, "\(special) is no case") }
        self.cluster = cluster
        self.special = special
    }

    func age(of moment: UTCMoment) -> Duration { .seconds(7 * 3600) }

    func backup(_ id: String) throws -> (manifest: Manifest, level: Int) {
        guard special != .missing, id == Self.id, let known = BackupID(id), let run = RunID(id),
            let host = HostName("master1"), let other = ClusterID("other"),
            let started = UTCMoment("2026-11-20T02:15:00.000Z"),
            let plain = FileDigest(
                bytes: special == .huge ? 60 << 30 : 1_294_336,
                sha256: String(repeating: "5a", count: 32)
            )
        else { throw OperatorMessage(.usage, at: id, "there is no such backup", next: "rollbook backups list") }
        let facts = SnapshotFacts(
            revision: special == .older ? 700 : 990,
            totalKeys: 812,
            liveKeys: 412,
            hash: 42,
            pageSize: 4096
        )
        let file = StoredFile(
            .snapshot(of: host),
            encryption: special == .encrypted ? .age : .none,
            plain: plain,
            stored: plain
        )
        let manifest = Manifest(
            id: known,
            cluster: special == .otherCluster ? other : cluster,
            topology: .stacked,
            started: started,
            published: started,
            run: run,
            program: "rollbook 0.1.0",
            controller: "ops",
            policy: TakenPolicy(BackupPolicy()),
            result: special == .degraded
                ? BackupResult(.degraded, reasons: ["master3 did not answer"]) : .complete,
            etcd: EtcdState(
                clusterID: "fedf4c5d1b2a3948",
                version: "3.5.16",
                leader: "244fae6a94d3b9a0",
                revisionAtGate: facts.revision,
                members: []
            ),
            snapshots: special == .noSnapshot
                ? [] : [StoredSnapshot(host: host, member: "244fae6a94d3b9a0", file: file, facts: facts)],
            verification: VerificationMark(level: 2, at: started)
        )
        return (manifest, 2)
    }
}

/// A fortnight of backups, in which every member's database grew.
struct CannedHistory: DatabaseHistory {
    func trend(of host: HostName) -> DatabaseTrend? {
        DatabaseTrend(backups: 14, span: .seconds(13 * 86_400), measure: .inUse, bytesPerDay: 12 << 20)
    }
}

/// A backup that restores, without etcd's tools: what hosts get of it they are told by `SimulatedEtcd`.
struct CannedRestoreSource: RestoreSource {
    let cluster: ClusterID

    func manifest(of id: BackupID, ca: String?) throws -> Manifest {
        try CannedRestore(of: cluster).backup(id.text).manifest
    }

    func prove(_ id: BackupID, identity: String?, _ time: any TimeSource) async throws -> VerificationReport {
        VerificationReport(id: id, reached: 3, findings: [], notes: [], restore: nil)
    }

    func memberData(
        of id: BackupID,
        as member: RestoredMember,
        identity: String?,
        _ time: any TimeSource
    ) async throws -> PackedMember {
        let digest = FileDigest(of: Array(member.name.utf8))
        return PackedMember(archive: "/dev/null", packed: digest, database: digest) { () throws(BackupError) in }
    }
}
