package import ClusterModel
package import class EtcdSnapshot.SnapshotFile
import SystemPackage

/// A snapshot of a published set, open as plain text for reading.
package struct OpenSnapshot: Sendable {
    package let manifest: Manifest
    package let snapshot: StoredSnapshot
    /// Of an encrypted set a decrypted copy without a name: it ends with the process, whatever ends that.
    package let file: SnapshotFile
}

/// How a snapshot of a set is to be opened.
package struct SnapshotAccess: Sendable {
    /// The host whose snapshot is wanted; nil for the one that a restore would choose.
    package var host: HostName?
    /// Path of an age identity (private key) file, for encrypted sets.
    package var identity: String?
    package var tools: ToolPath
    /// A new id: names the scratch folder under `.staging`, which is removed before anything is decrypted into it.
    package var scratch: BackupID
    /// Limit for the decryption.
    package var deadline: Duration
    package var time: any TimeSource

    package init(
        host: HostName? = nil,
        identity: String? = nil,
        tools: ToolPath = .standard,
        scratch: BackupID,
        deadline: Duration = .seconds(3600),
        time: any TimeSource
    ) {
        self.host = host
        self.identity = identity
        self.tools = tools
        self.scratch = scratch
        self.deadline = deadline
        self.time = time
    }
}

extension BackupStore {
    /// Opens one snapshot of a published set and changes nothing in the set; its content is not yet verified.
    ///
    /// Errors: `notFound`, `integrity` when the manifest cannot be relied on, `noSuchSnapshot`, `identityNeeded`, and what goes
    /// wrong with decryption.
    package func openSnapshot(of id: BackupID, _ access: SnapshotAccess) async throws(BackupError) -> OpenSnapshot {
        let directory = try published(id)
        let (manifest, _) = try SetReader(directory, id: id, cluster: cluster).manifest()
        let chosen = access.host.map { host in manifest.snapshots.first { $0.host == host } } ?? manifest.bestSnapshot
        guard let chosen, let name = chosen.file.name else {
            let hosts = manifest.snapshots.map(\.host.text).joined(separator: ", ")
            throw .noSuchSnapshot(id.text, of: access.host?.text, hosts: hosts)
        }
        let folder = try directory.subdirectory(name.folder.rawValue)
        let stored = try folder.openFile(name.storedLeaf(chosen.file.encryption))
        guard chosen.file.encryption == .age else {
            return OpenSnapshot(manifest: manifest, snapshot: chosen, file: try adopt(stored, name))
        }
        defer { try? stored.close() }
        guard let identity = access.identity else { throw .identityNeeded(id.text) }
        try Directory.requirePrivateKey(at: identity)
        let plain = try namelessFile(access.scratch, bytes: chosen.file.plain.bytes)
        do throws(BackupError) {
            try await decrypt(stored, to: plain, chosen.file, of: id, identity, access)
        } catch {
            try? plain.close()
            throw error
        }
        return OpenSnapshot(manifest: manifest, snapshot: chosen, file: try adopt(plain, name))
    }

    /// A file in our folder whose name is already gone: no crash and no signal leaves plain text behind.
    private func namelessFile(_ scratch: BackupID, bytes: Int64) throws(BackupError) -> FileDescriptor {
        let needed = bytes + (64 << 20)
        let free = try folder.freeBytes()
        guard free >= needed else { throw .noSpace(path: folder.path, needed: needed, free: free) }
        let staged = try beginStaging(scratch)
        do throws(BackupError) {
            let file = try staged.directory.createFile("snapshot")
            try staged.discard()
            return file
        } catch {
            try? staged.discard()
            throw error
        }
    }

    private func decrypt(
        _ stored: FileDescriptor,
        to plain: FileDescriptor,
        _ file: StoredFile,
        of id: BackupID,
        _ identity: String,
        _ access: SnapshotAccess
    ) async throws(BackupError) {
        guard let age = access.tools.find("age") else {
            throw .toolMissing("the program age is not installed", next: "apt-get install age")
        }
        let child = ChildProcess(program: age, arguments: ["-d", "-i", identity], deadline: access.deadline)
        let result = try await child.run(from: stored, to: plain, time: access.time)
        guard result.exitCode == 0 else {
            if result.errors.contains("no identity matched") {
                throw .toolFailed("age", why: "the key \(identity) opens none of the recipients of \(file.path)")
            }
            let finding = Finding(level: 2, path: file.path, what: "does not decrypt: \(result.complaint)")
            throw .integrity(id.text, [finding])
        }
    }

    private func adopt(_ file: FileDescriptor, _ name: BackupFileName) throws(BackupError) -> SnapshotFile {
        do {
            return try SnapshotFile(adopting: file.rawValue)
        } catch {
            throw .toolFailed(name.description, why: error.reason)
        }
    }
}
