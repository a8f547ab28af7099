package import ClusterModel
package import Journal
package import RemoteShell

/// What a step may use while it acts.
package struct StepContext: Sendable {
    package let target: StepTarget
    package let run: RunID
    package let plan: PlanSummary
    package let step: StepID
    package let attempt: Int
    package let facts: any FactReader
    let history: RunHistory
    package let services: StepServices
    package let time: any TimeSource
    /// Says in a few words what is going on; shown beside the host while the step runs.
    package let progress: @Sendable (String) -> Void
    /// The run's fence number; nil for a step that needs none.
    package let epoch: Int?
    let connections: VerifiedConnections
    let operations: OperationLedger

    /// The connection to the step's host; the same for all steps of a run.
    package var connection: any HostConnection {
        get async throws {
            guard let host = target.host else { throw StepFault("a step on the controller has no connection") }
            return try await connections.connection(to: host)
        }
    }

    package func connection(to host: Host) async throws -> any HostConnection {
        try await connections.connection(to: host)
    }

    /// What is known of the steps of these kinds, up to the stage of this one, in plan order.
    ///
    /// - Throws: when a recorded output cannot be read back.
    package func results(of kinds: String...) throws -> [StepResult] {
        try history.results(ofKinds: Set(kinds), before: step, through: history.stage)
    }

    /// Facts read anew, for what the step itself has changed meanwhile.
    package func lookAgain() -> any FactReader {
        let cache = FactCache(cluster: target.cluster, connections: connections, parallel: 1)
        return RecordingFactReader(cluster: target.cluster, cache: cache, views: services)
    }

    /// What is known of the steps of these kinds in all stages, in plan order: when a run is resumed, a later stage may have its
    /// outcomes before this one.
    ///
    /// - Throws: when a recorded output cannot be read back.
    package func resultsOfAllStages(of kinds: String...) throws -> [StepResult] {
        try history.results(ofKinds: Set(kinds), before: step, through: .max)
    }

    /// Forgets the connection to the step's host after its link was lost; the next one is made anew, and checked anew.
    package func reconnect() async { await connections.drop(target.name) }

    /// An operation of this attempt began, and its host was restarted since: the boot ids differ.
    package var hostWasRestarted: Bool { operations.wasRestarted }

    /// Decodes a service that the composition root provides.
    package func service<Service>(_ type: Service.Type) throws -> Service { try services.get(type) }
}

/// The run so far; read only when a step asks, for most never do.
struct RunHistory: Sendable {
    let plan: Plan
    let state: RunState
    let outputs: any OutputStore
    /// Stage of the step that asks.
    let stage: Int

    func results(ofKinds kinds: Set<String>, before asking: StepID, through last: Int) throws -> [StepResult] {
        try plan.steps.compactMap { step in
            guard kinds.contains(step.kind), step.stage <= last, step.id != asking, let known = state[step.id],
                !known.needsProbe
            else { return nil }
            return StepResult(
                step: step.id,
                kind: step.kind,
                host: step.host,
                succeeded: known.isSatisfied,
                wasSkipped: known.phase == .skipped,
                output: try outputs.output(of: known) ?? .null,
                message: known.outcome?.message
            )
        }
    }
}

/// What is known of a step that has its outcome.
package struct StepResult: Sendable, Hashable {
    package let step: StepID
    package let kind: String
    package let host: HostName
    /// Done, or nothing to do.
    package let succeeded: Bool
    package let wasSkipped: Bool
    package let output: JSONValue
    package let message: String?
}

/// What a step may know of the plan it is part of.
package struct PlanSummary: Sendable, Hashable {
    package let id: String
    package let runbook: String
    package let program: String
    /// Conditions the run began under.
    package let gates: [PlannedGate]
}

/// A mistake in the program or in how a step is used; ends with exit code 1.
package struct StepFault: Error, Sendable, Hashable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// Things of the controller that steps need (a backup store, say), handed in by the composition root.
package struct StepServices: Sendable {
    private var entries: [ObjectIdentifier: any Sendable] = [:]

    package init() {}

    package mutating func add<Service: Sendable>(_ service: Service) {
        entries[ObjectIdentifier(Service.self)] = service
    }

    package func get<Service>(_ type: Service.Type) throws -> Service {
        guard let service = entries[ObjectIdentifier(type)] as? Service else {
            throw StepFault("no \(type) was provided to the steps of this run")
        }
        return service
    }
}

/// Gives each host's one connection.
package protocol HostConnections: Sendable {
    func connection(to host: Host) async throws(TransportError) -> any HostConnection

    /// Forgets a connection whose link was lost: the next one is made anew.
    func drop(_ host: HostName) async

    /// Where tasks run best that only pass bytes between many hosts and memory; nil for anywhere.
    var executor: (any TaskExecutor)? { get }
}

extension HostConnections {
    package var executor: (any TaskExecutor)? { nil }
}
