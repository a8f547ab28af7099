import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `etcd.move-leader`: hands leadership to another healthy voter before its holder is stopped.
///
/// Without it the others notice only after an election timeout, and writes wait meanwhile. `move-leader` has to be asked of the
/// leader itself.
package struct MoveEtcdLeader: Step {
    package static let signature = KindSignature(
        kind: "etcd.move-leader",
        summary: "Hand etcd's leadership to another member",
        parameters: [
            Parameter(
                "atItsTurn",
                .boolean,
                "true: who leads is looked at only then, for a stage that goes from member to member (default false)"
            )
        ]
    )
    package static let stepClass = StepClass.guarded
    package var traits: StepTraits { StepTraits(Self.stepClass, purpose: atItsTurn == true ? .preparation : nil) }

    package let atItsTurn: Bool?

    package init(atItsTurn: Bool? = nil) { self.atItsTurn = atItsTurn }

    package struct Output: Codable, Sendable {
        /// The host of the leader afterwards; empty when it was none of this host's business any more.
        package let leader: String
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        target.cluster.etcdHosts.map { FactRequest(EtcdStatus(pki: target.cluster.paths.pki), on: $0.name) }
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let own = try await facts.read(EtcdStatus(pki: facts.cluster.paths.pki), on: target.name)
        if atItsTurn == true, target.cluster.etcdHosts.count > 1 { return .unknown(until: "its turn comes") }
        guard own.answers else { return .noop("its etcd does not answer, so it leads nothing") }
        guard own.isLeader else { return .noop("it is not the leader") }
        guard let next = await Self.successor(facts, of: target.name) else {
            return .noop("there is no other healthy voter to lead")
        }
        return .change([
            PlannedChange(
                "hand leadership to \(next.host)",
                commands: ["etcdctl move-leader \(String(next.status.memberID, radix: 16))"]
            )
        ])
    }

    private static func successor(
        _ facts: any FactReader,
        of host: HostName
    ) async -> (host: HostName, status: EtcdStatus.Value)? {
        await EtcdHealth.read(facts, except: host).healthy.first { !$0.status.isLearner }
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let fact = EtcdStatus(pki: context.target.cluster.paths.pki)
        let own = try await context.facts.read(fact, on: context.target.name)
        guard own.isLeader, let next = await Self.successor(context.facts, of: context.target.name) else {
            return Output(leader: "")
        }
        let command = RemoteCommand(
            [EtcdAccess.functions, "E move-leader \"$1\" >&2"],
            [context.target.cluster.paths.pki, String(next.status.memberID, radix: 16)]
        )
        let outcome = try await context.guarded(command, deadline: .seconds(60))
        let after = try await context.lookAgain().read(fact, on: context.target.name)
        guard !after.isLeader else {
            let said = outcome.errorText.split(separator: "\n").last.map(String.init) ?? "code \(outcome.exitCode)"
            throw OperatorMessage(.stepFailed, "it still leads: \(said)")
        }
        return Output(leader: next.host.text)
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        let fact = EtcdStatus(pki: context.target.cluster.paths.pki)
        let own = try await context.lookAgain().read(fact, on: context.target.name)
        guard own.answers, own.isLeader else {
            return .done(output: try JSONValue(encoding: Output(leader: "")), detail: "it does not lead")
        }
        return .notDone(detail: "it still leads")
    }
}
