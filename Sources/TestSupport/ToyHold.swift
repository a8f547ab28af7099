import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `toy.hold`: class idempotent and undoable; sets a value, and undoing sets what was there before.
package struct ToyHold: Step {
    package static let signature = KindSignature(
        kind: "toy.hold",
        summary: "",
        parameters: [
            Parameter("key", .string, required: true, ""), Parameter("value", .string, required: true, ""),
            Parameter("away", .boolean, ""), Parameter("outage", .boolean, ""),
        ]
    )
    package static let stepClass = StepClass.idempotent
    package let key: String
    package let value: String
    package let away: Bool?
    package let outage: Bool?

    package struct Output: Codable, Sendable {
        package let before: String?
    }

    package var traits: StepTraits {
        StepTraits(Self.stepClass, .undoable, takesHostAway: away ?? false, isOutage: outage ?? false)
    }

    package func facts(on target: StepTarget) -> [FactRequest] { [FactRequest(ToyValue(key), on: target.name)] }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let present = try await facts.read(ToyValue(key), on: target.name)
        return present == value ? .noop("\(key) is \(value) already") : .change([PlannedChange("hold \(key)")])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let before = try await context.facts.read(ToyValue(key), on: context.target.name)
        // Repeated after a crash it finds its own value; what was there before is told by the mark it left first.
        let known = try await context.facts.read(ToyValue("was-\(key)"), on: context.target.name)
        if known == nil {
            _ = try await context.connection.run(RemoteCommand(ToyCommand.set, ["was-\(key)", before ?? ""]))
        }
        _ = try await context.connection.run(RemoteCommand(ToyCommand.set, [key, value]))
        return Output(before: known ?? before)
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        let present = try await context.facts.read(ToyValue(key), on: context.target.name)
        let known = try await context.facts.read(ToyValue("was-\(key)"), on: context.target.name)
        return present == value
            ? .done(output: try JSONValue(encoding: Output(before: known)), detail: "it is held")
            : .notDone(detail: "it is not held")
    }

    package func undo(_ output: Output, _ context: StepContext) async throws {
        let present = try await context.facts.read(ToyValue(key), on: context.target.name)
        if present == "stuck" { throw OperatorMessage(.stepFailed, "\(key) is stuck") }
        guard present == value else { return }
        _ = try await context.connection.run(RemoteCommand(ToyCommand.set, [key, output.before ?? ""]))
    }
}
