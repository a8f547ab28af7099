import ClusterModel
import Journal
import RemoteShell
import RunEngine
import Synchronization
import TestSupport
import Testing

/// Runs a runbook on a trial and keeps what is wanted for the checks.
struct Finished {
    let plan: Plan
    let journal: InMemoryJournal
    let ending: Executor.Ending

    init(_ trial: EngineTrial, _ runbook: Runbook, between: () -> Void = {}) async throws {
        plan = try await trial.plan(runbook)
        between()
        journal = try trial.journal(for: plan)
        ending = try await trial.execute(plan, on: journal)
    }

    func phase(_ id: String) -> StepState.Phase? { StepID(id).flatMap { journal.state[$0]?.phase } }

    /// Types of the records, short: `intent 1.master1.toy.set`.
    var story: [String] {
        journal.records.map { record in
            switch record.event {
            case .stepOutcome(let outcome): "\(outcome.result.rawValue) \(outcome.step)"
            default: [record.event.type, record.event.step?.text].compactMap { $0 }.joined(separator: " ")
            }
        }
    }
}

@Suite("Executor")
struct ExecutorTests {
    private let trial = EngineTrial()

    @Test("an intent is recorded before the first byte that changes anything, an outcome after the last")
    func order() async throws {
        let plan = try await trial.plan(.toy([.toy(on: "masters", [.set("x", "1"), .add("k", "e")])]))
        let journal = try trial.journal(for: plan)
        let broken = Mutex<[String]>([])
        trial.hosts.watch { call in
            guard call.isChanging else { return }
            let kind = if case .begin = call.kind { "toy.add" } else { "toy.set" }
            let id = StepID("1.\(call.host).\(kind)")
            if id.flatMap({ journal.state[$0]?.phase }) != .started { broken.withLock { $0.append("\(call)") } }
        }
        let ending = try await trial.execute(plan, on: journal)
        #expect(ending.exitCode == .done)
        #expect(broken.withLock { $0 } == [])
        #expect(journal.state.status == .done)
        for host in ["master1", "master2", "master3"] {
            #expect(trial.hosts[host].effects == ["set x=1", "add k+e"])
        }
    }

    @Test("batches follow each other, and no more hosts work at once than stage and program allow")
    func pace() async throws {
        for (pace, most) in [
            (RunbookStage.Pace.parallel(cap: nil), 5), (.parallel(cap: 3), 3), (.serial([.count(2)]), 2),
        ] {
            var planning = EngineTrial(.sample(workers: 12))
            planning.parallel = 1
            let plan = try await planning.plan(.toy([.toy(on: "workers", pace: pace, [.add("k", "e")])]))
            var trial = EngineTrial(.sample(workers: 12))
            trial.parallel = 5
            #expect(try await trial.execute(plan, on: try trial.journal(for: plan)).exitCode == .done)
            #expect(trial.hosts.mostBusyHosts == most)
        }
    }

    @Test("with no parallelism at all a run still does its work, one host at a time")
    func atLeastOne() async throws {
        var trial = trial
        trial.parallel = 0
        let finished = try await Finished(trial, .toy([.toy(on: "masters", [.set("x", "1")])]))
        #expect(finished.ending.exitCode == .done)
        #expect(trial.hosts["master3"].values["x"] == "1")
    }

    @Test("hold: after a failure no host begins, lanes stop at their step, and the rest stays as it was")
    func hold() async throws {
        trial.hosts.inject { call in
            call.host.text == "master1" && call.isChanging ? .lostBefore : nil
        }
        let finished = try await Finished(
            trial,
            .toy([
                .toy(on: "masters", pace: .parallel(cap: 1), [.set("x", "1"), .set("y", "1")]),
                .toy(on: "workers", [.set("x", "1")]),
            ])
        )
        #expect(finished.ending.result == .held)
        #expect(finished.ending.exitCode == .stepFailed)
        #expect(finished.phase("1.master1.toy.set") == .failed)
        for id in ["1.master1.toy.set-2", "1.master2.toy.set", "1.master3.toy.set", "2.worker1.toy.set"] {
            #expect(finished.phase(id) == nil, "\(id)")
        }
        #expect(trial.hosts.areUntouched)
    }

    @Test("hold: hosts at work when another fails end their step and begin no further one")
    func holdInParallel() async throws {
        let plan = try await trial.plan(
            .toy([.toy(on: "masters", [.set("a", "1"), .set("b", "1"), .set("c", "1"), .set("d", "1")])])
        )
        trial.hosts.inject { $0.host.text == "master1" && $0.isChanging ? .lostBefore : nil }
        let journal = try trial.journal(for: plan)
        let first = try #require(StepID("1.master1.toy.set"))
        trial.hosts.delay { [trial] call in
            guard call.host.text != "master1", trial.hosts[call.host.text].effects.count == 1 else { return }
            while journal.state[first]?.phase != .failed { await Task.yield() }
        }
        let ending = try await trial.execute(plan, on: journal)
        #expect(ending.result == .held)
        for host in ["master2", "master3"] {
            #expect(trial.hosts[host].effects.count < 4, "\(host) went on")
        }
        #expect(!journal.state.steps.values.contains { $0.phase == .started })
    }

    @Test("continue: other hosts and later stages go on, and the run ends partial with 13")
    func goesOn() async throws {
        trial.hosts.inject { $0.host.text == "master1" && $0.isChanging ? .lostBefore : nil }
        let finished = try await Finished(
            trial,
            .toy([
                .toy(on: "masters", onFailure: .continue, [.set("x", "1"), .set("y", "1")]),
                .toy(on: "workers", [.set("x", "1")]),
            ])
        )
        #expect(finished.ending.result == .partial)
        #expect(finished.ending.exitCode == .partial)
        #expect(finished.phase("1.master1.toy.set-2") == nil)
        #expect(finished.phase("1.master2.toy.set-2") == .ok)
        #expect(finished.phase("2.worker2.toy.set") == .ok)
    }

    @Test("a step planned as nothing to do is skipped with its reason, and nothing is sent for it")
    func noop() async throws {
        trial.hosts["master1"].values = ["x": "1"]
        let finished = try await Finished(trial, .toy([.toy(on: "master1", [.set("x", "1")])]))
        #expect(finished.ending.exitCode == .done)
        #expect(finished.story.suffix(2) == ["skipped 1.master1.toy.set", "run.end"])
        #expect(trial.hosts.sentOnlyReads)
    }

    @Test("a blocked step is refused, where the stage goes on the others are done")
    func blocked() async throws {
        trial.hosts["master2"].values = ["x": "forbidden"]
        let finished = try await Finished(trial, .toy([.toy(on: "masters", onFailure: .continue, [.set("x", "1")])]))
        #expect(finished.ending.exitCode == .partial)
        #expect(finished.phase("1.master2.toy.set") == .refused)
        #expect(trial.hosts.effects.filter { !$0.value.isEmpty }.keys.sorted() == ["master1", "master3"])
    }

    @Test("a blocked step stays refused when the run is resumed")
    func blockedStaysBlocked() async throws {
        trial.hosts["master1"].values = ["x": "forbidden"]
        let plan = try await trial.plan(
            .toy([.toy(on: "master1", onFailure: .continue, [.set("x", "1")]), .toy(on: "master2", [.set("x", "1")])])
        )
        trial.hosts.inject { $0.host.text == "master2" && $0.isChanging ? .lostBefore : nil }
        let journal = try trial.journal(for: plan)
        #expect(try await trial.execute(plan, on: journal).result == .held)
        trial.hosts.inject { _ in nil }
        let again = try trial.resumed(journal, of: plan)
        #expect(try await trial.execute(plan, on: again).exitCode == .partial)
        #expect(trial.hosts["master1"].effects.isEmpty)
        #expect(trial.hosts["master2"].values["x"] == "1")
    }

    @Test("what was not known at plan time is decided when its turn comes", arguments: ["0", "done", "forbidden"])
    func decidedLater(value: String) async throws {
        let plan = try await trial.plan(.toy([.toy(on: "master1", [.toy("after", ["key": .string("x")])])]))
        trial.hosts["master1"].values = ["x": value]
        let journal = try trial.journal(for: plan)
        let ending = try await trial.execute(plan, on: journal)
        let phase = StepID("1.master1.toy.after").flatMap { journal.state[$0]?.phase }
        switch value {
        case "0": #expect(phase == .ok && ending.exitCode == .done)
        case "done": #expect(phase == .skipped && ending.exitCode == .done)
        default: #expect(phase == .refused && ending.exitCode == .refused)
        }
        #expect(trial.hosts["master1"].effects == (value == "0" ? ["set after=copied"] : []))
    }

    @Test("a stop request ends the run between two steps with the code of its signal; resume does the rest")
    func stops() async throws {
        for (signal, code) in [
            (RunInterrupted.Signal.interrupt, ExitCode.interrupted), (.terminate, .terminated), (.hangUp, .hungUp),
        ] {
            let trial = EngineTrial()
            trial.hosts.watch { [stop = trial.stop] call in
                if call.host.text == "master2", call.isChanging { stop.stop(signal) }
            }
            let plan = try await trial.plan(
                .toy([.toy(on: "masters", pace: .serial([.count(1)]), [.add("k", "e"), .add("k", "f")])])
            )
            let journal = try trial.journal(for: plan)
            let ending = try await trial.execute(plan, on: journal)
            #expect(ending.exitCode == code)
            #expect(ending.result == .held)
            #expect(trial.hosts["master1"].values["k"] == "e;f;")
            #expect(trial.hosts["master2"].values["k"] == "e;")
            #expect(trial.hosts["master3"].values["k"] == nil)
            #expect(journal.state.interruption == signal)
        }
    }

    @Test("a journal that cannot be written stops everything before the next byte is sent", arguments: 0..<7)
    func fullDisk(room: Int) async throws {
        let plan = try await trial.plan(.toy([.toy(on: "masters", pace: .serial([.count(1)]), [.add("k", "e")])]))
        let journal = CrashingJournal(try trial.journal(for: plan), crashAfter: room)
        let error = await #expect(throws: JournalError.self) { try await trial.execute(plan, on: journal) }
        #expect(error?.code == .storage)
        let begun = trial.hosts.calls.count(where: \.isChanging)
        // Two records a step: an intent allows its step, and only it, to be sent; the last record is the run's end.
        #expect(begun == min(3, (room + 1) / 2))
    }

    @Test("results of earlier steps reach later ones, long ones as well")
    func outputs() async throws {
        trial.hosts["master1"].values = ["x": String(repeating: "long ", count: 20_000)]
        let finished = try await Finished(trial, .toy([.toy(on: "master1", [.read("x")])]))
        let id = try #require(StepID("1.master1.toy.read"))
        let state = try #require(finished.journal.state[id])
        #expect(state.output?["stored"] != nil)
        #expect(try trial.outputs.output(of: state)?.stringValue?.count == 100_000)
    }

    @Test("the host's record of an operation is removed once its outcome is durable, not before")
    func recordsAreRemoved() async throws {
        let plan = try await trial.plan(
            .toy([.toy(on: "master1", [.add("k", "e"), .toy("add-twice", ["key": .string("k")])])])
        )
        let journal = try trial.journal(for: plan)
        let early = Mutex(0)
        trial.hosts.watch { call in
            guard case .remove(let id) = call.kind else { return }
            let step = id.contains("add-twice") ? "1.master1.toy.add-twice" : "1.master1.toy.add"
            if StepID(step).flatMap({ journal.state[$0]?.phase }) != .ok { early.withLock { $0 += 1 } }
        }
        #expect(try await trial.execute(plan, on: journal).exitCode == .done)
        #expect(trial.hosts["master1"].operations.isEmpty)
        #expect(early.withLock { $0 } == 0)
    }
}
