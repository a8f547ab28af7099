import ArgumentParser
import BackupStore
import ClusterModel
import struct EtcdSnapshot.SnapshotContents
import class EtcdSnapshot.SnapshotFile
import struct EtcdSnapshot.SnapshotProblem
import struct EtcdSnapshot.SnapshotReport
import struct EtcdSnapshot.SnapshotVerifier
import FoundationEssentials

/// Options of the commands that look into snapshots.
struct SnapshotOptions: ParsableArguments {
    @Option(help: "Host whose snapshot of the backup is meant (else the one that a restore would choose).")
    var member: String?

    @Option(help: "age identity file, for encrypted backups.")
    var identity: String?

    @Option(help: "Where kube-apiserver keeps its objects in etcd: its --etcd-prefix.")
    var prefix: String = "/registry"

    @Flag(help: "Also take a bare database, a copy of member/snap/db: nothing proves that it is intact.")
    var noTrailer = false

    /// The prefix as keys begin with it: with a slash at its end.
    var keyPrefix: String { prefix.hasSuffix("/") ? prefix : prefix + "/" }
}

/// A snapshot of a backup, or any snapshot file, that passed every check and can be looked into.
struct VerifiedSnapshot {
    /// `<backup id>/etcd/<host>.db`, or the file as it was named.
    let label: String
    let report: SnapshotReport
    let contents: SnapshotContents
    /// What the backup says of it; nil for a mere file.
    let recorded: (manifest: Manifest, snapshot: StoredSnapshot)?
    let verificationTook: Duration

    /// Opens and verifies what `text` names: a backup id, a file, or with nil the newest backup.
    static func open(
        _ text: String?,
        _ options: SnapshotOptions,
        _ cluster: ClusterOptions
    ) async throws -> VerifiedSnapshot {
        let surroundings = try Surroundings.current()
        if let text, BackupID(text) == nil {
            let file = try open(file: text, surroundings.absolute(text))
            return try VerifiedSnapshot(text, file, nil, options, surroundings.time)
        }
        let backups = try Backups(cluster)
        let store = try backups.store()
        let id = try backups.identify(text, in: store)
        let opened = try await store.openSnapshot(
            of: id,
            SnapshotAccess(
                host: try options.member.map { try host($0) },
                identity: options.identity.map { surroundings.absolute($0) },
                scratch: BackupID(moment: surroundings.time.now, random: .random(in: .min ... .max)),
                time: surroundings.time
            )
        )
        return try VerifiedSnapshot(
            "\(id)/etcd/\(opened.snapshot.host).db",
            opened.file,
            (opened.manifest, opened.snapshot),
            options,
            surroundings.time
        )
    }

    private init(
        _ label: String,
        _ file: SnapshotFile,
        _ recorded: (manifest: Manifest, snapshot: StoredSnapshot)?,
        _ options: SnapshotOptions,
        _ time: any TimeSource
    ) throws {
        self.label = label
        self.recorded = recorded
        let began = time.uptime
        let verifier = SnapshotVerifier(registryPrefix: options.keyPrefix, acceptsMissingTrailer: options.noTrailer)
        do throws(SnapshotProblem) {
            report = try verifier.verify(file)
            contents = try SnapshotContents(of: file, verifiedAs: report)
        } catch {
            throw error.message(at: label, next: recorded.map { "rollbook backups verify \($0.manifest.id)" })
        }
        verificationTook = time.uptime - began
        guard let recorded, recorded.snapshot.file.plain.sha256 != report.fileSHA256 else { return }
        throw OperatorMessage(
            .integrity,
            at: label,
            "it is a sound snapshot, but not the one that the backup's manifest names",
            state: "It was not looked into",
            next: "rollbook backups verify \(recorded.manifest.id)"
        )
    }

    private static func host(_ text: String) throws -> HostName {
        guard let host = HostName(text) else {
            throw OperatorMessage(.usage, at: "--member \(text)", "is no host name")
        }
        return host
    }

    private static func open(file text: String, _ path: String) throws -> SnapshotFile {
        guard FileManager.default.fileExists(atPath: path) else {
            throw OperatorMessage(
                .usage,
                at: text,
                "is neither a backup id nor a file",
                next: "rollbook backups list"
            )
        }
        do {
            return try SnapshotFile(path: path)
        } catch {
            throw OperatorMessage(.storage, at: text, "cannot be read: \(error.reason)")
        }
    }
}

extension SnapshotProblem {
    /// The problem in the operator's words; what only the reading met does not condemn the file.
    func message(at label: String, next: String?) -> OperatorMessage {
        switch fault {
        case .cancelled: OperatorMessage(.interrupted, at: label, description)
        case .unreadable: OperatorMessage(.storage, at: label, description)
        case .changedWhileRead: OperatorMessage(.refused, at: label, description)
        case .noTrailer:
            OperatorMessage(.integrity, at: label, description, next: "to look all the same: add --no-trailer")
        default: OperatorMessage(.integrity, at: label, description, state: "It was not looked into", next: next)
        }
    }
}
