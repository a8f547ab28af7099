import ClusterModel
import Foundation
import Journal
import RunEngine
import TestSupport
import Testing

@testable import ClusterSteps

/// The upgrade of three masters and two workers, disturbed at points spread over it, or at all of them with
/// `ROLLBOOK_CRASH_DEPTH2=all`.
@Suite("Crashes during a rolling upgrade")
struct UpgradeRunbookCrashTests {
    private static let runbook = ShippedRunbookCase(runbook: "rolling-upgrade", masters: 3)
    private static let isWhole = ProcessInfo.processInfo.environment["ROLLBOOK_CRASH_DEPTH2"] == "all"

    private func sampled<Case>(_ cases: [Case], every step: Int) -> [Case] {
        Self.isWhole ? cases : cases.indices.filter { $0 % step == 1 }.map { cases[$0] }
    }

    private static let names = ["master1", "master2", "master3", "worker1", "worker2"]

    @Test("undisturbed, all of it is at the version, each kubelet was restarted once, and nothing forbidden happened")
    func undisturbed() async throws {
        let whole = try await Self.runbook.prepared().whole
        #expect(whole.failures == [])
        let state = whole.endState
        #expect(state.filter { $0.hasPrefix("incident") } == [])
        #expect(
            state.filter { $0.contains(": kubelet ") }
                == Self.names.map { name in
                    "\(name): kubelet v1.32.13, \(name == "master2" ? "cordoned by an operator" : "schedulable")"
                }
        )
        #expect(
            state.filter { $0.contains(": did ") } == [
                "master1: did upgrade apply v1.32.13 --yes, restart 1.32.13",
                "master2: did upgrade node, restart 1.32.13", "master3: did upgrade node, restart 1.32.13",
                "worker1: did restart 1.32.13", "worker2: did restart 1.32.13",
            ]
        )
        #expect(state.filter { $0.contains(": control plane ") }.allSatisfy { $0.hasSuffix(UpgradeScene.wanted) })
        #expect(state.contains("pods: 4 of 4 ready"))
    }

    @Test("killed anywhere, it resumes to the same end, with nothing forbidden on the way")
    func killed() async throws {
        let (matrix, whole) = try await Self.runbook.prepared()
        let blows = sampled(whole.recordBlows + whole.boundaryBlows, every: 191)
        let report = await matrix.check(blows.map { [$0] }) { try await matrix.resumes(after: $0, as: whole) }
        #expect(report.failures.isEmpty, "\(report.summary)")
        #expect(report.cases == blows.count && report.cases > 3)
    }

    @Test("given up anywhere, no mark of it is left, and no kubelet is newer than an API server")
    func abandoned() async throws {
        let (matrix, whole) = try await Self.runbook.prepared()
        // The moment a control plane is new, which there is no way back from, and its master is not in service yet.
        let turning = whole.events.firstIndex {
            if case .stepOutcome(let outcome) = $0 {
                outcome.step.text.hasSuffix("master1.kubeadm.upgrade")
            } else {
                false
            }
        }
        let points = sampled(Array(0..<whole.records), every: 61) + [try #require(turning) + 1]
        let report = await matrix.check(points) { after -> String? in
            let blow = CrashMatrix.Blow.record(after, after % 2 == 0 ? .hostsGoOn : .nothingArrives)
            let (failure, endState) = try await matrix.isAbandoned(after: blow, dying: [])
            return failure ?? endState.first { $0.hasPrefix("incident") }
                ?? (endState.contains("master2: kubelet v1.31.14, cordoned by an operator")
                    || endState.contains("master2: kubelet v1.32.13, cordoned by an operator")
                    ? nil : "the operator's cordon is gone")
        }
        #expect(report.failures.isEmpty, "\(report.summary)")
        #expect(report.cases > 2)
    }

    /// What is planned besides the backup, in order, as `KIND HOST`.
    private func plan(_ prepare: (UpgradeScene, EngineTrial) -> Void) async throws -> [String] {
        try await plan { scene, trial, _ in prepare(scene, trial) }
    }

    private func plan(_ prepare: (UpgradeScene, EngineTrial, ShippedWorld) -> Void) async throws -> [String] {
        let world = try Self.runbook.world(Self.runbook.cluster)
        defer { world.close() }
        prepare(try #require(world.scene), world.trial, world)
        let plan = try await Self.runbook.plan(in: world)
        #expect(plan.obstacles == [])
        #expect(plan.stages.flatMap(\.require).compactMap(\.closed) == [])
        let backup = try await ShippedRunbookCase(runbook: "nightly-backup", masters: 3).plan(in: world)
        let kinds = Set(backup.steps.map(\.kind))
        return plan.steps.filter { step in
            switch step.decision {
            case .noop, .warning: false
            case .change, .unknown, .blocked: !kinds.contains(step.kind)
            }
        }.map { "\($0.kind) \($0.host)" }
    }

    private static let both = ["availability.measure master1", "availability.report master1"]

    private static func between(_ steps: [String]) -> [String] { [both[0]] + steps + [both[1]] }

    private static func controlPlane(_ name: String) -> [String] {
        ["loadBalancer.drain-backend", "etcd.move-leader", "kubeadm.upgrade", "loadBalancer.enable-backend"]
            .map { "\($0) \(name)" }
    }

    private static func kubelet(_ name: String) -> [String] {
        // What an operator has cordoned is not cordoned, and no pod of it has to leave.
        let drain = name == "master2" ? [] : ["node.cordon", "node.drain"]
        return
            (["loadBalancer.drain-backend", "etcd.move-leader"] + drain + [
                "kubelet.upgrade", "node.uncordon", "loadBalancer.enable-backend",
            ])
            .map { "\($0) \(name)" }
    }

    private static func worker(_ name: String) -> [String] {
        ["kubeadm.upgrade", "node.cordon", "node.drain", "kubelet.upgrade", "node.uncordon"].map { "\($0) \(name)" }
    }

    private static let masters = ["master1", "master2", "master3"]

    @Test("with nothing done yet, all of it is planned")
    func wholePlan() async throws {
        let planned = try await plan { _, _ in }
        #expect(
            planned
                == Self.between(
                    Self.names.map { "package.repository \($0)" } + Self.masters.flatMap(Self.controlPlane)
                        + Self.masters.flatMap(Self.kubelet) + ["worker1", "worker2"].flatMap(Self.worker)
                )
        )
    }

    @Test("with one control plane done, that one is left in service until its kubelet's turn comes")
    func firstControlPlaneDone() async throws {
        let planned = try await plan { scene, trial in scene.finish(["master1"], kubelet: false, in: trial) }
        #expect(
            planned
                == Self.between(
                    Self.names.dropFirst().map { "package.repository \($0)" }
                        + ["master2", "master3"].flatMap(Self.controlPlane) + Self.masters.flatMap(Self.kubelet)
                        + ["worker1", "worker2"].flatMap(Self.worker)
                )
        )
    }

    @Test("with all masters and one worker done, only the other worker is left")
    func lastWorkerLeft() async throws {
        let planned = try await plan { scene, trial in
            scene.finish(Self.masters + ["worker1"], kubelet: true, in: trial)
        }
        #expect(planned == Self.between(["package.repository worker2"] + Self.worker("worker2")))
    }

    @Test("with everything done there is nothing to do, no backup before it and nothing to measure")
    func everythingDone() async throws {
        let world = try Self.runbook.world(Self.runbook.cluster)
        defer { world.close() }
        try #require(world.scene).finish(Self.names, kubelet: true, in: world.trial)
        let plan = try await Self.runbook.plan(in: world)
        #expect(plan.obstacles == [] && !plan.hasChanges, "\(plan.steps.map(\.decision))")
        #expect(plan.steps.contains { $0.kind == "etcd.snapshot" })
    }

    @Test("stages of the backup are told apart from the upgrade's own, and each name is there once")
    func stageNames() async throws {
        let world = try Self.runbook.world(Self.runbook.cluster)
        defer { world.close() }
        let names = try await Self.runbook.plan(in: world).stages.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(
            names.prefix(3) == ["Ready", "Backup before any change: Ready", "Backup before any change: etcd snapshots"]
        )
    }

    @Test("a master that a lost run left drained is put back before another one is, half done as well as done")
    func leftDrained() async throws {
        func leave(_ world: ShippedWorld) {
            world.balancers["lb1"]?.change("master2") { ($0.admin, $0.heldBy) = (8, "20261119T101010Z-00000001") }
        }
        let back = "loadBalancer.enable-backend master2"
        let half = try await plan { scene, trial, world in
            scene.finish(["master1"], kubelet: false, in: trial)
            leave(world)
        }
        #expect(
            half
                == Self.between(
                    Self.names.dropFirst().map { "package.repository \($0)" } + [back]
                        + ["master2", "master3"].flatMap(Self.controlPlane) + Self.masters.flatMap(Self.kubelet)
                        + ["worker1", "worker2"].flatMap(Self.worker)
                )
        )
        let done = try await plan { scene, trial, world in
            scene.finish(Self.names, kubelet: true, in: trial)
            leave(world)
        }
        #expect(done == Self.between([back]))
    }

    @Test("a run after one whose journal is lost ends as any other, with never two masters out of the load balancer")
    func runAfterLost() async throws {
        let world = try Self.runbook.world(Self.runbook.cluster)
        defer { world.close() }
        world.balancers["lb1"]?.change("master2") { ($0.admin, $0.heldBy) = (8, "20261119T101010Z-00000001") }
        let plan = try await Self.runbook.plan(in: world)
        #expect(plan.obstacles == [])
        let journal = try world.trial.foldJournal(for: plan)
        let ending = try await world.trial.execute(plan, on: journal, services: try world.services())
        #expect(ending.result == .done, "\(ending.problems)")
        let state = try world.endState()
        #expect(state.filter { $0.hasPrefix("incident") || $0.hasSuffix("is left") } == [])
        #expect(state.filter { $0.hasPrefix("lb1: master") } == Self.masters.map { "lb1: \($0) serves" })
        #expect(state.filter { $0.contains(": control plane ") }.allSatisfy { $0.hasSuffix(UpgradeScene.wanted) })
    }

    @Test("what an earlier run left of a node that is done is taken back")
    func leftCordoned() async throws {
        let planned = try await plan { scene, trial in
            scene.finish(Self.names, kubelet: true, in: trial)
            scene.kubernetes.node("worker1") { node in
                node.isCordoned = true
                node.by = "20261119T101010Z-00000001"
            }
        }
        #expect(planned == Self.between(["node.uncordon worker1"]))
    }
}
