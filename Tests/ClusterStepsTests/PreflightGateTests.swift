import ClusterModel
import RunEngine
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("The gate preflight.ready")
struct PreflightGateTests {
    private func plan(_ gate: [String: JSONValue], _ change: (EngineTrial) -> Void) async throws -> Plan {
        let trial = EngineTrial(.sample(masters: 1, workers: 2, loadBalancers: 1), registry: .shipped)
        for host in trial.cluster.hosts {
            trial.answerAsPlanned(host)
        }
        change(trial)
        let call = StepCall(
            kind: PreflightGate.signature.kind,
            parameters: gate,
            location: SourceLocation(file: "r.yaml", line: 1, column: 1)
        )
        return try await trial.plan(.toy([.toy(on: "controller", require: [call], [])]))
    }

    private let kernel: [String: JSONValue] = ["checks": .array([.string("swap"), .string("sysctl")])]

    @Test("is open when the checks find nothing, and says how much was looked at")
    func open() async throws {
        let plan = try await plan(kernel) { _ in }
        #expect(plan.obstacles.isEmpty)
        #expect(plan.stages[0].require[0].detail == "2 checks on 4 hosts find nothing to mend")
    }

    @Test("is closed by what a run of preflight would mend, naming host, check and where to see more")
    func closed() async throws {
        let plan = try await plan(kernel) { trial in
            trial.answer(SwapState(), with: "everything-on", on: "worker2")
            trial.answer(SysctlState(keys: CheckSysctl.wanted.keys.sorted()), with: "later-file-wins", on: "worker1")
        }
        let message = try #require(plan.obstacles.first)
        #expect(message.place == "worker1/preflight.sysctl")
        #expect(message.event.hasSuffix("(and 1 more)"))
        #expect(message.next == "rollbook plan preflight shows all of them")
    }

    @Test("looks only where and for what it was asked")
    func narrowed() async throws {
        let narrow = kernel.merging(["on": .string("masters")]) { $1 }
        let plan = try await plan(narrow) { $0.answer(SwapState(), with: "everything-on", on: "worker2") }
        #expect(plan.obstacles.isEmpty)
        #expect(plan.stages[0].require[0].detail == "2 checks on 1 host find nothing to mend")
        let unknown = try await self.plan(["checks": .array([.string("swp")])]) { _ in }
        #expect(unknown.obstacles.map(\.event) == ["there is no check 'swp'"])
    }

    @Test("every check's name is known to inventories")
    func names() {
        let kinds = StepRegistry.shipped.stepSignatures.keys.filter { $0.hasPrefix("preflight.") }
        #expect(Set(kinds) == Set(PreflightCatalogue.types.map { "preflight.\($0.check.rawValue)" }))
    }
}
