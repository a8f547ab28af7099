import ClusterModel
import Foundation
import Journal
import RunEngine
import TestSupport
import Testing

/// Sizes come from the environment (ROLLBOOK_HOSTS), times are printed and never asserted.
@Suite("Large plans", .serialized)
struct LargePlanTests {
    private static let workers = ProcessInfo.processInfo.environment["ROLLBOOK_HOSTS"].flatMap { Int($0) } ?? 500

    /// The most memory this process had so far.
    private var peak: String {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        return status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }.map(String.init) ?? ""
    }

    @Test("very many hosts are planned in host order, and the plan reads back as the same bytes")
    func planned() async throws {
        let count = Self.workers
        let trial = EngineTrial(.sample(masters: 3, workers: count, loadBalancers: 2))
        let runbook = Runbook.toy([
            .toy("Masters", on: "masters", pace: .serial([.count(1)]), [.add("k", "a")]),
            .toy(
                "Workers",
                on: "workers",
                pace: .serial([.count(1), .count(5), .percent(20)]),
                [.add("k", "a"), .set("x", "1")]
            ),
        ])
        let clock = ContinuousClock()
        var made: Plan?
        let planning = try await clock.measure { made = try await trial.plan(runbook) }
        let plan = try #require(made)
        #expect(plan.steps.count == 3 + 2 * count)
        #expect(plan.stages[1].batches.prefix(3).map(\.count) == [1, 5, count / 5])
        let workers = plan.cluster.hosts.filter { $0.role == .worker }.map(\.name)
        #expect(plan.stages[1].batches.flatMap { $0 } == workers)
        let storing = try clock.measure {
            let bytes = try plan.bytes()
            #expect(try Plan.read(bytes, from: "memory").bytes() == bytes)
        }
        print(
            "\(count) hosts, \(plan.steps.count) steps: planned in \(planning), stored and read in \(storing); \(peak)"
        )
    }

    @Test("a run over many hosts resumes from its middle, and asks only hosts that have something left to do")
    func resumed() async throws {
        let count = Self.workers
        let trial = EngineTrial(.sample(masters: 1, workers: count, loadBalancers: 0))
        let plan = try await trial.plan(.toy([.toy(on: "workers", [.add("k", "a")])]))
        let journal = try trial.foldJournal(for: plan)
        await #expect(throws: JournalError.self) {
            try await trial.execute(plan, on: CrashingJournal(journal, crashAfter: count))
        }
        let before = trial.hosts.calls.count
        let again = try trial.resumed(journal)
        let done = again.state.steps.values.count { $0.isSatisfied }
        #expect(done > count * 2 / 5)
        let clock = ContinuousClock()
        let began = clock.now
        let ending = try await trial.execute(plan, on: again)
        let time = clock.now - began
        #expect(ending.exitCode == .done)
        #expect(trial.hosts.effects.values.allSatisfy { $0.count <= 1 })
        #expect(trial.hosts.calls.count - before < (count - done) * 8)
        print("\(count) hosts, \(done) of them done: the rest in \(time); \(peak)")
    }
}
