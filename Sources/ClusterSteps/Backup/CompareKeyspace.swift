package import BackupStore
import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `etcd.compare-keyspace`: asks every member for the hash of its keys at one revision, and compares.
///
/// A snapshot proves only what its own member holds; a member that silently went another way (etcd 13766) is found here,
/// the night it happens. Source: etcd "Data corruption", `endpoint hashkv --rev`; hashes of different compaction
/// revisions are not comparable, so a compaction in between means asking again.
package struct CompareKeyspace: Step {
    package static let signature = KindSignature(
        kind: "etcd.compare-keyspace",
        summary: "Compare the members' keys at one revision",
        parameters: []
    )
    package static let stepClass = StepClass.read

    package init() {}

    package struct Output: Codable, Sendable {
        /// Nil when fewer than two members could be compared.
        package let hash: KeyspaceHash?
        package let remark: String?
        /// Hosts that could not be reached when it came to it; nil when there were none.
        package var unreached: [String]?
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        target.cluster.etcdHosts.map { FactRequest(EtcdStatus(pki: target.cluster.paths.pki), on: $0.name) }
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        // It changes nothing, and earlier steps of the run may replace members: the plan relies on none.
        let members = await EtcdHealth.read(facts, isReliedOn: false).healthy.count
        guard members > 1 else { return .noop("there is no second healthy member to compare with") }
        return .change([PlannedChange("compare the keyspace hash of \(members) members at one revision (reads only)")])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        var unreached: [String] = []
        var output = try await compare(context, &unreached)
        if !unreached.isEmpty { output.unreached = unreached }
        return output
    }

    private func compare(_ context: StepContext, _ unreached: inout [String]) async throws -> Output {
        var seen: [MemberHash] = []
        for _ in 0..<3 {
            (seen, unreached) = try await hashes(context)
            guard seen.count > 1 else {
                return Output(hash: nil, remark: "only \(seen.count) member answered; nothing to compare with")
            }
            if Set(seen.map(\.compactRevision)).count == 1 { break }
            context.progress("compaction in between, asking again")
        }
        guard let first = seen.first else { return Output(hash: nil, remark: "no member answered") }
        guard Set(seen.map(\.compactRevision)).count == 1 else {
            return Output(hash: nil, remark: "the members compacted at different revisions; not comparable now")
        }
        guard Set(seen.map(\.hash)).count == 1 else {
            let list = seen.map { "\($0.host) \(String($0.hash, radix: 16))" }.joined(separator: ", ")
            throw OperatorMessage(
                .integrity,
                "the members hold different keys at revision \(first.revision): \(list)",
                state: "Snapshots of all members are kept, the set is marked degraded",
                next: "find out which member is wrong before anything else is done to etcd"
            )
        }
        return Output(
            hash: KeyspaceHash(
                revision: first.revision,
                hash: first.hash,
                compactRevision: first.compactRevision,
                members: seen.map(\.host.text)
            ),
            remark: nil
        )
    }

    private struct MemberHash {
        let host: HostName
        let revision: Int64
        let hash: UInt32
        let compactRevision: Int64
    }

    private func hashes(_ context: StepContext) async throws -> (found: [MemberHash], unreached: [String]) {
        let cluster = context.target.cluster
        var revisions: [(Host, Int64)] = []
        var unreached: [String] = []
        for host in cluster.etcdHosts {
            guard let connection = try? await context.connection(to: host) else {
                unreached.append(host.name.text)
                continue
            }
            let fact = EtcdStatus(pki: cluster.paths.pki)
            let answer = try await connection.run(fact.command)
            let status = try fact.parse(ProbeBatch.Answer(exitCode: answer.exitCode, output: answer.output.bytes))
            if status.answers, status.errors.isEmpty, !status.isLearner { revisions.append((host, status.revision)) }
        }
        guard let revision = revisions.map(\.1).min() else { return ([], unreached) }
        var found: [MemberHash] = []
        for (host, _) in revisions {
            let command = RemoteCommand(
                [EtcdAccess.functions, "LIMIT=60s; E -w json endpoint hashkv --rev=\"$1\""],
                [cluster.paths.pki, String(revision)]
            )
            let limits = CommandLimits(deadline: .seconds(120))
            let answer = try await context.connection(to: host).run(command, limits: limits)
            guard answer.succeeded, let entry = try HashKVJSON.list(answer.output.text).first,
                let hash = entry.HashKV.hash.flatMap({ UInt32(exactly: $0) })
            else {
                throw OperatorMessage(
                    .stepFailed,
                    at: host.name.text,
                    "its etcd gives no keyspace hash: \(answer.errorOutput.lastLine)"
                )
            }
            found.append(
                MemberHash(
                    host: host.name,
                    revision: revision,
                    hash: hash,
                    compactRevision: entry.HashKV.compact_revision ?? -1
                )
            )
        }
        return (found, unreached)
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        .notDone(detail: "a comparison is simply repeated")
    }
}
