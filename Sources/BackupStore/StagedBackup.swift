package import ClusterModel
import Synchronization

/// A backup set in the making: its files are written, checked, sealed, and then published all at once or never.
///
/// Holds the lock of its directory while it lives. Nothing is removed by itself: `discard` after an error, or
/// `BackupStore.cleanStaging` a day later.
package final class StagedBackup: Sendable {
    package let id: BackupID
    let store: BackupStore
    let staging: Directory
    let directory: Directory
    private let files = Mutex<[BackupFileName: State]>([:])

    enum State: Sendable {
        case plain(FileDigest)
        case sealed(StoredFile)
    }

    init(_ id: BackupID, store: BackupStore, staging: Directory, directory: Directory) {
        self.id = id
        self.store = store
        self.staging = staging
        self.directory = directory
    }

    /// Opens a new file of the set for writing.
    package func create(_ name: BackupFileName) throws(BackupError) -> StagedFile {
        let folder = try directory.makeSubdirectory(name.folder.rawValue, exclusive: false)
        return try StagedFile(name, in: folder, hook: store.hook) { [weak self] digest in
            self?.files.withLock { $0[name] = .plain(digest) }
        }
    }

    /// Where a finished, not yet encrypted file lies; for checks that need a path.
    package func path(of name: BackupFileName) -> String { "\(directory.path)/\(name)" }

    /// Verifies a finished snapshot (level 2) before it is encrypted; the file must be at or after `minimumRevision`.
    package func check(
        snapshot name: BackupFileName,
        with checker: any SnapshotChecking,
        minimumRevision: Int64 = 0
    ) throws(BackupError) -> SnapshotFacts {
        _ = try plain(name)
        func fault(_ what: String) -> BackupError {
            .integrity(id.text, [Finding(level: 2, path: name.description, what: what)])
        }
        let facts: SnapshotFacts
        do throws(SnapshotFault) {
            facts = try checker.check(path: path(of: name))
        } catch {
            throw fault(error.description)
        }
        guard facts.revision >= minimumRevision else {
            throw fault("is of revision \(facts.revision), the cluster was at \(minimumRevision) before the snapshot")
        }
        guard facts.totalKeys > 0 else { throw fault("has no keys") }
        return facts
    }

    /// The entries of a finished archive, read from its bytes.
    package func entries(of name: BackupFileName) throws(BackupError) -> [ArchiveEntry] {
        _ = try plain(name)
        let folder = try directory.subdirectory(name.folder.rawValue)
        return try TarListing.entries(of: name.leaf, in: folder)
    }

    /// Ends the work on a file: encrypts it and removes the plain one, or, without encryption, leaves it as it is.
    package func seal(
        _ name: BackupFileName,
        with encryption: AgeEncryption?,
        time: any TimeSource
    ) async throws(BackupError) -> StoredFile {
        let digest = try plain(name)
        let folder = try directory.subdirectory(name.folder.rawValue)
        let stored: StoredFile
        if let encryption {
            let sealed = try await encryption.seal(name, digest, in: folder, hook: store.hook, time: time)
            stored = StoredFile(name, encryption: .age, plain: digest, stored: sealed)
        } else {
            stored = StoredFile(name, encryption: .none, plain: digest, stored: digest)
        }
        files.withLock { $0[name] = .sealed(stored) }
        return stored
    }

    /// Takes over a file that an earlier process sealed and this one has read again.
    func adopt(_ file: StoredFile, as name: BackupFileName) { files.withLock { $0[name] = .sealed(file) } }

    /// Forgets a file, finished or not, so that it can be made again.
    package func remove(_ name: BackupFileName) throws(BackupError) {
        files.withLock { $0[name] = nil }
        guard try directory.attributes(of: name.folder.rawValue) != nil else { return }
        let folder = try directory.subdirectory(name.folder.rawValue)
        for leaf in try folder.names() where leaf == name.leaf || leaf.hasPrefix(name.leaf + ".") {
            try folder.removeFile(leaf)
        }
    }

    /// Removes everything of this set; published sets are untouched.
    package func discard() throws(BackupError) { try staging.removeTree(id.text) }

    /// Every file that was begun is sealed; nil when one is not.
    var sealedFiles: [StoredFile]? {
        let all = files.withLock { Array($0.values) }
        var sealed: [StoredFile] = []
        for state in all {
            guard case .sealed(let file) = state else { return nil }
            sealed.append(file)
        }
        return sealed.sorted { $0.path < $1.path }
    }

    private func plain(_ name: BackupFileName) throws(BackupError) -> FileDigest {
        guard case .plain(let digest) = files.withLock({ $0[name] }) else {
            throw .unpublishable(name.description, why: "this file is not finished, or is sealed already")
        }
        return digest
    }
}
