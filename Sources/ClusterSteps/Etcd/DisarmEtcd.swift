import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `etcd.disarm`: takes the alarm NOSPACE away, once every member has space again.
///
/// Before that etcd would raise it again at once. `alarm disarm` takes every alarm away, so with CORRUPT among them nothing is done:
/// that member is to be replaced first.
package struct DisarmEtcd: Step {
    package static let signature = KindSignature(
        kind: "etcd.disarm",
        summary: "Take etcd's alarm of missing space away once there is space",
        parameters: []
    )
    package static let stepClass = StepClass.guarded

    package init() {}

    package struct Output: Codable, Sendable {
        /// The fullest member's share of its quota.
        package let quotaPercent: Int
    }

    package func facts(on target: StepTarget) -> [FactRequest] { OutOfSpace.facts(target) }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let (health, otherwise) = try await OutOfSpace.health(facts, on: target)
        guard let health else { return otherwise }
        if let corrupt = Self.otherAlarm(health) { return .blocked(corrupt) }
        return .change([
            PlannedChange(
                "take the alarm away when every member is below its quota; etcd takes writes from then on",
                commands: ["etcdctl alarm disarm"]
            )
        ])
    }

    private static func otherAlarm(_ health: EtcdHealth) -> OperatorMessage? {
        guard let other = health.alarms.first(where: { !$0.hasPrefix("NOSPACE") }) else { return nil }
        return OperatorMessage(
            .refused,
            "etcd also raised the alarm \(other), and only all of them can be taken away",
            state: "Nothing was changed",
            next: "replace that member first: rollbook run etcd-member-replace --set reason=bad-disk --set member=HOST"
        )
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let health = await EtcdHealth.read(context.facts)
        if let other = Self.otherAlarm(health) { throw other }
        let spaces = health.statuses.filter(\.status.answers).map { ($0.host, EtcdSpace($0.status)) }
        if let full = spaces.first(where: { $0.1.quotaPercent >= 95 }) {
            throw OperatorMessage(
                .stepFailed,
                "\(full.0) is still too full: \(full.1.text)",
                state: "The alarm stays",
                next: "find out what fills it: rollbook backups inspect; then delete it, or raise --quota-backend-bytes"
            )
        }
        let command = RemoteCommand([EtcdAccess.functions, Self.script], [context.target.cluster.paths.pki])
        let outcome = try await context.guarded(command, deadline: .seconds(120))
        guard outcome.exitCode == 0 else {
            let said = outcome.errorText.split(separator: "\n").last {
                !$0.contains("command terminated with exit code")
            }
            throw OperatorMessage(.stepFailed, said.map(String.init) ?? "the script ended with \(outcome.exitCode)")
        }
        return Output(quotaPercent: spaces.map(\.1.quotaPercent).max() ?? 0)
    }

    /// Looks for CORRUPT (2) once more, and afterwards for any alarm that is raised again.
    private static let script: StaticString = """
        alarms() { E -w json alarm list | tr -d '\\n'; }
        case $(alarms) in *'"alarm":2'*) echo 'etcd raised the alarm CORRUPT meanwhile' >&2; exit 1 ;; esac
        E alarm disarm >/dev/null || exit 1
        sleep 2
        case $(alarms) in *'"alarm":'*) echo 'etcd raised an alarm again at once' >&2; exit 1 ;; esac
        """

    package func probe(_ context: StepContext) async throws -> Probe {
        let fact = EtcdStatus(pki: context.target.cluster.paths.pki)
        let own = try await context.lookAgain().read(fact, on: context.target.name)
        guard own.answers, own.leader != 0 else { return .cannotTell(detail: "its etcd does not tell its alarms") }
        guard own.alarms.isEmpty else { return .notDone(detail: own.alarms.joined(separator: ", ")) }
        return .done(
            output: try JSONValue(encoding: Output(quotaPercent: EtcdSpace(own).quotaPercent)),
            detail: "there is no alarm"
        )
    }
}
