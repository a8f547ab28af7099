import ClusterModel
import Journal
import RunEngine
import Synchronization
import TestSupport
import Testing

@Suite("Gates")
struct GateTests {
    private let trial = EngineTrial(.sample(masters: 2, workers: 1))

    private func setReady(_ value: String) {
        for host in ["master1", "master2"] { trial.hosts[host].values["ready"] = value }
    }

    private func verdicts(_ journal: InMemoryJournal) -> [Bool] {
        journal.records.compactMap { if case .stageGate(let gate) = $0.event { gate.passed } else { nil } }
    }

    private var runbook: Runbook {
        .toy([
            .toy(on: "masters", pace: .serial([.count(1)]), gates: [.gate("ready", "yes")], [.add("k", "e")]),
            .toy(on: "workers", [.add("k", "e")]),
        ])
    }

    @Test("a gate opens after three good reads in a row, five seconds apart")
    func threeReads() async throws {
        setReady("yes")
        let finished = try await Finished(trial, runbook)
        #expect(finished.ending.exitCode == .done)
        #expect(verdicts(finished.journal) == [true, true, true, true, true, true])
        #expect(trial.time.elapsed == .seconds(20))
    }

    @Test("a gate is told which hosts its batch were, and the journal which gate it was")
    func batch() async throws {
        setReady("yes")
        let finished = try await Finished(trial, runbook)
        let gates = finished.journal.records.compactMap { record -> StageGate? in
            if case .stageGate(let gate) = record.event { gate } else { nil }
        }
        #expect(gates.map(\.detail).filter { $0 == "ready is yes after master1" }.count == 3)
        #expect(gates.map(\.detail).filter { $0 == "ready is yes after master2" }.count == 3)
        #expect(gates.allSatisfy { $0.gate == "toy.is" })
    }

    @Test("one bad read begins the count anew")
    func flapping() async throws {
        setReady("yes")
        trial.time.at(.seconds(10)) { trial.hosts["master2"].values["ready"] = "no" }
        trial.time.at(.seconds(15)) { trial.hosts["master2"].values["ready"] = "yes" }
        let plan = try await trial.plan(runbook)
        let journal = try trial.journal(for: plan)
        // Two good reads at 0 s and 5 s, a bad one at 10 s, three good ones until 25 s; then the second batch.
        #expect(try await trial.execute(plan, on: journal).exitCode == .done)
        #expect(verdicts(journal).prefix(6) == [true, true, false, true, true, true])
    }

    @Test("the next batch does not begin while the gate is closed")
    func closedMeanwhile() async throws {
        setReady("no")
        let began = Mutex<Duration?>(nil)
        trial.hosts.watch { [time = trial.time] call in
            if call.host.text == "master2", call.isChanging { began.withLock { $0 = time.elapsed } }
        }
        trial.time.at(.seconds(120)) { [trial] in
            for host in ["master1", "master2"] { trial.hosts[host].values["ready"] = "yes" }
        }
        let finished = try await Finished(trial, runbook)
        #expect(finished.ending.exitCode == .done)
        #expect(began.withLock { $0 } == .seconds(130))
    }

    @Test("a gate that stays closed is given up after ten minutes with 14, and says what it waits for")
    func deadline() async throws {
        setReady("no")
        let finished = try await Finished(trial, runbook)
        #expect(finished.ending.result == .held)
        #expect(finished.ending.exitCode == .deadline)
        #expect(finished.ending.problems.map(\.event) == ["still waits: ready of master1 is no"])
        #expect(trial.time.elapsed == .seconds(600))
        #expect(trial.hosts["master2"].effects.isEmpty)
    }

    @Test("a required gate that is closed now refuses the stage, whatever the plan saw")
    func requirement() async throws {
        setReady("yes")
        let finished = try await Finished(
            trial,
            .toy([
                .toy(on: "workers", [.add("k", "e")]),
                .toy(on: "masters", require: [.gate("ready", "yes")], [.add("k", "e")]),
            ])
        ) { setReady("no") }
        #expect(finished.ending.exitCode == .refused)
        #expect(finished.phase("1.worker1.toy.add") == .ok)
        #expect(finished.phase("2.master1.toy.add") == nil)
    }

    @Test("a stop request does not wait for a gate")
    func stopWhileWaiting() async throws {
        setReady("no")
        trial.time.at(.seconds(30)) { [stop = trial.stop] in stop.stop(.terminate) }
        let finished = try await Finished(trial, runbook)
        #expect(finished.ending.exitCode == .terminated)
        #expect(trial.time.elapsed == .seconds(30))
    }

    @Test("after a crash between a stage's last outcome and its gate, resume waits for that gate first")
    func gateAfterCrash() async throws {
        setReady("yes")
        let single = Runbook.toy([
            .toy(on: "masters", gates: [.gate("ready", "yes")], [.add("k", "e")]),
            .toy(on: "workers", [.add("k", "e")]),
        ])
        let plan = try await trial.plan(single)
        let journal = try trial.journal(for: plan)
        // Two intents and two outcomes; then the process dies.
        let dying = CrashingJournal(journal, crashAfter: 4)
        await #expect(throws: JournalError.self) { try await trial.execute(plan, on: dying) }
        setReady("no")
        let again = try trial.resumed(journal, of: plan)
        #expect(try await trial.execute(plan, on: again).exitCode == .deadline)
        #expect(trial.hosts["worker1"].effects.isEmpty)
        setReady("yes")
        let third = try trial.resumed(again, of: plan)
        #expect(try await trial.execute(plan, on: third).exitCode == .done)
        #expect(trial.hosts["worker1"].effects == ["add k+e"])
    }

    @Test("a gate is not fooled by another machine at a host's address")
    func wrongMachine() async throws {
        setReady("yes")
        let plan = try await trial.plan(runbook)
        trial.hosts.watch { [trial] call in
            if case .remove = call.kind, call.host.text == "master1" { trial.hosts["master2"].machineID = "another" }
        }
        let ending = try await trial.execute(plan, on: try trial.journal(for: plan))
        #expect(ending.exitCode == .security)
        #expect(trial.hosts["master2"].effects.isEmpty)
    }
}
