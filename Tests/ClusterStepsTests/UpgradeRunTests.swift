import ClusterModel
import Foundation
import Journal
import RunEngine
import Synchronization
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("Runs of the upgrade steps")
struct UpgradeRunTests {
    private struct World {
        let trial: EngineTrial
        let nodes: SimulatedUpgrade

        init() {
            trial = EngineTrial(.sample(workers: 1, loadBalancers: 0), registry: .shipped)
            nodes = SimulatedUpgrade(trial.cluster)
            for host in trial.cluster.hosts {
                trial.hosts[host.name.text].values["name"] = host.name.text
                trial.hosts[host.name.text].responder = { [nodes] host, script, arguments in
                    nodes.answer(&host, script, arguments)
                }
            }
        }

        func plan() async throws -> Plan {
            func call(_ kind: String) -> StepCall {
                StepCall(
                    kind: kind,
                    parameters: ["version": .string("1.32.13")],
                    location: SourceLocation(file: "r.yaml", line: 1, column: 1)
                )
            }
            let one = RunbookStage.Pace.serial([.count(1)])
            return try await trial.plan(
                .toy([
                    .toy("Repository", on: "masters:workers", [call("package.repository")]),
                    .toy("Control plane", on: "masters", pace: one, [call("kubeadm.upgrade")]),
                    .toy("Kubelets", on: "masters", pace: one, [call("kubelet.upgrade")]),
                    .toy("Workers", on: "workers", pace: one, [call("kubeadm.upgrade"), call("kubelet.upgrade")]),
                ])
            )
        }
    }

    private static let done =
        ["master1", "master2", "master3"].map { "\($0) 32 1.32.13 1.32.13 1.32.13 1.32.13 1.32.13" }
        + ["worker1 32 1.32.13 1.32.13 1.32.13 1.32.13 -"]

    @Test("planned at once, no step finds what another one of the run changed; after it there is nothing to do")
    func whole() async throws {
        let world = World()
        let plan = try await world.plan()
        #expect(plan.steps.count == 12)
        let ending = try await world.trial.execute(plan, on: try world.trial.foldJournal(for: plan))
        #expect(ending.result == .done && ending.problems == [])
        #expect(world.nodes.endState(world.trial) == Self.done)
        #expect(
            world.trial.hosts["master1"].effects.filter { !$0.hasPrefix("op") } == [
                "upgrade apply v1.32.13 --yes", "restart 1.32.13",
            ]
        )
        #expect(
            world.trial.hosts["master2"].effects.filter { !$0.hasPrefix("op") } == ["upgrade node", "restart 1.32.13"]
        )
        let again = try await world.plan()
        let outlooks = again.steps.map { if case .noop = $0.decision { "noop" } else { "\($0.decision)" } }
        #expect(Set(outlooks) == ["noop"])
    }

    @Test("whatever call goes wrong once, the resumed run comes to the same end, and every kubelet is restarted once")
    func faults() async throws {
        let count = Mutex(0)
        let whole = World()
        whole.trial.hosts.inject { _ in
            count.withLock { $0 += 1 }
            return nil
        }
        let plan = try await whole.plan()
        let planned = count.withLock { $0 }
        _ = try await whole.trial.execute(plan, on: try whole.trial.foldJournal(for: plan))
        let calls = count.withLock { $0 }
        #expect(calls - planned > 20)
        let faults: [SimulatedCluster.Fault] = [
            .lostBefore, .lostAfter, .rebootBefore, .rebootAfter, .vanish, .unreachable,
        ]
        let isWhole = ProcessInfo.processInfo.environment["ROLLBOOK_CRASH_DEPTH2"] == "all"
        for number in planned..<calls where isWhole || number % 5 == 2 {
            let world = World()
            let plan = try await world.plan()
            let journal = try world.trial.foldJournal(for: plan)
            let seen = Mutex(planned)
            world.trial.hosts.inject { _ in
                let own = seen.withLock { seen in
                    defer { seen += 1 }
                    return seen
                }
                return own == number ? faults[number % faults.count] : nil
            }
            var ending = try await world.trial.execute(plan, on: journal)
            if ending.result != .done {
                world.trial.hosts.inject { _ in nil }
                ending = try await world.trial.execute(plan, on: try world.trial.resumed(journal))
            }
            #expect(ending.result == .done, "call \(number): \(ending.problems.map(\.description))")
            #expect(world.nodes.endState(world.trial) == Self.done, "call \(number)")
            for host in world.trial.cluster.hosts {
                let restarts = world.trial.hosts[host.name.text].effects.filter { $0.hasPrefix("restart") }
                #expect(restarts == ["restart 1.32.13"], "call \(number), \(host.name)")
            }
        }
    }

    @Test("given up after a kubelet did not come up, kubelets go back to what they were, and the control plane stays")
    func abandoned() async throws {
        let world = World()
        world.trial.hosts["master2"].values["broken"] = "1.32.13"
        let plan = try await world.plan()
        let journal = try world.trial.foldJournal(for: plan)
        let ending = try await world.trial.execute(plan, on: journal)
        #expect(ending.result == .held)
        #expect(ending.problems.first?.event.hasPrefix("the kubelet was restarted") == true)
        let end = try await world.trial.executor(for: plan, on: try world.trial.resumed(journal)).abandon()
        #expect(end.result == .abandoned && end.exitCode == .partial)
        let state = world.nodes.endState(world.trial)
        // The one that failed is left for a person; a step that failed is not undone.
        #expect(state[0] == "master1 32 1.32.13 1.31.14 1.31.14 1.31.14 1.32.13")
        #expect(state[2] == "master3 32 1.32.13 - - - 1.32.13")
        // Nothing was done on the worker but to its repository.
        #expect(state[3] == "worker1 - - - - - -")
    }
}
