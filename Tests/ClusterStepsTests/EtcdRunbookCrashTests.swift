import ClusterModel
import Foundation
import Journal
import RunEngine
import Synchronization
import TestSupport
import Testing

/// The runbooks that change etcd's members, disturbed more often than the sample of `ShippedRunbookCrashTests`: at every
/// eleventh point, or at all of them with `ROLLBOOK_CRASH_DEPTH2=all`.
@Suite("Crashes while members of etcd change")
struct EtcdRunbookCrashTests {
    static let runbooks = ShippedRunbookCase.all(masters: 3).filter { $0.runbook.hasPrefix("etcd-member-") }

    private static let isWhole = ProcessInfo.processInfo.environment["ROLLBOOK_CRASH_DEPTH2"] == "all"

    private func sampled<Case>(_ cases: [Case], every step: Int) -> [Case] {
        Self.isWhole ? cases : cases.indices.filter { $0 % step == 1 }.map { cases[$0] }
    }

    @Test("undisturbed, three vote again, the old data is aside, and nothing forbidden happened")
    func replaced() async throws {
        let runbook = try #require(Self.runbooks.first { $0.runbook == "etcd-member-replace" })
        let whole = try await runbook.prepared().whole
        #expect(
            whole.endState.filter { $0.contains("etcd") && !$0.contains("/") } == [
                "master1: etcd runs, voter, 0 aside", "master2: etcd runs, voter, 1 aside",
                "master3: etcd runs, voter, 0 aside", "etcd: 3 members",
            ]
        )
        #expect(whole.endState.filter { $0.hasPrefix("incident") } == [])
    }

    @Test("undisturbed, a lost host's member is off the list, and nothing forbidden happened")
    func removed() async throws {
        let runbook = try #require(Self.runbooks.first { $0.runbook == "etcd-member-remove" })
        let whole = try await runbook.prepared().whole
        #expect(
            whole.endState.filter { $0.contains("etcd") && !$0.contains("/") } == [
                "master1: etcd runs, voter, 0 aside", "master2: etcd lost, no member, 0 aside",
                "master3: etcd runs, voter, 0 aside", "etcd: 2 members",
            ]
        )
        #expect(whole.endState.filter { $0.hasPrefix("incident") } == [])
    }

    @Test("killed anywhere, it resumes to the same end", arguments: runbooks)
    func killed(runbook: ShippedRunbookCase) async throws {
        let (matrix, whole) = try await runbook.prepared()
        let blows = sampled(whole.recordBlows + whole.boundaryBlows, every: 11)
        let report = await matrix.check(blows.map { [$0] }) { try await matrix.resumes(after: $0, as: whole) }
        #expect(report.failures.isEmpty, "\(report.summary)")
        #expect(report.cases == blows.count && report.cases > 5)
    }

    @Test("every step performed a second time leaves what once leaves", arguments: runbooks)
    func performedTwice(runbook: ShippedRunbookCase) async throws {
        let (matrix, whole) = try await runbook.prepared()
        let intents = whole.events.indices.filter { if case .stepIntent = whole.events[$0] { true } else { false } }
        let blows = intents.map { [CrashMatrix.Blow.record($0 + 1, .hostsGoOn)] }
        let report = await matrix.check(blows) { try await matrix.resumes(after: $0, as: whole) }
        #expect(report.failures.isEmpty, "\(report.summary)")
        #expect(report.cases >= 3)
    }

    /// What a run that was given up may leave of the member: as before, whole and new, or taken out with its old data kept.
    private static let ends: Set<String> = [
        // Nothing was done yet, or all of that was undone.
        "etcd runs, voter, 0 aside; 3 members",
        // It votes already; only what came after is left out.
        "etcd runs, voter, 1 aside; 3 members",
        // It is off the list, and stays so: parked, with its old data where it was or aside.
        "etcd parked, no member, 0 aside; 2 members", "etcd parked, no member, 1 aside; 2 members",
        // The host of a member that was lost.
        "etcd lost, voter, 0 aside; 3 members", "etcd lost, no member, 0 aside; 2 members",
    ]

    @Test("given up at any record, a quorum is left and old data is never started", arguments: runbooks)
    func abandoned(runbook: ShippedRunbookCase) async throws {
        let (matrix, whole) = try await runbook.prepared()
        let report = await matrix.check(sampled(Array(0..<whole.records), every: 4)) { after -> String? in
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

    /// Executes, then gives up what did not come to its end, and says what is wrong with what is left.
    private func givesUp(_ matrix: CrashMatrix, _ prepare: (ShippedWorld) -> Void) async throws -> String? {
        let world = try #require(try matrix.makeWorld() as? ShippedWorld)
        defer { world.close() }
        prepare(world)
        let journal = try world.trial.foldJournal(for: matrix.plan)
        let ending = try await world.trial.execute(matrix.plan, on: journal, services: try world.services())
        world.trial.hosts.inject { _ in nil }
        guard ending.result == .held else { return Self.fault(in: try world.endState()) }
        let later = try world.trial.resumed(journal)
        let end = try await world.trial.executor(for: matrix.plan, on: later, services: try world.services()).abandon()
        guard end.result == .abandoned else { return "ended \(end.result): \(end.problems.map(\.description))" }
        return try Self.fault(in: world.endState())
    }

    @Test("a learner that never catches up is taken off the list again when the run is given up")
    func neverCatchesUp() async throws {
        let runbook = try #require(Self.runbooks.first { $0.runbook == "etcd-member-replace" })
        let matrix = try await runbook.prepared().matrix
        let seen = Mutex<[String]>([])
        let fault = try await givesUp(matrix) { world in
            world.etcd.change { $0.promotesNobody = true }
            let etcd = world.etcd
            world.trial.hosts.watch { _ in
                let line = etcd.lines()[1]
                seen.withLock { if $0.last != line { $0.append(line) } }
            }
        }
        // Off the list in the end, as `ends` has no learner; stopped before that.
        #expect(fault == nil)
        #expect(
            seen.withLock { $0.suffix(2) } == [
                "master2: etcd runs, learner, 1 aside", "master2: etcd parked, learner, 1 aside",
            ]
        )
    }

    @Test(
        "whatever call fails, a run that is given up leaves a quorum, and old data is never started",
        arguments: runbooks
    )
    func failedAndAbandoned(runbook: ShippedRunbookCase) async throws {
        let (matrix, whole) = try await runbook.prepared()
        let faults: [SimulatedCluster.Fault] = [.unreachable, .lostAfter, .rebootBefore, .vanish]
        let cases = whole.calls.indices.flatMap { number in faults.map { (number: number, fault: $0) } }
        let report = await matrix.check(sampled(cases, every: 23)) { item in
            try await givesUp(matrix) { world in
                let count = Mutex(-1)
                world.trial.hosts.inject { _ in
                    count.withLock { count in
                        count += 1
                        return count == item.number ? item.fault : nil
                    }
                }
            }
        }
        #expect(report.failures.isEmpty, "\(report.summary)")
        #expect(report.cases > 5)
    }

    private static func fault(in endState: [String]) -> String? {
        if let incident = endState.first(where: { $0.hasPrefix("incident") }) { return incident }
        let member = endState.first { $0.hasPrefix("master2: etcd") }?.dropFirst("master2: ".count) ?? ""
        let count = endState.first { $0.hasPrefix("etcd: ") }?.dropFirst("etcd: ".count) ?? ""
        let end = "\(member); \(count)"
        return ends.contains(end) ? nil : "left as: \(end)"
    }
}
