import ClusterModel
import Journal
import RunEngine
import TestSupport
import Testing

@Suite("Large plans")
struct LargePlanTests {
    @Test("a thousand hosts are planned in host order, and the plan reads back as the same bytes")
    func planned() async throws {
        let trial = EngineTrial(.sample(masters: 3, workers: 1_000, loadBalancers: 2))
        let plan = try await trial.plan(
            .toy([
                .toy("Masters", on: "masters", pace: .serial([.count(1)]), [.add("k", "a")]),
                .toy(
                    "Workers",
                    on: "workers",
                    pace: .serial([.count(1), .count(5), .percent(20)]),
                    [.add("k", "a"), .set("x", "1")]
                ),
            ])
        )
        #expect(plan.steps.count == 3 + 2 * 1_000)
        #expect(plan.stages[1].batches.map(\.count) == [1, 5, 200, 200, 200, 200, 194])
        let workers = plan.cluster.hosts.filter { $0.role == .worker }.map(\.name)
        #expect(plan.stages[1].batches.flatMap { $0 } == workers)
        let bytes = try plan.bytes()
        #expect(try Plan.read(bytes, from: "memory").bytes() == bytes)
    }

    @Test("a run over a thousand hosts resumes from its middle without looking at what is done")
    func thousand() async throws {
        let trial = EngineTrial(.sample(masters: 1, workers: 1_000, loadBalancers: 0))
        let plan = try await trial.plan(.toy([.toy(on: "workers", [.add("k", "a")])]))
        let journal = try trial.foldJournal(for: plan)
        await #expect(throws: JournalError.self) {
            try await trial.execute(plan, on: CrashingJournal(journal, crashAfter: 1_000))
        }
        let before = trial.hosts.calls.count
        let again = try trial.resumed(journal)
        let done = again.state.steps.values.count { $0.isSatisfied }
        #expect(done > 400)
        #expect(try await trial.execute(plan, on: again).exitCode == .done)
        #expect(trial.hosts.effects.values.allSatisfy { $0.count <= 1 })
        #expect(trial.hosts.calls.count - before < (1_000 - done) * 8)
    }
}
