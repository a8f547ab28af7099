import ClusterModel
import Journal
import RunEngine
import TestSupport
import Testing

@Suite("Abandon")
struct AbandonTests {
    private static let cluster = Cluster.sample(masters: 2, workers: 1, loadBalancers: 0)
    private static func hold(_ key: String) -> StepCall {
        .toy("hold", ["key": .string(key), "value": .string("held")])
    }

    /// A run that stops at `worker1`, with everything before done.
    private func heldRun(_ steps: [StepCall]) async throws -> (EngineTrial, Plan, FoldJournal) {
        let trial = EngineTrial(Self.cluster)
        for host in ["master1", "master2"] { trial.hosts[host].values = ["x": "before", "y": "before"] }
        trial.hosts["worker1"].values = ["x": "forbidden"]
        let plan = try await trial.plan(
            .toy([
                .toy("Masters", on: "masters", pace: .serial([.count(1)]), steps),
                .toy("Worker", on: "worker1", [.set("x", "1")]),
            ])
        )
        let journal = try trial.foldJournal(for: plan)
        #expect(try await trial.execute(plan, on: journal).exitCode == .refused)
        return (trial, plan, try trial.resumed(journal))
    }

    @Test("takes back what the run set, newest first, and leaves what it found")
    func takesBack() async throws {
        let (trial, plan, journal) = try await heldRun([Self.hold("x"), Self.hold("y")])
        let before = trial.hosts.effects.mapValues(\.count)
        let ending = try await trial.executor(for: plan, on: journal).abandon()
        #expect(ending.result == .abandoned && ending.exitCode == .done, "\(ending.problems)")
        #expect(journal.state.status == .abandoned)
        for host in ["master1", "master2"] {
            let effects = trial.hosts[host].effects.dropFirst(before[host] ?? 0)
            #expect(Array(effects) == ["set y=before", "set x=before"])
        }
    }

    @Test("a value that was there before the run was no step's doing, and stays")
    func foundAsWanted() async throws {
        let trial = EngineTrial(Self.cluster)
        trial.hosts["master1"].values = ["x": "held"]
        let plan = try await trial.plan(
            .toy([
                .toy(
                    on: "master1",
                    [Self.hold("x"), .toy("add", ["key": .string("k"), "entry": .string("e"), "fails": .bool(true)])]
                )
            ])
        )
        let journal = try trial.foldJournal(for: plan)
        _ = try await trial.execute(plan, on: journal)
        let again = try trial.resumed(journal)
        #expect(try await trial.executor(for: plan, on: again).abandon().result == .abandoned)
        #expect(trial.hosts["master1"].effects.isEmpty)
        #expect(trial.hosts["master1"].values["x"] == "held")
    }

    @Test("stops on a host at a step that cannot be undone, says why, and goes on with the others")
    func irreversible() async throws {
        let (trial, plan, journal) = try await heldRun([Self.hold("x"), .add("k", "e"), Self.hold("y")])
        let ending = try await trial.executor(for: plan, on: journal).abandon()
        #expect(ending.result == .abandoned && ending.exitCode == .partial)
        #expect(ending.problems.map(\.place) == ["master1/toy.add", "master2/toy.add"])
        #expect(ending.problems.first?.event == "it cannot be undone: what is added stays")
        #expect(trial.hosts["master1"].values["x"] == "held")
        #expect(trial.hosts["master1"].values["y"] == "before")
    }

    @Test("after a step that ended an outage, only what the outage stopped is taken back, on every other host")
    func outage() async throws {
        let trial = EngineTrial(Self.cluster)
        for host in ["master1", "master2"] { trial.hosts[host].values = ["x": "before", "y": "before"] }
        trial.hosts["worker1"].values = ["x": "forbidden"]
        let stop = StepCall.toy("hold", ["key": .string("x"), "value": .string("held"), "outage": .bool(true)])
        let plan = try await trial.plan(
            .toy([
                .toy("Stop", on: "masters", [stop]), .toy("Data", on: "masters", [Self.hold("y")]),
                .toy(
                    "Start",
                    on: "masters[0]",
                    [.toy("add", ["key": .string("k"), "entry": .string("e"), "outage": .bool(true)])]
                ),
                .toy("Worker", on: "worker1", [.set("x", "1")]),
            ])
        )
        let journal = try trial.foldJournal(for: plan)
        #expect(try await trial.execute(plan, on: journal).exitCode == .refused)
        let ending = try await trial.executor(for: plan, on: try trial.resumed(journal)).abandon()
        #expect(ending.result == .abandoned && ending.exitCode == .partial)
        #expect(ending.problems.map(\.place) == ["master1/toy.add"])
        #expect(ending.problems.first?.state?.contains("on any host") == true)
        #expect(["x", "y"].map { trial.hosts["master1"].values[$0] } == ["held", "held"])
        #expect(["x", "y"].map { trial.hosts["master2"].values[$0] } == ["before", "held"])
    }

    @Test("an undo that fails holds the run as unknown, and is tried again by the next abandon")
    func stuck() async throws {
        let (trial, plan, journal) = try await heldRun([Self.hold("x")])
        trial.hosts["master2"].values["x"] = "stuck"
        let ending = try await trial.executor(for: plan, on: journal).abandon()
        #expect(ending.result == .held && ending.exitCode == .outcomeUnknown)
        #expect(ending.problems.first?.next == "mend the cause, then rollbook abandon \(trial.run)")
        #expect(trial.hosts["master1"].values["x"] == "held")
        trial.hosts["master2"].values["x"] = "held"
        let again = try trial.resumed(journal)
        #expect(try await trial.executor(for: plan, on: again).abandon().result == .abandoned)
        #expect(trial.hosts["master1"].values["x"] == "before")
        #expect(trial.hosts["master2"].values["x"] == "before")
    }

    @Test("killed at any record of abandoning, twice in a row, it ends the same")
    func crashes() async throws {
        let (trial, plan, first) = try await heldRun([Self.hold("x"), Self.hold("y")])
        _ = (trial, plan, first)
        for one in 0..<14 {
            for two in 0..<14 where two == 0 || one % 3 == 0 {
                let (trial, plan, journal) = try await heldRun([Self.hold("x"), Self.hold("y")])
                var current = journal
                for count in [one, two] {
                    let dying = CrashingJournal(current, crashAfter: count)
                    do { _ = try await trial.executor(for: plan, on: dying).abandon() } catch is JournalError {}
                    guard current.state.status != .abandoned else { break }
                    current = try trial.resumed(current)
                }
                if current.state.status != .abandoned {
                    #expect(try await trial.executor(for: plan, on: current).abandon().exitCode == .done)
                }
                #expect(trial.hosts["master1"].values["x"] == "before", "\(one) \(two)")
                #expect(trial.hosts["master2"].values["y"] == "before", "\(one) \(two)")
            }
        }
    }

    @Test("a guarded step whose record the host does not have is not begun by abandoning")
    func beginsNothing() async throws {
        let trial = EngineTrial(Self.cluster)
        let plan = try await trial.plan(.toy([.toy(on: "master1", [.add("k", "e")])]))
        let journal = try trial.foldJournal(for: plan)
        let dying = CrashingJournal(journal, crashAfter: 1) { trial.hosts.inject { _ in .unreachable } }
        await #expect(throws: JournalError.self) { try await trial.execute(plan, on: dying) }
        trial.hosts.inject { _ in nil }
        let again = try trial.resumed(journal)
        #expect(try await trial.executor(for: plan, on: again).abandon().exitCode == .done)
        #expect(trial.hosts.areUntouched)
    }

    @Test("while an outcome is unknown nothing is taken back")
    func unknownFirst() async throws {
        let trial = EngineTrial(Self.cluster)
        trial.hosts["master1"].values = ["x": "before"]
        let plan = try await trial.plan(.toy([.toy(on: "master1", [Self.hold("x"), .turn("key")])]))
        let journal = try trial.foldJournal(for: plan)
        trial.hosts.inject { call in
            if case .command("toy add") = call.kind { .lostAfter } else { nil }
        }
        #expect(try await trial.execute(plan, on: journal).exitCode == .outcomeUnknown)
        trial.hosts.inject { _ in nil }
        let again = try trial.resumed(journal)
        let ending = try await trial.executor(for: plan, on: again).abandon()
        #expect(ending.exitCode == .outcomeUnknown && ending.result == .held)
        #expect(ending.problems.first?.next?.hasPrefix("rollbook resolve \(trial.run) 1.master1.toy.turn") == true)
        #expect(trial.hosts["master1"].values["x"] == "held")
        // A person answers, and then it goes.
        let answered = try trial.resumed(again)
        let step = try #require(StepID("1.master1.toy.turn"))
        try answered.append(
            .stepResolved(StepResolved(step: step, attempt: 1, by: "alice", answer: .notDone, why: "looked"))
        )
        #expect(try await trial.executor(for: plan, on: answered).abandon().exitCode == .done)
        #expect(trial.hosts["master1"].values["x"] == "before")
    }
}
