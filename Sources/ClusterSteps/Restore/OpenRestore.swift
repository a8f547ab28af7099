import BackupStore
import ClusterModel
package import Journal
package import RunEngine

/// `restore.open`: proves, before anything is stopped, that a backup can be restored and is this cluster's own.
///
/// Level 3 again, now: the snapshot is restored on the controller into a scratch etcd, with the tools that the restore itself
/// will use. Identity is compared by cluster id, CA and the UID of kube-system, as far as both sides are known.
package struct OpenRestore: Step {
    package static let signature = KindSignature(
        kind: "restore.open",
        summary: "Prove that a backup restores, and is of this cluster",
        parameters: [
            Parameter("backup", .string, required: true, "the backup's id"),
            Parameter("confirm", .string, "the cluster's id, typed by who wants this"),
            Parameter("identity", .string, "age identity file on the controller, for an encrypted backup"),
        ]
    )
    package static let stepClass = StepClass.read

    package let backup: String
    package let confirm: String?
    package let identity: String?

    /// An input that was not given is an empty text.
    private var key: String? { identity.flatMap { $0.isEmpty ? nil : $0 } }

    package struct Output: Codable, Sendable {
        package let backup: String
        package let revision: Int64
        package let keys: Int64
        /// Version of the servers when the backup was taken.
        package let etcd: String
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        target.cluster.etcdHosts.map { FactRequest(EtcdStatus(pki: target.cluster.paths.pki), on: $0.name) }
            + target.cluster.hosts(in: .master).map {
                FactRequest(CertificateAuthority(pki: target.cluster.paths.pki), on: $0.name)
            }
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let outlook = try facts.view((any RestoreOutlook).self)
        let (manifest, level) = try outlook.backup(backup)
        guard manifest.cluster == facts.cluster.id else {
            return .blocked(
                OperatorMessage(
                    .security,
                    at: backup,
                    "it is a backup of cluster \(manifest.cluster), not of \(facts.cluster.id)"
                )
            )
        }
        guard let best = manifest.bestSnapshot else {
            return .blocked(OperatorMessage(.refused, at: backup, "it has no snapshot", next: "rollbook backups list"))
        }
        if manifest.files.contains(where: { $0.encryption == .age }), key == nil {
            return .blocked(
                OperatorMessage(
                    .refused,
                    at: backup,
                    "it is encrypted",
                    next: "--set identity=/path/of/the/age/identity"
                )
            )
        }
        let health = await EtcdHealth.read(facts, isReliedOn: false)
        var lines = [
            "  taken \(manifest.started), \(outlook.age(of: manifest.started).brief) ago; verified to level \(level)",
            "  snapshot of \(best.file.path): revision \(best.facts.revision), \(best.facts.liveKeys) keys, "
                + byteCount(best.file.plain.bytes),
        ]
        if let now = health.statuses.filter(\.status.answers).map(\.status.revision).max() {
            let since = now - best.facts.revision
            lines.append(
                since >= BackupStore.revisionBump
                    ? "- etcd was restored since (it is at revision \(now)): all that was written since is lost"
                    : since > 0
                        ? "- \(since) revisions written since (etcd is at \(now)): all of that is lost"
                        : "  etcd is at revision \(now): nothing was written since"
            )
            if Quorum.holds(healthy: health.healthy.count, of: health.voters) {
                lines.append(
                    "- etcd works now (\(health.healthy.count) of \(health.voters) voters healthy): this replaces it"
                )
            }
        } else {
            lines.append("- no etcd answers: what was written since the backup cannot be told, and is lost")
        }
        if manifest.result.kind != .complete {
            lines.append(
                "- the backup is \(manifest.result.kind.rawValue): \(manifest.result.reasons.joined(separator: "; "))"
            )
        }
        return .change([
            PlannedChange(
                "restore backup \(backup) in a scratch etcd first, and compare whose it is",
                diff: lines,
                commands: ["rollbook backups verify \(backup) --level 3"]
            )
        ])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let cluster = context.target.cluster
        guard confirm == cluster.id.text else {
            throw OperatorMessage(
                .refused,
                "a restore replaces all that etcd holds, and its cluster's name was not typed",
                state: "Nothing was changed",
                next: "rollbook run etcd-restore --set backup=\(backup) --set confirm=\(cluster.id)"
            )
        }
        let source = try context.service((any RestoreSource).self)
        let id = try BackupID.input(backup)
        let manifest = try source.manifest(of: id, ca: await context.caFingerprint())
        context.progress("restoring in a scratch etcd")
        let report = try await source.prove(id, identity: key, context.time)
        if let error = report.error { throw error.message }
        guard report.reached == 3, let best = manifest.bestSnapshot else {
            throw OperatorMessage(
                .integrity,
                at: backup,
                report.notes.first ?? "it could not be restored",
                state: "Nothing was changed"
            )
        }
        return Output(
            backup: backup,
            revision: best.facts.revision,
            keys: best.facts.liveKeys,
            etcd: manifest.etcd.version
        )
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        .notDone(detail: "a backup is simply verified again")
    }
}

extension StepContext {
    /// Of the cluster's CA, from the first master that tells.
    func caFingerprint() async -> String? {
        for host in target.cluster.hosts(in: .master) {
            let fact = CertificateAuthority(pki: target.cluster.paths.pki)
            if let print = try? await facts.read(fact, on: host.name).fingerprint { return print }
        }
        return nil
    }
}
