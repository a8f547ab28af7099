import ClusterModel
package import Journal
package import RunEngine

/// `node.uncordon`: pods may be scheduled to the node again, if it was a run of ours that forbade it.
///
/// Whose cordon it is, its annotation tells: this run's, or one of an earlier run that did not come so far. An operator's stays.
package struct UncordonNode: Step {
    package static let signature = KindSignature(
        kind: "node.uncordon",
        summary: "Give a node back to scheduling, unless somebody else took it out",
        parameters: []
    )
    package static let stepClass = StepClass.idempotent
    package var traits: StepTraits { StepTraits(Self.stepClass, purpose: .restoration) }

    package init() {}

    package struct Output: Codable, Sendable {
        package let uncordoned: Bool
        /// Somebody else's cordon, which stays.
        package let kept: Bool
    }

    package func facts(on target: StepTarget) -> [FactRequest] { NodeFacts.requests(target) }

    /// A node that is not ours to uncordon now may be when its turn comes, for this run drains it before.
    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let (_, node) = try await NodeFacts.node(facts, target, orItself: true)
        if node.isCordoned, let run = node.cordonedBy {
            return .change([
                PlannedChange(
                    "pods may come to \(node.name) again; run \(run) had cordoned it",
                    commands: ["kubectl uncordon \(node.name)"]
                )
            ])
        }
        return .unknown(until: DrainNode.signature.kind)
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let (api, node) = try await NodeFacts.node(context.lookAgain(), context.target, orItself: true)
        let done = try await NodeCordon.uncordon(node.name, onlyOwn: false, in: context, api)
        if done == .kept { context.progress("somebody else's cordon stays") }
        return Output(uncordoned: done == .uncordoned, kept: done == .kept)
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        let (_, node) = try await NodeFacts.node(context.lookAgain(), context.target, orItself: true)
        if node.isCordoned, node.cordonedBy != nil { return .notDone(detail: "it is still cordoned") }
        return .done(
            output: try JSONValue(encoding: Output(uncordoned: !node.isCordoned, kept: node.isCordoned)),
            detail: node.isCordoned ? "somebody else's cordon stays" : "it is schedulable"
        )
    }
}
