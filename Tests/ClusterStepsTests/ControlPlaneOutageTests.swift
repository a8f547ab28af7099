import ClusterModel
import Journal
import RemoteShell
import RunEngine
import TestSupport
import Testing

@testable import ClusterSteps

/// Stopping and starting the control plane of simulated masters, and giving that up.
@Suite("An outage of the control plane")
struct ControlPlaneOutageTests {
    private let trial = EngineTrial(.sample(masters: 3, workers: 0, loadBalancers: 0), registry: .shipped)

    /// Masters whose pods follow their manifests; `broken` ones never become ready, `stubborn` ones never stop.
    private func prepare(broken: String = "", stubborn: String = "") {
        for host in trial.cluster.hosts(in: .master) {
            let name = host.name.text
            trial.hosts[name].values["pods"] = "running"
            trial.hosts[name].responder = { host, script, _ in
                if script.contains("'[placed]'") {
                    return CommandResult(
                        text: Fixtures.answer(ControlPlanePods.name, host.values["pods"] ?? "none").text
                    )
                }
                if script.contains("s after its manifest left") {
                    host.values["pods"] = "parked"
                    return name == stubborn
                        ? CommandResult(exitCode: 1, text: "", errorText: "kube-apiserver still runs\n")
                        : CommandResult(text: "")
                }
                if script.contains(".rollbook-$p.yaml") {
                    host.values["pods"] = "running"
                    return script.contains("/readyz") && name == broken
                        ? CommandResult(exitCode: 1, text: "", errorText: "the API server is not ready\n")
                        : CommandResult(text: "")
                }
                return nil
            }
        }
    }

    private func call(_ kind: String) -> StepCall {
        StepCall(kind: kind, parameters: [:], location: SourceLocation(file: "r.yaml", line: 1, column: 1))
    }

    private func plan() async throws -> Plan {
        try await trial.plan(
            .toy([
                .toy("Stop", on: "masters", [call("controlplane.park")]),
                .toy("First", on: "masters[0]", [call("controlplane.start")]),
                .toy("Others", on: "masters[1:]", pace: .serial([.count(1)]), [call("controlplane.start")]),
            ])
        )
    }

    private var pods: [String] {
        ["master1", "master2", "master3"].map { trial.hosts[$0].values["pods"] ?? "" }
    }

    @Test("done, all of it runs again; it may stop all masters at once")
    func done() async throws {
        prepare()
        let plan = try await plan()
        #expect(plan.obstacles == [])
        let ending = try await trial.execute(plan, on: try trial.foldJournal(for: plan))
        #expect(ending.exitCode == .done, "\(ending.problems)")
        #expect(pods == ["running", "running", "running"])
    }

    @Test("given up after the first API server was started, the others are started too, and it says what stays")
    func givenUp() async throws {
        prepare(broken: "master2")
        let plan = try await plan()
        let journal = try trial.foldJournal(for: plan)
        let ending = try await trial.execute(plan, on: journal)
        #expect(ending.result == .held && pods == ["running", "running", "parked"])
        let end = try await trial.executor(for: plan, on: try trial.resumed(journal)).abandon()
        #expect(end.result == .abandoned && end.exitCode == .partial)
        #expect(end.problems.map(\.place) == ["master1/controlplane.start", "master2/controlplane.start"])
        #expect(end.problems.allSatisfy { $0.event.contains("going back would lose that") })
        #expect(pods == ["running", "running", "running"])
    }

    @Test("one that does not stop gets its manifests back, and given up all of it runs")
    func stubborn() async throws {
        prepare(stubborn: "master2")
        let plan = try await plan()
        let journal = try trial.foldJournal(for: plan)
        let ending = try await trial.execute(plan, on: journal)
        #expect(ending.result == .held)
        #expect(ending.problems.first?.state == "Its manifests were put back")
        #expect(pods[1] == "running")
        let end = try await trial.executor(for: plan, on: try trial.resumed(journal)).abandon()
        #expect(end.result == .abandoned && end.exitCode == .done, "\(end.problems)")
        #expect(pods == ["running", "running", "running"])
    }
}
