package import BackupStore
import ClusterModel
package import Journal
package import RunEngine

/// `backup.publish`: gives the finished set its manifest and its name, all at once or not at all.
///
/// Nothing before this step may be called a backup. A set without any snapshot is not published.
package struct PublishBackup: Step {
    package static let signature = KindSignature(
        kind: "backup.publish",
        summary: "Publish the set: manifest, sync, one rename",
        parameters: []
    )
    package static let stepClass = StepClass.idempotent

    package init() {}

    package struct Output: Codable, Sendable {
        package let id: BackupID
        package let path: String
        package let manifestSHA256: String
        package let result: BackupResult
        package let bytes: Int64
        package let revision: Int64?
        package let snapshotBytes: Int64?
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let outlook = try facts.view((any BackupOutlook).self)
        return .change([PlannedChange("publish the set under \(outlook.location)")])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let staged = try await context.stagedBackup()
        let manifest = try manifest(for: staged, context)
        guard !manifest.snapshots.isEmpty else {
            throw OperatorMessage(
                .stepFailed,
                "no snapshot of etcd was taken",
                state: "Nothing was published; earlier backups are untouched",
                next: "see why: rollbook show \(context.run)"
            )
        }
        return Output(try staged.publish(manifest))
    }

    private func manifest(for staged: StagedBackup, _ context: StepContext) throws -> Manifest {
        guard let opened = try context.outputs(of: OpenBackup.self).first?.output else {
            throw StepFault("backup.publish needs a stage with backup.open before it")
        }
        let snapshots = try context.outputs(of: SaveEtcdSnapshot.self)
        let archives = try context.outputs(of: CollectFiles.self)
        let objects = try context.outputs(of: CollectResources.self).map(\.output)
        let comparison = try context.results(of: CompareKeyspace.signature.kind)
        var missing = try context.results(of: SaveEtcdSnapshot.signature.kind, CollectFiles.signature.kind)
            .filter { !$0.succeeded }
            .map { MissingItem(host: $0.host, what: $0.kind, why: $0.message ?? "it failed") }
        missing += archives.flatMap { host, output in
            output.missing.map { MissingItem(host: host, what: $0, why: "no such file") }
        }
        // Only what a cluster is restored from makes a set partial: of objects it is told what is missing.
        let untold =
            try context.results(of: CollectResources.signature.kind).filter { !$0.succeeded }
            .map { MissingItem(host: $0.host, what: $0.kind, why: $0.message ?? "it failed") }
            + objects.flatMap { output in
                output.missing.map { MissingItem(host: output.master, what: $0.name, why: $0.why) }
            }
        let compared = try context.outputs(of: CompareKeyspace.self).first?.output
        var degradations = opened.degradations + comparison.filter { !$0.succeeded }.compactMap(\.message)
        // A member that was down before is told of already.
        degradations += (compared?.unreached ?? [])
            .filter { host in !opened.degradations.contains { $0.hasPrefix("\(host): ") } }
            .map { "\($0): its keyspace was not compared, for it could not be reached" }
        let workspace = try context.service(BackupWorkspace.self)
        var identity = opened.identity
        identity.kubeSystemUID = snapshots.lazy.compactMap(\.output.facts.kubeSystemUID).first
        var etcd = opened.etcd
        etcd.keyspaceHash = compared?.hash
        let cluster = context.target.cluster
        // A member whose degradation is told already has not lost its snapshot for another reason.
        let lost = missing.filter { item in
            item.what != SaveEtcdSnapshot.signature.kind || !degradations.contains { $0.hasPrefix("\(item.host): ") }
        }.map { "\($0.host): \($0.what): \($0.why)" }
        let result: BackupResult =
            !degradations.isEmpty
            ? BackupResult(.degraded, reasons: degradations + lost)
            : lost.isEmpty ? .complete : BackupResult(.partial, reasons: lost)
        return Manifest(
            id: staged.id,
            cluster: cluster.id,
            topology: cluster.topology,
            started: opened.started,
            published: context.time.now,
            run: context.run,
            program: context.plan.program,
            controller: workspace.controller,
            policy: TakenPolicy(cluster.backup),
            result: result,
            missing: missing + untold,
            etcd: etcd,
            snapshots: snapshots.map {
                StoredSnapshot(host: $0.host, member: $0.output.member, file: $0.output.file, facts: $0.output.facts)
            },
            archives: archives.map(\.output.archive) + objects.map(\.archive),
            recipients: snapshots.contains { $0.output.file.encryption == .age } ? cluster.backup.recipients : [],
            verification: VerificationMark(level: 2, at: context.time.now),
            identity: identity
        )
    }

    /// A set that got its name before the journal could say so is adopted (fault B09).
    package func probe(_ context: StepContext) async throws -> Probe {
        let workspace = try context.service(BackupWorkspace.self)
        switch try workspace.store.recover(try BackupID(context.run)) {
        case .adopted(let published), .finished(let published):
            return .done(
                output: try JSONValue(encoding: Output(published)),
                detail: "the set is published and verifies"
            )
        case .incomplete, .absent:
            return .notDone(detail: "the set has no name yet")
        }
    }
}

extension PublishBackup.Output {
    init(_ published: PublishedBackup) {
        let best = published.manifest.bestSnapshot
        self.init(
            id: published.id,
            path: published.path,
            manifestSHA256: published.manifestSHA256,
            result: published.manifest.result,
            bytes: published.bytes,
            revision: best?.facts.revision,
            snapshotBytes: best?.file.plain.bytes
        )
    }
}
