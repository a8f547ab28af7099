import ClusterModel
package import Journal
package import RunEngine

/// `node.cordon`: no new pods are scheduled to the node.
package struct CordonNode: Step {
    package static let signature = KindSignature(
        kind: "node.cordon",
        summary: "Take a node out of scheduling, marked as this run's doing",
        parameters: []
    )
    package static let stepClass = StepClass.idempotent
    package static let reversal = Reversal.undoable
    package var traits: StepTraits { StepTraits(Self.stepClass, Self.reversal, purpose: .preparation) }

    package init() {}

    package struct Output: Codable, Sendable {
        /// By this run; else it was before.
        package let cordoned: Bool
    }

    package func facts(on target: StepTarget) -> [FactRequest] { NodeFacts.requests(target) }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let (_, node) = try await NodeFacts.node(facts, target)
        if node.isCordoned {
            return .noop(
                node.cordonedBy.map { "it is cordoned, by run \($0)" } ?? "it is cordoned, by somebody else"
            )
        }
        return .change([PlannedChange("no new pods on \(node.name)", commands: ["kubectl cordon \(node.name)"])])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let (api, node) = try await NodeFacts.node(context.lookAgain(), context.target)
        switch try await NodeCordon.cordon(node.name, in: context, api) {
        case .cordoned: return Output(cordoned: true)
        case .wasCordoned(let run): return Output(cordoned: run == context.run.text)
        }
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        let (_, node) = try await NodeFacts.node(context.lookAgain(), context.target)
        guard node.isCordoned else { return .notDone(detail: "it is not cordoned") }
        return .done(
            output: try JSONValue(encoding: Output(cordoned: node.cordonedBy == context.run.text)),
            detail: "it is cordoned"
        )
    }

    package func undo(_ output: Output, _ context: StepContext) async throws {
        guard output.cordoned else { return }
        try await NodeCordon.takeBack(context)
    }
}
