import ClusterModel
import Journal
import RunEngine
import Synchronization
import TestSupport
import Testing

/// Hosts on which toy steps leave nothing but values, and added entries once.
struct ToyWorld: CrashWorld {
    let trial: EngineTrial

    func endState() throws -> [String] {
        let values = trial.hosts.values.flatMap { host, values in values.map { "\(host) \($0.key)=\($0.value)" } }
        let doubled = trial.hosts.effects.flatMap { host, effects in
            let added = effects.filter { $0.hasPrefix("add ") }
            return Set(added).count == added.count ? [] : ["\(host) did \(added)"]
        }
        return (values + doubled).sorted()
    }
}

extension CrashMatrix {
    /// A matrix over a runbook of toy steps.
    static func toy(
        _ runbook: Runbook,
        on cluster: Cluster,
        isOwned: Bool = false,
        prepare: @escaping @Sendable (SimulatedCluster) -> Void
    ) async throws -> CrashMatrix {
        @Sendable func world() -> ToyWorld {
            let trial = EngineTrial(cluster)
            prepare(trial.hosts)
            return ToyWorld(trial: trial)
        }
        let plan = try await world().trial.plan(runbook)
        return CrashMatrix(plan, isOwned: isOwned, world: world)
    }

    /// Dies at every record, up to `depth` (1 or 2) times in a row, and expects the end state of an undisturbed run each time.
    func check(depth: Int) async throws -> Int {
        let whole = try await undisturbed()
        #expect(whole.failures == [])
        var chains = whole.recordBlows.map { [$0] }
        if depth > 1 { chains += Undisturbed.pairs(of: whole.recordBlows, count: nil) }
        let report = await check(chains) { try await resumes(after: $0, as: whole) }
        #expect(report.failures.isEmpty, "\(report.summary)")
        return report.cases
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
        let matrix = try await CrashMatrix.toy(
            .toy([.toy(on: "master1", steps)]),
            on: .sample(masters: 1, workers: 0, loadBalancers: 0),
            prepare: { $0["master1"].values = ["x": "0"] }
        )
        #expect(try await matrix.check(depth: 2) > 20)
    }

    @Test("killed at any record, a run over several hosts, stages, gates and an include resumes to the same end")
    func wholeRunbook() async throws {
        let matrix = try await CrashMatrix.toy(
            .toy([
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
            on: Self.small,
            prepare: Self.prepare
        )
        #expect(try await matrix.check(depth: 1) > 40)
    }

    @Test("killed at any record with hosts at work at the same time, and again at any record of the resume")
    func parallel() async throws {
        let matrix = try await CrashMatrix.toy(
            .toy([.toy(on: "all", [.add("k", "e"), .set("x", "1")])]),
            on: Self.small,
            prepare: Self.prepare
        )
        #expect(try await matrix.check(depth: 2) > 500)
    }

    @Test("killed before or behind any call to a host, a run that owns its hosts resumes to the same end")
    func calls() async throws {
        let matrix = try await CrashMatrix.toy(
            .toy([
                .toy(on: "masters", pace: .serial([.count(1)]), [.add("k", "e"), .set("x", "1")]),
                .toy(on: "worker1", [.toy("hold", ["key": .string("x"), "value": .string("held")]), .read("y")]),
            ]),
            on: Self.small,
            isOwned: true,
            prepare: Self.prepare
        )
        let whole = try await matrix.undisturbed()
        let blows = whole.boundaryBlows + whole.recordBlows
        let report = await matrix.check(blows.map { [$0] }) { try await matrix.resumes(after: $0, as: whole) }
        #expect(report.failures.isEmpty, "\(report.summary)")
        let given = await matrix.check(blows) { blow in
            let once = try await matrix.isAbandoned(after: blow, dying: [])
            guard once.failure == nil else { return once.failure }
            return try await matrix.isAbandoned(after: blow, dying: [.after(call: 4)], as: once.endState).failure
        }
        #expect(given.failures.isEmpty, "\(given.summary)")
        #expect(report.cases > 80 && given.cases == report.cases)
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
