import ClusterModel
import Journal
import RunEngine
import Synchronization
import TestSupport
import Testing

/// Crashes at every record of a run, and of the resume after it, for any runbook.
struct CrashMatrix {
    enum Death: CaseIterable {
        /// The process is gone, but what it had sent goes on on the hosts.
        case hostsGoOn
        /// The process is gone before anything further reached a host.
        case nothingArrives
    }

    let runbook: Runbook
    let cluster: Cluster
    let prepare: @Sendable (SimulatedCluster) -> Void

    /// What an undisturbed run brings about, and how many records it writes.
    func undisturbed() async throws -> (values: [String: [String: String]], records: Int) {
        let (trial, plan) = try await start()
        let journal = try trial.foldJournal(for: plan)
        let before = journal.events.count
        let ending = try await trial.execute(plan, on: journal)
        #expect(ending.exitCode == .done)
        return (trial.hosts.values, journal.events.count - before)
    }

    /// Runs, dies where told, resumes, dies where told, and so on; the last session is left alone.
    func run(dying deaths: [(after: Int, Death)]) async throws -> (EngineTrial, FoldJournal, Executor.Ending?) {
        let (trial, plan) = try await start()
        var journal = try trial.foldJournal(for: plan)
        for (count, death) in deaths {
            let dying = CrashingJournal(journal, crashAfter: count) { [hosts = trial.hosts] in
                if death == .nothingArrives { hosts.inject { _ in .unreachable } }
            }
            // A session that ends before the crash is simply over.
            do {
                let ending = try await trial.execute(plan, on: dying)
                trial.hosts.inject { _ in nil }
                return (trial, journal, ending)
            } catch is JournalError {}
            trial.hosts.inject { _ in nil }
            journal = try trial.resumed(journal)
        }
        let ending = try await trial.execute(plan, on: journal)
        return (trial, journal, ending)
    }

    private func start() async throws -> (EngineTrial, Plan) {
        let trial = EngineTrial(cluster)
        prepare(trial.hosts)
        return (trial, try await trial.plan(runbook))
    }

    /// Dies at every point, up to `depth` times in a row, and expects the end state of an undisturbed run each time.
    func check(depth: Int) async throws -> Int {
        let (values, records) = try await undisturbed()
        var chains: [[(after: Int, Death)]] = [[]]
        var count = 0
        for _ in 0..<depth {
            chains = chains.flatMap { chain in
                (0...records).flatMap { after in Death.allCases.map { chain + [(after, $0)] } }
            }
            for chain in chains {
                count += 1
                let (trial, journal, ending) = try await run(dying: chain)
                let story = "\(chain.map { "\($0.after) \($0.1)" })"
                #expect(ending?.exitCode == .done, "\(story): \(ending?.problems.map(\.description) ?? [])")
                #expect(journal.state.status == .done, "\(story)")
                #expect(trial.hosts.values == values, "\(story)")
                for (host, effects) in trial.hosts.effects {
                    let added = effects.filter { $0.hasPrefix("add ") }
                    #expect(Set(added).count == added.count, "\(story): \(host) did \(added)")
                }
            }
        }
        return count
    }
}

@Suite("Recovery")
struct RecoveryTests {
    private static let small = Cluster.sample(masters: 2, workers: 1, loadBalancers: 0)
    private static let prepare: @Sendable (SimulatedCluster) -> Void = { hosts in
        for host in ["master1", "master2", "worker1"] { hosts[host].values = ["x": "0", "y": "7", "ready": "yes"] }
    }

    @Test(
        "killed at any record, twice in a row, a run of each class of step resumes to the same end with each effect once",
        arguments: [
            [StepCall.read("x")], [.set("x", "1")], [.add("k", "e")], [.toy("add-twice", ["key": .string("k")])],
            [.set("x", "1"), .add("k", "e")], [.add("k", "e"), .set("x", "2"), .add("k", "f")],
        ]
    )
    func everyClass(steps: [StepCall]) async throws {
        let matrix = CrashMatrix(
            runbook: .toy([.toy(on: "master1", steps)]),
            cluster: .sample(masters: 1, workers: 0, loadBalancers: 0),
            prepare: { $0["master1"].values = ["x": "0"] }
        )
        #expect(try await matrix.check(depth: 2) > 20)
    }

    @Test("killed at any record, a run over several hosts, stages, gates and an include resumes to the same end")
    func wholeRunbook() async throws {
        let matrix = CrashMatrix(
            runbook: .toy([
                .toy("Prepare", on: "all", [.set("x", "1")]),
                .toy(
                    "Masters",
                    on: "masters",
                    pace: .serial([.count(1)]),
                    require: [.gate("ready", "yes")],
                    gates: [.gate("ready", "yes")],
                    [.add("k", "e"), .toy("add-twice", ["key": .string("k")])]
                ),
                .toy("Workers", on: "workers", onFailure: .continue, [.read("y"), .add("k", "e")]),
            ]),
            cluster: Self.small,
            prepare: Self.prepare
        )
        #expect(try await matrix.check(depth: 1) > 40)
    }

    @Test("killed at any record with hosts at work at the same time, and again at any record of the resume")
    func parallel() async throws {
        let matrix = CrashMatrix(
            runbook: .toy([.toy(on: "all", [.add("k", "e"), .set("x", "1")])]),
            cluster: Self.small,
            prepare: Self.prepare
        )
        #expect(try await matrix.check(depth: 2) > 500)
    }

    @Test("every step performed twice leaves what performing it once leaves")
    func twice() async throws {
        let trial = EngineTrial(Self.small)
        Self.prepare(trial.hosts)
        let plan = try await trial.plan(.toy([.toy(on: "all", [.set("x", "1"), .add("k", "e"), .read("y")])]))
        let first = try trial.journal(for: plan)
        #expect(try await trial.execute(plan, on: first).exitCode == .done)
        let values = trial.hosts.values
        // The same run once more from its start, as if its journal had been lost: the hosts' state must not move.
        let again = try await trial.plan(.toy([.toy(on: "all", [.set("x", "1"), .read("y")])]))
        #expect(try await trial.execute(again, on: try trial.journal(for: again)).exitCode == .done)
        #expect(trial.hosts.values == values)
    }

    @Test("an idempotent step that failed after its effect is not taken for a stale plan when the run is resumed")
    func ownEffectIsNotStale() async throws {
        let trial = EngineTrial(Self.small)
        Self.prepare(trial.hosts)
        let plan = try await trial.plan(.toy([.toy(on: "master1", [.set("x", "1")])]))
        trial.hosts.inject { $0.isChanging ? .lostAfter : nil }
        let journal = try trial.journal(for: plan)
        #expect(try await trial.execute(plan, on: journal).exitCode == .stepFailed)
        trial.hosts.inject { _ in nil }
        let again = try trial.resumed(journal, of: plan)
        #expect(try await trial.execute(plan, on: again).exitCode == .done)
        #expect(trial.hosts["master1"].effects == ["set x=1"])
    }

    @Test("a repeatable step whose host is away at resume fails there, and the stage goes on as told")
    func repeatableAndAway() async throws {
        let trial = EngineTrial(Self.small)
        let plan = try await trial.plan(
            .toy([.toy(on: "masters", pace: .serial([.count(1)]), onFailure: .continue, [.set("y", "1")])])
        )
        let journal = try trial.journal(for: plan)
        let dying = CrashingJournal(journal, crashAfter: 1) { trial.hosts.inject { _ in .unreachable } }
        await #expect(throws: JournalError.self) { try await trial.execute(plan, on: dying) }
        trial.hosts.inject { _ in nil }
        trial.hosts["master1"].isUp = false
        let again = try trial.resumed(journal, of: plan)
        let ending = try await trial.execute(plan, on: again)
        #expect(ending.exitCode == .partial)
        #expect(again.state.status == .partial)
        #expect(trial.hosts["master2"].values["y"] == "1")
    }
}
