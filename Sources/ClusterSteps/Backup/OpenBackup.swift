package import BackupStore
package import ClusterModel
package import Journal
package import RunEngine

/// `backup.open`: begins a set on the controller, when everything it needs is there.
///
/// Refuses before the first snapshot what would fail after it: no space, encryption that cannot be done.
package struct OpenBackup: Step {
    package static let signature = KindSignature(
        kind: "backup.open",
        summary: "Begin a backup set on the controller",
        parameters: []
    )
    package static let stepClass = StepClass.idempotent

    package init() {}

    package struct Output: Codable, Sendable {
        package let started: UTCMoment
        /// What etcd said just before the first snapshot.
        package let etcd: EtcdState
        /// What is not whole although etcd works.
        package let degradations: [String]
        package let identity: ClusterIdentity
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        target.cluster.etcdHosts.map { FactRequest(EtcdStatus(pki: target.cluster.paths.pki), on: $0.name) }
            + target.cluster.hosts(in: .master).map {
                FactRequest(CertificateAuthority(pki: target.cluster.paths.pki), on: $0.name)
            }
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let health = await EtcdHealth.read(facts)
        let sizes = health.healthy.map { Int64(clamping: $0.status.databaseBytes) }
        let outlook = try facts.view((any BackupOutlook).self)
        let snapshots = facts.cluster.backup.snapshotFrom == .one ? Array(sizes.prefix(1)) : sizes
        if let obstacle = await outlook.obstacle(databaseBytes: snapshots) { return .blocked(obstacle) }
        let policy = facts.cluster.backup
        let encryption =
            policy.encryption == .none || policy.recipients.isEmpty
            ? "not encrypted" : "encrypted to \(policy.recipients.count) age recipients"
        return .change([PlannedChange("new set in \(outlook.location), \(encryption)")])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let cluster = context.target.cluster
        let workspace = try context.service(BackupWorkspace.self)
        _ = try workspace.store.cleanStaging(now: context.time.now)
        _ = try await AgeEncryption.required(by: cluster.backup, tools: workspace.tools, time: context.time)
        let health = await EtcdHealth.read(context.facts)
        try workspace.store.requireSpace(
            databaseBytes: health.healthy.map { Int64(clamping: $0.status.databaseBytes) }
        )
        _ = try await context.stagedBackup()
        return Output(
            started: context.time.now,
            etcd: health.recorded,
            degradations: health.degradations,
            identity: ClusterIdentity(caFingerprint: await caFingerprint(context))
        )
    }

    /// An open set is found again by itself, so opening once more is harmless.
    package func probe(_ context: StepContext) async throws -> Probe {
        .notDone(detail: "opening a set again changes nothing")
    }

    private func caFingerprint(_ context: StepContext) async -> String? {
        for host in context.target.cluster.hosts(in: .master) {
            let fact = CertificateAuthority(pki: context.target.cluster.paths.pki)
            if let found = try? await context.facts.read(fact, on: host.name), let print = found.fingerprint {
                return print
            }
        }
        return nil
    }
}

extension EtcdHealth {
    /// The part that a manifest keeps.
    fileprivate var recorded: EtcdState {
        let leader = healthy.first { $0.status.isLeader }?.status.name ?? ""
        return EtcdState(
            clusterID: String(healthy.first?.status.clusterID ?? 0, radix: 16),
            version: healthy.first?.status.version ?? "",
            leader: leader,
            revisionAtGate: highestRevision,
            members: members.map {
                EtcdMember(
                    id: $0.hexID,
                    name: $0.name,
                    peerURLs: $0.peerURLs,
                    clientURLs: $0.clientURLs,
                    isLearner: $0.isLearner
                )
            }
        )
    }
}
