package import ClusterModel

/// The backup sets of one cluster on disk (Format.md).
///
/// Guarantee: everything is reached without following a symbolic link, is private to this user, and a published set is
/// never changed but by `delete`, `markBad`, `pin` and the note of a later verification.
package struct BackupStore: Sendable {
    package let cluster: ClusterID
    /// `<root>/<cluster-id>`, open.
    let folder: Directory
    let hook: CheckpointHook

    /// Opens the store under `root` (absolute, without symbolic links); makes the folders unless `create` is false.
    ///
    /// Errors: `unsafePath`, `storage`, and `notFound` when there is no store and `create` is false.
    package init(
        root: String,
        cluster: ClusterID,
        create: Bool = true,
        hook: @escaping CheckpointHook = { _ in }
    ) throws(BackupError) {
        let top = try Directory.root(at: root, create: create)
        self.cluster = cluster
        self.hook = hook
        folder =
            create
            ? try top.makeSubdirectory(cluster.text, exclusive: false) : try top.subdirectory(cluster.text)
    }

    /// `<root>/<cluster-id>`, for messages and child processes.
    package var path: String { folder.path }

    /// The folders of sets that are not published backups.
    enum Side: String, CaseIterable {
        case staging = ".staging"
        case trash = ".trash"
        case bad = "bad"
        case quarantine = "quarantine"
    }

    func side(_ side: Side) throws(BackupError) -> Directory {
        try folder.makeSubdirectory(side.rawValue, exclusive: false)
    }

    /// Refuses before anything is started when the snapshots would not fit: 2.2 × the database for one, plus 64 MiB.
    ///
    /// The plain and the encrypted copy of one snapshot exist at the same time, the others only once.
    package func requireSpace(databaseBytes: [Int64]) throws(BackupError) {
        try Self.requireSpace(databaseBytes: databaseBytes, in: folder)
    }

    /// The same before there is a store: `path` is an existing folder of ours that will hold it.
    package static func requireSpace(databaseBytes: [Int64], under path: String) throws(BackupError) {
        try requireSpace(databaseBytes: databaseBytes, in: try Directory.root(at: path, create: false))
    }

    private static func requireSpace(databaseBytes: [Int64], in folder: Directory) throws(BackupError) {
        let largest = databaseBytes.max() ?? 0
        let needed = databaseBytes.reduce(0, +) + largest + largest / 5 + 64 << 20
        let free = try folder.freeBytes()
        guard free >= needed else { throw .noSpace(path: folder.path, needed: needed, free: free) }
    }

    /// Begins a set that nobody sees until it is published; the id must be new.
    package func beginStaging(_ id: BackupID) throws(BackupError) -> StagedBackup {
        guard try folder.attributes(of: id.text) == nil else { throw .alreadyExists(folder.path(of: id.text)) }
        let staging = try side(.staging)
        let directory = try staging.makeSubdirectory(id.text, exclusive: true)
        guard try directory.lock() else { throw .busy(id.text) }
        try hook(.stagingCreated)
        return StagedBackup(id, store: self, staging: staging, directory: directory)
    }

    /// Removes what interrupted backups left: older than 24 hours by its name, ours, and held by no process.
    package func cleanStaging(now: UTCMoment) throws(BackupError) -> [BackupID] {
        let staging = try side(.staging)
        var removed: [BackupID] = []
        for name in try staging.names() {
            guard let id = BackupID(name), now.seconds - id.moment.seconds > 86400 else { continue }
            do throws(BackupError) {
                let directory = try staging.subdirectory(name)
                guard try directory.lock() else { continue }
                try staging.removeTree(name)
            } catch .unsafePath {
                continue  // not ours: somebody put it there, and somebody has to look
            }
            removed.append(id)
        }
        return removed
    }
}
