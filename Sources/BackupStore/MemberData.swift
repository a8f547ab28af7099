import ClusterModel
import Synchronization
import SystemPackage

/// What one member of a restored cluster is to be.
package struct RestoredMember: Sendable, Hashable {
    package let name: String
    package let peerURL: String
    /// All members as `--initial-cluster` wants them; the same for each.
    package let initialCluster: String
    /// New for every restore, so that no member of before can join.
    package let token: String

    package init(name: String, peerURL: String, initialCluster: String, token: String) {
        self.name = name
        self.peerURL = peerURL
        self.initialCluster = initialCluster
        self.token = token
    }
}

/// The data directory of a restored member, packed; its scratch folder lives until `discard`.
package struct PackedMember: Sendable {
    /// A gzip-compressed tar with the folder `member`.
    package let archive: String
    package let packed: FileDigest
    /// Of `member/snap/db` in it.
    package let database: FileDigest
    private let removal: @Sendable () throws(BackupError) -> Void

    /// `removal` takes the scratch folder away.
    package init(
        archive: String,
        packed: FileDigest,
        database: FileDigest,
        removal: @escaping @Sendable () throws(BackupError) -> Void
    ) {
        self.archive = archive
        self.packed = packed
        self.database = database
        self.removal = removal
    }

    package func discard() throws(BackupError) { try removal() }

    /// The archive's bytes from its beginning.
    package func reader() throws(BackupError) -> Reader {
        do { return Reader(try FileDescriptor.open(FilePath(archive), .readOnly, options: .closeOnExec)) } catch {
            throw .toolFailed("tar", why: "\(archive) cannot be read: \(error)")
        }
    }

    /// Reads a file piece by piece; calls do not overlap.
    package final class Reader: Sendable {
        private let file: FileDescriptor
        private let offset = Mutex<Int64>(0)

        fileprivate init(_ file: FileDescriptor) { self.file = file }

        deinit { try? file.close() }

        /// At most `limit` bytes; none at the end.
        package func read(upTo limit: Int) throws -> [UInt8] {
            try offset.withLock { offset in
                let bytes = try file.readBytes(at: offset, upTo: limit)
                offset += Int64(bytes.count)
                return bytes
            }
        }
    }
}

extension BackupStore {
    /// How far beyond the snapshot's revision a restored cluster begins: more than the old one can have got since.
    ///
    /// Clients that watched then see revisions that were compacted, and list anew, where they would otherwise see time go
    /// backwards. Source: Kubernetes "Operating etcd clusters", etcd "Disaster recovery" (`--bump-revision`).
    package static let revisionBump: Int64 = 1_000_000_000

    /// Makes a member's data directory from the newest snapshot of a published set, with etcd's own tool on this machine.
    ///
    /// Here and not on the host: there is then one tool, of the server's minor version and proved on this very snapshot by
    /// the restore test, and no host needs any (a kubeadm host often has none). `version` is that of the server.
    package func restoredData(
        of id: BackupID,
        as member: RestoredMember,
        _ request: VerificationRequest
    ) async throws(BackupError) -> PackedMember {
        let directory = try published(id)
        let manifest = try SetReader(directory, id: id, cluster: cluster).manifest().0
        guard let best = manifest.bestSnapshot else { throw .notFound("a snapshot in \(id)") }
        let staged = try beginStaging(request.scratch)
        do throws(BackupError) {
            let scratch = staged.directory
            let content = ContentVerification(set: directory, scratch: scratch, request: request)
            let snapshot = try await content.plainPath(of: best.file)
            let tools = try await EtcdTools.find(
                request.tools,
                version: manifest.etcd.version,
                storageVersion: best.facts.storageVersion,
                time: request.time
            )
            try tools.requireMinor(of: manifest.etcd.version)
            let folder = try scratch.makeSubdirectory("restore", exclusive: true)
            try await run(
                tools.restorer,
                in: folder,
                request,
                [
                    "snapshot", "restore", snapshot, "--data-dir=data", "--name=\(member.name)",
                    "--initial-cluster=\(member.initialCluster)", "--initial-advertise-peer-urls=\(member.peerURL)",
                    "--initial-cluster-token=\(member.token)",
                ] + (tools.bumpsRevisions ? ["--bump-revision=\(Self.revisionBump)", "--mark-compacted"] : [])
            )
            guard let tar = request.tools.find("tar") ?? ToolPath.standard.find("tar") else {
                throw .toolMissing("the program tar is not installed", next: "apt-get install tar gzip")
            }
            try await run(
                tar,
                in: folder,
                request,
                [
                    "--create", "--file=member.tar.gz", "--use-compress-program=gzip -1", "--sparse", "--owner=0",
                    "--group=0",
                    "--directory=data", "member",
                ]
            )
            let database = try folder.subdirectory("data").subdirectory("member").subdirectory("snap").digest(of: "db")
            return PackedMember(
                archive: folder.path(of: "member.tar.gz"),
                packed: try folder.digest(of: "member.tar.gz"),
                database: database,
                removal: { () throws(BackupError) in try staged.discard() }
            )
        } catch {
            try? staged.discard()
            throw error
        }
    }

    private func run(
        _ program: String,
        in folder: Directory,
        _ request: VerificationRequest,
        _ arguments: [String]
    ) async throws(BackupError) {
        let child = ChildProcess(
            program: program,
            arguments: arguments,
            directory: folder.path,
            deadline: request.deadline
        )
        let result = try await child.run(time: request.time)
        guard result.exitCode == 0 else { throw .toolFailed(child.name, why: result.complaint) }
    }
}

extension EtcdTools {
    /// Whether a restore can begin at later revisions; since 3.4.27 and 3.5.10 (etcd 16028).
    var bumpsRevisions: Bool {
        switch (version.major, version.minor) {
        case (3, 4): version.patch >= 27
        case (3, 5): version.patch >= 10
        default: (version.major, version.minor) > (3, 5)
        }
    }

    /// A data directory must be made by the minor version that will read it.
    func requireMinor(of server: String) throws(BackupError) {
        guard let wanted = EtcdVersion(server), (wanted.major, wanted.minor) != (version.major, version.minor) else {
            return
        }
        throw .toolMissing(
            "the servers are etcd \(wanted.major).\(wanted.minor), and only tools of \(version) are here",
            next: "install etcd, etcdctl and etcdutl \(wanted.major).\(wanted.minor) in one folder of PATH"
        )
    }
}
