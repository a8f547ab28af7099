import ClusterModel
import Foundation
import Journal
import SystemPackage
import TestSupport
import Testing

@testable import RollbookCLI

@Suite("Whether a run succeeded lately")
struct RunFreshnessTests {
    private func success(at seconds: Int64) -> RunFreshness.Success {
        .init(run: RunID(moment: UTCMoment(seconds: seconds - 60), random: 1), ended: UTCMoment(seconds: seconds))
    }

    @Test("fresh, stale, and a clock in doubt: only the first is well")
    func verdicts() {
        let cases: [(ended: Int64, now: Int64, verdict: RunFreshness.Verdict)] = [
            (1000, 1000, .fresh), (1000, 4600, .fresh), (1000, 4601, .stale), (1000, 800, .fresh),
            (1000, 699, .clockInDoubt),
        ]
        for (ended, now, verdict) in cases {
            let freshness = RunFreshness(success(at: ended), maxAge: .seconds(3600), now: UTCMoment(seconds: now))
            #expect(freshness.verdict == verdict)
            #expect(freshness.exitCode == (verdict == .fresh ? .done : .refused))
        }
    }

    @Test("without any success the answer is no")
    func noSuccess() {
        let freshness = RunFreshness(nil, maxAge: .seconds(3600), now: UTCMoment(seconds: 5))
        #expect(freshness.verdict == .none)
        #expect(freshness.exitCode == .refused)
        #expect(
            freshness.sentence("preflight on prod", limit: "26h")
                == "preflight on prod: NONE: no run succeeded (limit 26h)"
        )
        #expect(freshness.json(runbook: "preflight", cluster: nil, maxAge: .seconds(3600))["newestSuccess"] == .null)
    }

    @Test("the newest success counts: not a failed, a partial or a damaged run, nor one of another runbook or cluster")
    func finder() throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "rollbook-fresh-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        let state = try StateDirectory.prepare(at: FilePath(root.path))
        let prod = try #require(ClusterID("prod"))
        let good = try record(state, 1000, "nightly-backup", prod, .done, .done)
        _ = try record(state, 2000, "nightly-backup", prod, .partial, .partial)
        _ = try record(state, 3000, "nightly-backup", prod, .held, .stepFailed)
        let other = try record(state, 4000, "preflight", prod, .done, .done)
        let elsewhere = try record(state, 5000, "nightly-backup", try #require(ClusterID("test")), .done, .done)
        let damaged = try record(state, 6000, "nightly-backup", prod, .done, .done)
        let journal = state.folder(of: damaged).journal.string
        var bytes = try Data(contentsOf: URL(filePath: journal))
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: URL(filePath: journal))
        func newest(_ runbook: String?, _ cluster: ClusterID?) throws -> RunID? {
            try RunFreshnessFinder(folder: state, runbook: runbook, cluster: cluster).newest()?.run
        }
        #expect(try newest("nightly-backup", prod) == good)
        #expect(try newest("nightly-backup", nil) == elsewhere)
        #expect(try newest(nil, prod) == other)
        #expect(try newest("rolling-upgrade", nil) == nil)
    }

    private func record(
        _ state: StateDirectory,
        _ seconds: Int64,
        _ runbook: String,
        _ cluster: ClusterID,
        _ result: RunEnd.Result,
        _ code: ExitCode
    ) throws -> RunID {
        let run = RunID(moment: UTCMoment(seconds: seconds), random: 7)
        let plan = Array("{}".utf8)
        let begin = RunBegin(
            plan: ContentHash(of: plan),
            by: Operator(program: "rollbook test", host: "c", user: "u", pid: 1),
            cluster: cluster,
            runbook: runbook,
            steps: 0
        )
        let journal = try JournalWriter.create(
            in: try state.makeRun(run),
            plan: plan,
            begin: begin,
            clock: JournalClock(time: TestTime(), boot: "boot")
        )
        try journal.append(.lockTaken(LockTaken(epoch: 1)))
        try journal.append(.runEnd(RunEnd(result: result, exitCode: code)))
        return run
    }
}
