import BackupStore
import ClusterModel
import ClusterSteps
import RunEngine

/// The controller's backups of one cluster, as planning may see them: nothing here changes anything.
struct LocalBackups: BackupOutlook {
    /// The existing folder of runs, locks and backups.
    let state: String
    let cluster: Cluster
    let time: any TimeSource

    var root: String { state + "/backups" }
    var location: String { "\(root)/\(cluster.id)" }

    func obstacle(databaseBytes: [Int64]) async -> OperatorMessage? {
        do {
            _ = try await AgeEncryption.required(by: cluster.backup, tools: .standard, time: time)
            if let store = try existing() {
                try store.requireSpace(databaseBytes: databaseBytes)
            } else {
                try BackupStore.requireSpace(databaseBytes: databaseBytes, under: state)
            }
            return nil
        } catch {
            return error.message
        }
    }

    func retention() throws -> RetentionDecision {
        guard let store = try existing() else { return .nothing }
        return try store.planRetention(
            policy: cluster.backup.retention,
            interval: cluster.backup.interval,
            now: time.now,
            occasion: .asked
        )
    }

    /// The store, or nil when no backup was ever made.
    func existing() throws(BackupError) -> BackupStore? {
        do { return try BackupStore(root: root, cluster: cluster.id, create: false) } catch .notFound { return nil }
    }
}

extension LocalBackups: RestoreOutlook {
    func backup(_ id: String) throws -> (manifest: Manifest, level: Int) {
        guard let known = BackupID(id) else {
            throw OperatorMessage(.usage, "'\(id)' is no backup id", next: "rollbook backups list")
        }
        guard let store = try existing() else {
            throw OperatorMessage(.usage, at: location, "there are no backups of this cluster here")
        }
        return (try store.manifest(of: known).manifest, try store.summary(of: known).level)
    }

    func age(of moment: UTCMoment) -> Duration { .seconds(max(0, time.now.seconds - moment.seconds)) }
}

/// The kept backups, read once, as what they say of the databases' growth.
struct KeptDatabases: DatabaseHistory {
    private let sets: [BackupSummary]
    private let now: UTCMoment

    /// Nil when there is no backup here, or this user may not read them.
    init?(_ backups: LocalBackups) {
        guard let sets = try? backups.existing()?.catalogue().sets, !sets.isEmpty else { return nil }
        self.init(sets, now: backups.time.now)
    }

    init(_ sets: [BackupSummary], now: UTCMoment) { (self.sets, self.now) = (sets, now) }

    func trend(of host: HostName) -> DatabaseTrend? { DatabaseTrend(of: host, in: sets, now: now) }
}

extension Surroundings {
    /// Where etcd's tools are looked for: a controller may keep them in a folder of its own and name it in PATH.
    var etcdTools: ToolPath {
        let path = (environment["PATH"] ?? "").split(separator: ":").map(String.init).filter { $0.hasPrefix("/") }
        return ToolPath(path + ToolPath.standard.directories)
    }
}
