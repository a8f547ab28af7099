import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `etcd.compact`: drops old revisions of keys when etcd has run out of space, so that defragmentation can win any.
///
/// The API server does this every 5 minutes; only under the alarm NOSPACE it is worth doing by hand. Watchers that lag behind the
/// revisions that are kept read their objects anew, which they are made for. Source: etcd "Maintenance", space quota.
package struct CompactEtcd: Step {
    package static let signature = KindSignature(
        kind: "etcd.compact",
        summary: "Drop old revisions when etcd is out of space; nothing else is reason enough",
        parameters: [Parameter("keep", .integer, "how many of the newest revisions are kept (100)")]
    )
    package static let stepClass = StepClass.guarded
    package static let reversal = Reversal.irreversible(reason: "old revisions of keys are gone for good")

    package let keep: Int?

    package init(keep: Int? = nil) { self.keep = keep }

    private var kept: Int { max(0, keep ?? 100) }

    package struct Output: Codable, Sendable {
        /// What is older is gone; 0 when there was nothing as old.
        package let revision: Int64
    }

    package func facts(on target: StepTarget) -> [FactRequest] { OutOfSpace.facts(target) }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let (health, otherwise) = try await OutOfSpace.health(facts, on: target)
        guard let health else { return otherwise }
        return .change([
            PlannedChange(
                "etcd is out of space: drop what is older than its newest \(kept) revisions, now at "
                    + "\(health.highestRevision)",
                commands: ["etcdctl compact --physical \(max(0, health.highestRevision - Int64(kept)))"]
            )
        ])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let command = RemoteCommand(
            [EtcdAccess.functions, Self.script],
            [context.target.cluster.paths.pki, String(kept)]
        )
        let outcome = try await context.guarded(command, deadline: .seconds(900))
        let said = outcome.text.split(separator: "\n").last.flatMap { Int64($0) }
        guard outcome.exitCode == 0, let said else {
            let why = outcome.errorText.split(separator: "\n").last.map(String.init)
            throw OperatorMessage(.stepFailed, why ?? "the script ended with \(outcome.exitCode)")
        }
        return Output(revision: said)
    }

    /// `$1` revisions to keep.
    ///
    /// Somebody else's later compaction is as good.
    private static let script: StaticString = """
        revision=$(E -w json endpoint status | tr -d '\\n' | sed -n 's/.*"revision":\\([0-9]*\\).*/\\1/p')
        [ -n "$revision" ] || { echo 'its etcd does not answer' >&2; exit 1; }
        revision=$((revision - $1)); [ "$revision" -gt 0 ] || { echo 0; exit 0; }
        LIMIT=600s
        if ! said=$(E compact --physical "$revision" 2>&1); then
            case $said in
            *'has been compacted'*) ;;
            *) printf '%s\\n' "$said" | grep -v 'command terminated with exit code' | tail -n 1 >&2; exit 1 ;;
            esac
        fi
        echo "$revision"
        """

    package func probe(_ context: StepContext) async throws -> Probe {
        .notDone(detail: "compacting again only drops a little more")
    }
}

/// The alarm NOSPACE, as the steps that end it see it.
enum OutOfSpace {
    static func facts(_ target: StepTarget) -> [FactRequest] {
        target.cluster.etcdHosts.map { FactRequest(EtcdStatus(pki: target.cluster.paths.pki), on: $0.name) }
    }

    /// What all members say when this target is the one to act: the first healthy one; else the decision that it has nothing to do.
    static func health(
        _ facts: any FactReader,
        on target: StepTarget
    ) async throws -> (health: EtcdHealth?, otherwise: Decision) {
        let health = await EtcdHealth.read(facts)
        guard health.isOutOfSpace else { return (nil, .noop("etcd is not out of space")) }
        guard let chosen = health.healthy.first(where: { !$0.status.isLearner })?.host else {
            return (nil, .blocked(OperatorMessage(.refused, "no member of etcd is healthy")))
        }
        return chosen == target.name ? (health, .noop("")) : (nil, .noop("it is done on \(chosen)"))
    }
}
