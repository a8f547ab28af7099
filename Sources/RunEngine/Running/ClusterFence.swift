package import ClusterModel
import Journal
package import RemoteShell
import Synchronization

/// Ownership of a plan's hosts, so that two controllers never change one cluster at a time (RemoteShell's Format.md, section 4).
///
/// The lock file keeps runs of one controller apart; this keeps controllers apart. `survey` only reads, and comes before the
/// journal; `claim` comes after the epoch is in the journal, and before anything else is sent to a host.
package struct ClusterFence: Sendable {
    private let run: RunID
    private let controller: HostFence.Controller
    private let isTakingOver: Bool
    /// Hosts of the plan that some step changes, in inventory order.
    package let hosts: [Host]
    private let plan: Plan
    private let connections: any HostConnections
    private let parallel: Int

    package init(
        of plan: Plan,
        run: RunID,
        controller: HostFence.Controller,
        isTakingOver: Bool,
        registry: StepRegistry,
        connections: any HostConnections,
        parallel: Int
    ) {
        self.run = run
        self.controller = controller
        self.isTakingOver = isTakingOver
        self.parallel = max(1, parallel)
        let changed = Set(
            plan.steps.lazy.filter { (try? registry.step($0.kind, $0.parameters).traits.changesHost) ?? true }
                .map(\.host)
        )
        hosts = plan.cluster.hosts.filter { changed.contains($0.name) }
        self.plan = plan
        self.connections = connections
    }

    /// The epoch a new session has to use: one more than any reachable host, or the run itself, knows.
    ///
    /// - Throws: `OperatorMessage` with code `locked` when another controller owns one of the hosts.
    package func survey(after own: Int?) async throws -> Int {
        var highest = own ?? 0
        let found = try await onAll(hosts) { host, connection in
            let answer = try await connection.run(HostFence.survey)
            guard let survey = HostFence.survey(from: answer.output.text) else { throw unreadable(answer, host) }
            if let owner = survey.owner, owner.controller.id != controller.id, !isTakingOver {
                throw owned(host, by: owner)
            }
            return survey.epoch
        }
        for epoch in found { highest = max(highest, epoch) }
        return highest + 1
    }

    /// Claims every host that answers; those that do not are claimed when their first step comes.
    ///
    /// The first that answers is claimed before the others, so that of two controllers at the same moment one gets them all.
    ///
    /// - Throws: `OperatorMessage` with code `locked` when one of them cannot be owned.
    func claimAll(epoch: Int) async throws {
        let away = Set(plan.hosts.filter { $0.unreachable != nil }.map(\.name))
        var rest = (hosts.filter { !away.contains($0.name) } + hosts.filter { away.contains($0.name) })[...]
        // One after another only a few times: hosts that are all away must not each cost a connect limit.
        for _ in 0..<3 {
            guard let host = rest.popFirst() else { return }
            let isClaimed: [Void] = try await onAll([host]) { try await claim($0, epoch: epoch, over: $1) }
            if !isClaimed.isEmpty { break }
        }
        _ = try await onAll(rest) { try await claim($0, epoch: epoch, over: $1) }
    }

    /// Makes sure that the run owns the host now.
    ///
    /// - Throws: `OperatorMessage` with code `locked`, or `TransportError`; in both cases nothing of the step was sent.
    func claim(_ host: Host, epoch: Int, over connection: any HostConnection) async throws {
        let fence = HostFence(epoch: epoch, run: run.text, controller: controller)
        let answer: CommandResult
        do { answer = try await connection.run(fence.claim(takingOver: isTakingOver)) } catch { throw error.ofReading }
        switch HostFence.claim(from: answer.output.text) {
        case .owns: return
        case .fenced(let other):
            throw locked(host, "a newer run owned it since (epoch \(other), this run has \(epoch))", "rollbook runs")
        case .owned(let owner): throw owned(host, by: owner)
        case .busy(let operation):
            throw locked(
                host,
                "operation \(operation) of another run still works on it",
                "wait for its end, then try again"
            )
        case nil: throw unreadable(answer, host)
        }
    }

    /// Gives the hosts back; what cannot be reached keeps the note until the next run of this controller.
    func release() async {
        let fence = HostFence(epoch: 0, run: run.text, controller: controller)
        _ = try? await onAll(hosts, isPatient: true) { _, connection in
            _ = try await connection.run(fence.release, limits: CommandLimits(deadline: .seconds(10)))
        }
    }

    /// Asks all hosts, some at a time, passing over those that cannot be reached; a lost link is tried once more, and with
    /// `isPatient` every other one, too.
    private func onAll<Answer: Sendable>(
        _ hosts: some Sequence<Host>,
        isPatient: Bool = false,
        _ ask: @escaping @Sendable (Host, any HostConnection) async throws -> Answer
    ) async throws -> [Answer] {
        // Each time anew: a link that served at the beginning of a run may be gone at its end.
        let link = VerifiedConnections(connections, plan: plan)
        return try await withThrowingTaskGroup(of: Answer?.self) { group in
            var waiting = hosts.makeIterator()
            func startNext() {
                guard let host = waiting.next() else { return }
                group.addTask {
                    do {
                        do { return try await ask(host, try await link.connection(to: host)) } catch let error
                            as TransportError where error.kind == .lost || (isPatient && error.exitCode != .security)
                        {
                            await link.drop(host.name)
                            return try await ask(host, try await link.connection(to: host))
                        }
                    } catch let error as TransportError {
                        guard error.exitCode == .security else { return nil }
                        throw error.message
                    }
                }
            }
            for _ in 0..<parallel { startNext() }
            var answers: [Answer] = []
            while let answer = try await group.next() {
                if let answer { answers.append(answer) }
                startNext()
            }
            return answers
        }
    }

    private func owned(_ host: Host, by owner: HostFence.Owner) -> OperatorMessage {
        locked(
            host,
            "it is owned by run \(owner.run) of controller \(owner.controller.name) (epoch \(owner.epoch))",
            "finish or abandon that run there; if that controller is lost for good, add --take-over"
        )
    }

    private func locked(_ host: Host, _ event: String, _ next: String) -> OperatorMessage {
        OperatorMessage(.locked, at: host.name.text, event, state: "Nothing was sent", next: next)
    }

    private func unreadable(_ answer: CommandResult, _ host: Host) -> OperatorMessage {
        let said = answer.errorOutput.text.split(separator: "\n").last.map(String.init) ?? "no answer"
        return OperatorMessage(
            .storage,
            at: host.name.text,
            "cannot keep its owner: \(said)",
            state: "Nothing was sent"
        )
    }
}
