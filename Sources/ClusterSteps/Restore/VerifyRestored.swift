import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `restore.verify`: what the restored etcd holds is what the backup held.
///
/// Counted on every member, as the backup's manifest counts: keys that live. One new cluster, and revisions beyond the snapshot's.
package struct VerifyRestored: Step {
    package static let signature = KindSignature(
        kind: "restore.verify",
        summary: "Compare what the restored members hold with the backup",
        parameters: []
    )
    package static let stepClass = StepClass.read

    package init() {}

    package struct Output: Codable, Sendable {
        package let cluster: String
        package let revision: Int64
        package let keys: Int64
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        .change([PlannedChange("count the keys of every restored member and compare them with the backup (reads only)")]
        )
    }

    package func perform(_ context: StepContext) async throws -> Output {
        guard
            let opened = try context.resultsOfAllStages(of: OpenRestore.signature.kind).first?.output
                .decode(OpenRestore.Output.self)
        else { throw OperatorMessage(.stepFailed, "no step of this run says what the backup holds") }
        let cluster = context.target.cluster
        let health = await EtcdHealth.read(context.lookAgain())
        var revision: Int64 = 0
        for host in cluster.etcdHosts {
            let answer = try await context.connection(to: host).run(
                RemoteCommand(
                    [EtcdAccess.functions, "LIMIT=60s; E -w json get '' --prefix --limit=1 | tr -d '\\n'"],
                    [cluster.paths.pki]
                ),
                limits: CommandLimits(deadline: .seconds(120))
            )
            guard answer.succeeded, let found = try? KeyCount(answer.output.text) else {
                throw OperatorMessage(
                    .stepFailed,
                    at: host.name.text,
                    "its keys cannot be counted: \(answer.errorOutput.lastLine)"
                )
            }
            guard found.keys == opened.keys, found.revision >= opened.revision else {
                throw OperatorMessage(
                    .integrity,
                    at: host.name.text,
                    "it holds \(found.keys) keys at revision \(found.revision), the backup \(opened.keys) at \(opened.revision)",
                    state: "The control plane is still stopped, and the old data is kept aside on every host",
                    next: "rollbook abandon \(context.run) puts the old data back"
                )
            }
            revision = max(revision, found.revision)
        }
        return Output(
            cluster: String(health.healthy.first?.status.clusterID ?? 0, radix: 16),
            revision: revision,
            keys: opened.keys
        )
    }

    package func probe(_ context: StepContext) async throws -> Probe { .notDone(detail: "counting is simply repeated") }
}
