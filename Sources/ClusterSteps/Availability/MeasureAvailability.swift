import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `availability.measure`: begins to read and write through the VIP, as clients of the cluster do, until `availability.report`.
///
/// What an upgrade costs is then counted, not promised. Five requests of each kind a second, each over a connection of its own (what
/// kept connections lose, a watch for instance, is not seen): a read of the namespace kube-system, and a write of the ConfigMap
/// `rollbook-availability` there. They come from a transient unit on the host, with the rights of its admin.conf; it ends by itself
/// after twelve hours. Its only traces are the unit, files below `/run`, and that ConfigMap.
package struct MeasureAvailability: Step {
    package static let signature = KindSignature(
        kind: "availability.measure",
        summary: "Begin to count failed reads and writes through the VIP",
        parameters: []
    )
    package static let stepClass = StepClass.idempotent
    package static let reversal = Reversal.undoable
    package var traits: StepTraits { StepTraits(Self.stepClass, Self.reversal, changesHost: false) }

    package init() {}

    package struct Output: Codable, Sendable {
        /// Of the transient unit.
        package let unit: String
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        [FactRequest(AvailabilityProbe(target.cluster), on: target.name)]
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        guard let vip = target.cluster.vip else { return .noop("the inventory names no VIP to measure through") }
        let found = try await facts.read(AvailabilityProbe(target.cluster), on: target.name)
        if let missing = found.missing { return .warning("cannot be measured: \(missing)") }
        return .change([
            PlannedChange(
                "read and write through \(vip):\(target.cluster.apiPort) five times a second, and count what fails",
                commands: ["systemd-run --unit=\(Self.unit(of: "RUN")) …"]
            )
        ])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let unit = Self.unit(of: String(context.run.short))
        let result = try await AvailabilityScript.run(.start, unit, in: context)
        guard result.exitCode == 0 else {
            throw OperatorMessage(.stepFailed, result.errorOutput.lastLine)
        }
        return Output(unit: unit)
    }

    static func unit(of run: String) -> String { "rollbook-availability-\(run)" }

    package func probe(_ context: StepContext) async throws -> Probe {
        let unit = Self.unit(of: String(context.run.short))
        let result = try await AvailabilityScript.run(.look, unit, in: context)
        guard result.exitCode == 0 else { return .notDone(detail: "nothing measures") }
        return .done(output: try JSONValue(encoding: Output(unit: unit)), detail: "\(unit) measures")
    }

    package func undo(_ output: Output, _ context: StepContext) async throws {
        _ = try await AvailabilityScript.run(.stop, output.unit, in: context)
    }
}
