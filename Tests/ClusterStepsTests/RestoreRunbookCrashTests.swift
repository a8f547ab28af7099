import ClusterModel
import Foundation
import RunEngine
import TestSupport
import Testing

/// What must be true of a restore of etcd besides that it ends the same (`ShippedRunbookCrashTests`): at every seventh point, or
/// at all of them with `ROLLBOOK_CRASH_DEPTH2=all`.
@Suite("Crashes while etcd is restored")
struct RestoreRunbookCrashTests {
    private static let runbook = ShippedRunbookCase(runbook: "etcd-restore", masters: 3)
    private static let isWhole = ProcessInfo.processInfo.environment["ROLLBOOK_CRASH_DEPTH2"] == "all"
    private static let masters = ["master1", "master2", "master3"]

    @Test("undisturbed, all members run on the restored data, their old is aside, and clients are let in again")
    func restored() async throws {
        let whole = try await Self.runbook.prepared().whole
        let lines = whole.endState.filter { !$0.contains("/") }
        #expect(
            lines.filter { $0.hasPrefix("master") || $0.hasPrefix("etcd") || $0.hasPrefix("lb1: master") }
                == Self.masters.flatMap { ["\($0): kubelet=begun anew", "\($0): pods=running"] }
                + Self.masters.map { "\($0): etcd runs, voter, 1 aside" }
                + Self.masters.map { "\($0): restored" }
                + ["etcd: 3 members"]
                + Self.masters.map { "lb1: \($0) serves" }
        )
        #expect(lines.filter { $0.hasPrefix("incident") } == [])
    }

    @Test("a worker that is away does not keep etcd from being restored; its kubelet is told of at the end")
    func workerAway() async throws {
        let cluster = ShippedWorld.cluster(masters: 3, workers: 2)
        let world = try Self.runbook.world(cluster, on: try await Self.runbook.lastNight(cluster))
        defer { world.close() }
        world.trial.hosts["worker2"].isUp = false
        let plan = try await Self.runbook.plan(in: world)
        #expect(plan.obstacles == [])
        let ending = try await world.trial.execute(
            plan,
            on: try world.trial.foldJournal(for: plan),
            services: try world.services()
        )
        #expect(ending.exitCode == .partial, "\(ending.problems)")
        #expect(ending.problems.contains { "\($0)".contains("worker2") }, "\(ending.problems)")
        let lines = try world.endState()
        #expect(lines.filter { $0.hasSuffix(": restored") }.count == 3)
        #expect(
            lines.filter { $0.hasSuffix("kubelet=begun anew") }
                == (Self.masters + ["worker1"]).map { "\($0): kubelet=begun anew" }
        )
    }

    @Test("given up at any record, all run on the same data, old or restored, never both; and clients are let in")
    func abandoned() async throws {
        let (matrix, whole) = try await Self.runbook.prepared()
        let points = Array(0..<whole.records).filter { Self.isWhole || $0 % 7 == 2 }
        let report = await matrix.check(points) { after -> String? in
            let blow = CrashMatrix.Blow.record(after, after % 2 == 0 ? .hostsGoOn : .nothingArrives)
            let once = try await matrix.isAbandoned(after: blow, dying: [])
            if let failure = once.failure ?? Self.fault(in: once.endState) { return failure }
            let seconds: [CrashMatrix.Blow] = [.record(1, .hostsGoOn), .after(call: 0), .record(2, .nothingArrives)]
            let second = seconds[after % seconds.count]
            let twice = try await matrix.isAbandoned(after: blow, dying: [second], as: once.endState)
            return twice.failure.map { "dying \(second): \($0)" }
        }
        #expect(report.failures.isEmpty, "\(report.summary)")
        #expect(report.cases >= 3)
    }

    /// What is wrong with a cluster whose restore was given up, or nil.
    private static func fault(in endState: [String]) -> String? {
        let wrong = endState.filter { line in
            line.hasPrefix("incident") || line.contains("etcd parked") || line.contains("etcd down")
                || line.contains("pods=parked") || line.contains("twice") || line.hasSuffix("is away")
                || line.contains("is left")
        }
        guard wrong.isEmpty else { return "left as: \(wrong)" }
        let restored = masters.filter { endState.contains("\($0): restored") }.count
        return restored == 0 || restored == masters.count ? nil : "\(restored) of \(masters.count) have restored data"
    }
}
