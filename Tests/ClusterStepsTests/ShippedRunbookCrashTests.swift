import Foundation
import Journal
import RunEngine
import TestSupport
import Testing

/// Every shipped runbook, disturbed at every point it has: on one master at all of them or many, on three at a sample.
///
/// With `ROLLBOOK_CRASH_DEPTH2` set to a number or `all`, nothing is left out, and so many pairs of
/// crashes are tried on one master, a quarter of them on three; all pairs take hours.
@Suite("Crashes of shipped runbooks")
struct ShippedRunbookCrashTests {
    static let alone = ShippedRunbookCase.all(masters: 1)
    static let three = ShippedRunbookCase.all(masters: 3)

    /// Those that are not killed at more points elsewhere (`EtcdRunbookCrashTests`).
    private static let sampledHere = three.filter { !EtcdRunbookCrashTests.runbooks.contains($0) }

    private static let wanted = ProcessInfo.processInfo.environment["ROLLBOOK_CRASH_DEPTH2"] ?? ""
    private static let isWhole = !wanted.isEmpty
    private static let pairs = wanted == "all" ? nil : Int(wanted) ?? 24

    /// All of the cases of the nightly backup on one master, every fourth of longer runbooks', and few on three masters, so that the
    /// unit tests stay quick.
    private func sampled<Case>(_ cases: [Case], of runbook: ShippedRunbookCase) -> [Case] {
        guard !Self.isWhole else { return cases }
        // The longest ones, which `RestoreRunbookCrashTests` and `UpgradeRunbookCrashTests` disturb at points of their own.
        let length = ["etcd-restore": 11, "rolling-upgrade": 67][runbook.runbook]
        let onThree = length.map { $0 * 4 } ?? (Self.sampledHere.contains(runbook) ? 19 : 43)
        let every = runbook.masters > 1 ? onThree : length ?? (runbook.runbook == "nightly-backup" ? 1 : 4)
        return cases.indices.filter { $0 % every == 3 % every }.map { cases[$0] }
    }

    @Test("undisturbed, it ends done and leaves nothing behind", arguments: alone + three)
    func undisturbed(runbook: ShippedRunbookCase) async throws {
        let whole = try await runbook.prepared().whole
        #expect(whole.failures == [])
        #expect(whole.endState.filter { $0.hasSuffix(" is left") } == [])
        #expect(!whole.endState.isEmpty && whole.records >= 10)
    }

    @Test("killed at any record, call or boundary, it resumes to the same end", arguments: alone + sampledHere)
    func killed(runbook: ShippedRunbookCase) async throws {
        let (matrix, whole) = try await runbook.prepared()
        let blows = sampled(whole.recordBlows + whole.boundaryBlows, of: runbook)
        let report = await matrix.check(blows.map { [$0] }) { try await matrix.resumes(after: $0, as: whole) }
        #expect(report.failures.isEmpty, "\(report.summary)")
        #expect(report.cases == blows.count && report.cases > 3)
    }

    @Test("killed again while it is resumed, it resumes to the same end", arguments: alone + three)
    func killedTwice(runbook: ShippedRunbookCase) async throws {
        let (matrix, whole) = try await runbook.prepared()
        let few = runbook.runbook == "rolling-upgrade" && !Self.isWhole ? 6 : 1
        let count = (runbook.masters == 1 ? Self.pairs : Self.pairs.map { $0 / 4 }).map { $0 / few }
        let pairs = CrashMatrix.Undisturbed.pairs(of: whole.recordBlows + whole.boundaryBlows, count: count)
        let report = await matrix.check(pairs) { try await matrix.resumes(after: $0, as: whole) }
        #expect(report.failures.isEmpty, "\(report.summary)")
    }

    @Test("every step performed a second time leaves what once leaves", arguments: alone)
    func performedTwice(runbook: ShippedRunbookCase) async throws {
        let (matrix, whole) = try await runbook.prepared()
        let all = whole.events.indices.filter { if case .stepIntent = whole.events[$0] { true } else { false } }
        let isSampled = runbook.runbook == "rolling-upgrade" && !Self.isWhole
        let intents = isSampled ? all.indices.filter { $0 % 8 == 7 }.map { all[$0] } : all
        // It dies with the effect there, the disk as the step left it and the outcome not recorded.
        let blows = intents.map { [CrashMatrix.Blow.record($0 + 1, .hostsGoOn)] }
        let report = await matrix.check(blows) { try await matrix.resumes(after: $0, as: whole) }
        #expect(report.failures.isEmpty, "\(report.summary)")
        #expect(report.cases >= 3)
    }

    private struct FailedCall: Sendable {
        let call: SimulatedCluster.Call
        let number: Int
        let fault: SimulatedCluster.Fault
    }

    @Test("whatever call fails, success is never claimed with something missing", arguments: alone + three)
    func failingCalls(runbook: ShippedRunbookCase) async throws {
        let (matrix, whole) = try await runbook.prepared()
        let faults: [SimulatedCluster.Fault] = [
            .unreachable, .lostBefore, .lostAfter, .rebootAfter, .vanish,
        ]
        let cases = whole.calls.enumerated().flatMap { number, call in
            faults.map { FailedCall(call: call, number: number, fault: $0) }
        }
        let report = await matrix.check(sampled(cases, of: runbook)) {
            try await matrix.survives($0.fault, atCall: $0.number, as: whole)
        }
        #expect(report.failures.isEmpty, "\(report.summary)")
        #expect(report.cases > 3)
    }

    @Test("given up at any record, and killed while that goes on, it ends the same", arguments: alone)
    func abandoned(runbook: ShippedRunbookCase) async throws {
        let (matrix, whole) = try await runbook.prepared()
        let report = await matrix.check(sampled(Array(0..<whole.records), of: runbook)) { after -> String? in
            let blow = CrashMatrix.Blow.record(after, after % 2 == 0 ? .hostsGoOn : .nothingArrives)
            let once = try await matrix.isAbandoned(after: blow, dying: [])
            if let failure = once.failure { return failure }
            let seconds: [CrashMatrix.Blow] = [.record(1, .hostsGoOn), .after(call: 0), .record(2, .nothingArrives)]
            let second = seconds[after % seconds.count]
            let twice = try await matrix.isAbandoned(after: blow, dying: [second], as: once.endState)
            return twice.failure.map { "dying \(second): \($0)" }
        }
        #expect(report.failures.isEmpty, "\(report.summary)")
    }
}
