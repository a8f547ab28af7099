package import BackupStore
package import ClusterModel

/// What a restore may know of a backup before anything is done; read-only.
package protocol RestoreOutlook: Sendable {
    /// The manifest of a set, and the highest level at which it was verified.
    ///
    /// - Throws: when there is no such set, or it cannot be relied on.
    func backup(_ id: String) throws -> (manifest: Manifest, level: Int)
    /// The age of something that began then.
    func age(of moment: UTCMoment) -> Duration
}

/// What a restore does with a backup on the controller.
package protocol RestoreSource: Sendable {
    /// The manifest of a set that is of this cluster, as far as both sides are known; `ca` is the CA's fingerprint.
    func manifest(of id: BackupID, ca: String?) throws -> Manifest
    /// Restores the set in a scratch etcd: level 3.
    func prove(_ id: BackupID, identity: String?, _ time: any TimeSource) async throws -> VerificationReport
    /// Makes the data directory of a member from the set's best snapshot.
    func memberData(
        of id: BackupID,
        as member: RestoredMember,
        identity: String?,
        _ time: any TimeSource
    ) async throws -> PackedMember
}

/// The controller's side of a restore: the store and the programs that make data directories.
package struct RestoreWorkspace: RestoreSource {
    package let store: BackupStore
    package let tools: ToolPath
    package let checker: any SnapshotChecking
    /// A new id each time, for scratch folders.
    package let newID: @Sendable () -> BackupID

    package init(
        store: BackupStore,
        tools: ToolPath,
        checker: any SnapshotChecking,
        newID: @escaping @Sendable () -> BackupID
    ) {
        self.store = store
        self.tools = tools
        self.checker = checker
        self.newID = newID
    }

    package func manifest(of id: BackupID, ca: String?) throws -> Manifest {
        let manifest = try store.manifest(of: id).manifest
        try store.requireIdentity(manifest, target: store.cluster, ClusterIdentity(caFingerprint: ca))
        return manifest
    }

    package func prove(
        _ id: BackupID,
        identity: String?,
        _ time: any TimeSource
    ) async throws -> VerificationReport {
        try await store.verify(id, request(level: 3, identity: identity, time))
    }

    package func memberData(
        of id: BackupID,
        as member: RestoredMember,
        identity: String?,
        _ time: any TimeSource
    ) async throws -> PackedMember {
        try await store.restoredData(of: id, as: member, request(level: 3, identity: identity, time))
    }

    private func request(level: Int, identity: String?, _ time: any TimeSource) -> VerificationRequest {
        VerificationRequest(
            level: level,
            identity: identity,
            checker: checker,
            tools: tools,
            scratch: newID(),
            deadline: .seconds(1800),
            time: time
        )
    }
}

extension BackupID {
    /// The id that a runbook's input names.
    static func input(_ text: String) throws(OperatorMessage) -> BackupID {
        if let id = BackupID(text) { return id }
        throw OperatorMessage(.usage, "'\(text)' is no backup id", next: "rollbook backups list")
    }
}
