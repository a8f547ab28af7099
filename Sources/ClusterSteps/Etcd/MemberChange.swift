package import ClusterModel
import FoundationEssentials
package import Journal
import RemoteShell
package import RunEngine

/// A step that changes the member list for the sake of one `member`: done on the first healthy other one, the rest have nothing to do.
package protocol MemberStep: Step {
    /// The host it is about, as runbooks give it.
    var member: String { get }
    /// Decides on the survivor that is to act.
    func decide(_ view: EtcdSurvivors, about host: Host) throws -> Decision
}

extension MemberStep {
    package static var stepClass: StepClass { .guarded }

    static func memberSignature(_ kind: String, _ summary: String) -> KindSignature {
        KindSignature(kind: "etcd.member-\(kind)", summary: summary, parameters: [EtcdMemberParameter.parameter])
    }

    package func facts(on target: StepTarget) -> [FactRequest] { EtcdSurvivors.facts(of: member, in: target.cluster) }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let host = try EtcdMemberParameter.host(member, in: target.cluster)
        guard target.name != host.name else { return .noop("it is done through another member") }
        let view = try await EtcdSurvivors(facts, of: host)
        guard let chosen = view.chosen else {
            return .blocked(OperatorMessage(.refused, "no other member of etcd is healthy"))
        }
        return chosen == target.name ? try decide(view, about: host) : .noop("it is done on \(chosen)")
    }

    /// The others' view of the member, as the step's own host has it.
    func survivors(_ context: StepContext) async throws -> EtcdSurvivors {
        try await EtcdSurvivors(context.facts, of: try EtcdMemberParameter.host(member, in: context.target.cluster))
    }
}

/// What those steps do on their host.
enum MemberChange {
    /// Runs a script on the step's host that ends with the member list, and returns that list.
    static func perform(
        _ script: StaticString,
        _ arguments: [String],
        _ context: StepContext,
        deadline: Duration = .seconds(180)
    ) async throws -> [EtcdMemberEntry] {
        let command = RemoteCommand(
            [EtcdAccess.functions, retrying, script, "; E -w json member list | tr -d '\\n'"],
            [context.target.cluster.paths.pki] + arguments
        )
        let outcome = try await context.guarded(command, deadline: deadline)
        guard outcome.exitCode == 0 else {
            let said = outcome.errorText.split(separator: "\n").last {
                !$0.contains("command terminated with exit code")
            }
            throw OperatorMessage(.stepFailed, said.map(String.init) ?? "etcdctl ended with \(outcome.exitCode)")
        }
        do { return try MemberListJSON.members(outcome.text) } catch {
            throw OperatorMessage(.stepFailed, "the member list cannot be read: \(outcome.text.prefix(200))")
        }
    }

    /// The members as the step's own host lists them now.
    static func members(_ context: StepContext) async throws -> [EtcdMemberEntry] {
        let fact = EtcdStatus(pki: context.target.cluster.paths.pki)
        let status = try await context.lookAgain().read(fact, on: context.target.name)
        guard !status.members.isEmpty else {
            throw OperatorMessage(
                .stepFailed,
                "its etcd does not list the members: \(status.problem ?? "it knows no leader")"
            )
        }
        return status.members
    }

    /// `again ARGS…`: etcdctl, repeated for up to a minute while etcd wants all members to be heard of first.
    ///
    /// After a start or promotion etcd refuses changes for about 5 s (its HealthInterval). Source: etcd's `server.go`,
    /// `strictReconfigCheck`, and recordings.
    static let retrying: StaticString = """
        again() {
            i=0
            until said=$(E "$@" 2>&1); do
                case $said in
                *'unhealthy cluster'* | *'not enough started members'* | *'in sync with leader'* | *'leader changed'*) ;;
                *) printf '%s\\n' "$said" >&2; return 1 ;;
                esac
                i=$((i + 1)); [ "$i" -lt "${PATIENCE:-30}" ] || { printf '%s\\n' "$said" >&2; return 1; }
                sleep 2
            done
        }

        """
}
