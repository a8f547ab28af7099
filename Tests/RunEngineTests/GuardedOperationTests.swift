import ClusterModel
import Journal
import RunEngine
import Synchronization
import TestSupport
import Testing

@Suite("Guarded operations")
struct GuardedOperationTests {
    private let trial = EngineTrial(.sample(masters: 1, workers: 1))
    private let add = Runbook.toy([.toy(on: "master1", [.add("k", "e")])])
    private let step = "1.master1.toy.add"

    /// Injects faults into the first calls that begin the operation.
    private func fault(_ faults: [SimulatedCluster.Fault]) {
        let left = Mutex(faults)
        trial.hosts.inject { call in
            guard case .begin = call.kind else { return nil }
            return left.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        }
    }

    @Test("a lost link is taken up again on a new connection, and the operation is done once")
    func reattaches() async throws {
        for faults in [
            [SimulatedCluster.Fault.lostAfter], [.lostBefore], [.lostAfter, .lostBefore, .lostAfter, .lostAfter],
        ] {
            let trial = EngineTrial(.sample(masters: 1))
            let left = Mutex(faults)
            let plan = try await trial.plan(add)
            trial.hosts.inject { call in
                guard case .begin = call.kind else { return nil }
                return left.withLock { $0.isEmpty ? nil : $0.removeFirst() }
            }
            let ending = try await trial.execute(plan, on: try trial.journal(for: plan))
            #expect(ending.exitCode == .done)
            #expect(trial.hosts["master1"].effects == ["add k+e"])
            let connects = trial.hosts.calls.count { $0.kind == .connect && $0.host.text == "master1" }
            let identities = trial.hosts.calls.count { $0.kind == .identity }
            // One connection to plan, one for the step, and one after every loss; each of the latter is checked.
            #expect(connects == 2 + faults.count)
            #expect(identities == 1 + faults.count)
        }
    }

    @Test("a host that refuses connections after the link was lost leaves the outcome unknown, not failed")
    func refusedAfterLoss() async throws {
        let plan = try await trial.plan(add)
        let wasLost = Mutex(false)
        trial.hosts.inject { call in
            if case .begin = call.kind {
                wasLost.withLock { $0 = true }
                return .lostAfter
            }
            return call.kind == .connect && wasLost.withLock { $0 } ? .unreachable : nil
        }
        let journal = try trial.journal(for: plan)
        let ending = try await trial.execute(plan, on: journal)
        #expect(ending.exitCode == .outcomeUnknown)
        #expect(StepID(step).flatMap { journal.state[$0]?.phase } == .unknown)
        trial.hosts.inject { _ in nil }
        let again = try trial.resumed(journal, of: plan)
        #expect(try await trial.execute(plan, on: again).exitCode == .done)
        #expect(trial.hosts["master1"].effects == ["add k+e"])
        let outcome = StepID(step).flatMap { again.state[$0]?.outcome }
        #expect(outcome?.reattached == true)
        #expect(outcome?.attempt == 1)
        #expect(outcome?.output == .string("added e"))
    }

    @Test("a link that stays lost ends with 6 in less than a minute")
    func staysLost() async throws {
        let plan = try await trial.plan(add)
        trial.hosts.inject { if case .begin = $0.kind { .lostBefore } else { nil } }
        let ending = try await trial.execute(plan, on: try trial.journal(for: plan))
        #expect(ending.exitCode == .outcomeUnknown)
        #expect(trial.time.elapsed < .seconds(60))
    }

    @Test("a changed host key after the link was lost is a security matter with an unknown outcome")
    func keyChangedAfterLoss() async throws {
        let plan = try await trial.plan(add)
        let wasLost = Mutex(false)
        trial.hosts.inject { call in
            if case .begin = call.kind {
                wasLost.withLock { $0 = true }
                return .lostAfter
            }
            return call.kind == .connect && wasLost.withLock { $0 } ? .keyChanged : nil
        }
        let journal = try trial.journal(for: plan)
        let ending = try await trial.execute(plan, on: journal)
        #expect(ending.result == .held)
        #expect(ending.problems.map(\.code) == [.security])
        // Both apply, and an unknown outcome comes first.
        #expect(ending.exitCode == .outcomeUnknown)
        #expect(StepID(step).flatMap { journal.state[$0]?.phase } == .unknown)
    }

    @Test("an operation that takes its time is waited for")
    func slow() async throws {
        trial.hosts.setOperationTime(.seconds(100))
        let finished = try await Finished(trial, add)
        #expect(finished.ending.exitCode == .done)
        #expect(trial.time.elapsed >= .seconds(100))
    }

    @Test("what an operation says while it runs is told once for each time that it says something else")
    func tells() async throws {
        trial.hosts.setOperationTime(.seconds(100))
        trial.hosts["master1"].values["said"] = "minutes left:"
        let told = Mutex<[String]>([])
        let plan = try await trial.plan(add)
        let ending = try await trial.execute(plan, on: try trial.journal(for: plan)) { event in
            if case .progress(_, _, let text) = event { told.withLock { $0.append(text) } }
        }
        #expect(ending.exitCode == .done)
        #expect(told.withLock { $0 } == ["it says: minutes left: 1", "it says: minutes left: 0"])
    }

    @Test("an operation that still runs at its deadline is unknown, is not forced, and is attached to by resume")
    func deadline() async throws {
        trial.hosts.setOperationTime(.seconds(500))
        let plan = try await trial.plan(add)
        let journal = try trial.journal(for: plan)
        let ending = try await trial.execute(plan, on: journal)
        #expect(ending.exitCode == .outcomeUnknown)
        #expect(ending.problems.first?.event == "still running after 2m00s; nothing was forced")
        trial.time.advance(by: .seconds(400))
        let again = try trial.resumed(journal, of: plan)
        #expect(try await trial.execute(plan, on: again).exitCode == .done)
        #expect(trial.hosts["master1"].effects == ["add k+e"])
    }

    @Test(
        "after a restart or a vanished process the step itself says whether its effect is there",
        arguments: [(SimulatedCluster.Fault.rebootAfter, 1), (.rebootBefore, 2), (.vanish, 1)]
    )
    func lostForGood(kind: SimulatedCluster.Fault, attempts: Int) async throws {
        let plan = try await trial.plan(add)
        fault([kind])
        let journal = try trial.journal(for: plan)
        #expect(try await trial.execute(plan, on: journal).exitCode == .outcomeUnknown)
        let again = try trial.resumed(journal, of: plan)
        #expect(try await trial.execute(plan, on: again).exitCode == .done)
        #expect(trial.hosts["master1"].effects == ["add k+e"])
        #expect(StepID(step).flatMap { again.state[$0]?.attempt } == attempts)
    }

    @Test("a step that cannot tell asks a person; the answer is taken")
    func cannotTell() async throws {
        let plan = try await trial.plan(.toy([.toy(on: "master1", [.toy("add-twice", ["key": .string("k")])])]))
        fault([.rebootAfter])
        let journal = try trial.journal(for: plan)
        _ = try await trial.execute(plan, on: journal)
        let again = try trial.resumed(journal, of: plan)
        let ending = try await trial.execute(plan, on: again)
        #expect(ending.exitCode == .outcomeUnknown)
        #expect(ending.problems.first?.next?.hasPrefix("rollbook resolve") == true)
        let id = try #require(StepID("1.master1.toy.add-twice"))
        let third = try trial.resumed(again, of: plan)
        try third.append(.stepResolved(StepResolved(step: id, attempt: 1, by: "me", answer: .done, why: "looked")))
        #expect(try await trial.execute(plan, on: third).exitCode == .done)
        #expect(trial.hosts["master1"].effects == ["add k+first"])
    }

    @Test("a command that failed on the host is a known failure, and is not repeated by itself")
    func fails() async throws {
        let failing = StepCall.toy("add", ["key": .string("k"), "entry": .string("e"), "fails": .bool(true)])
        let plan = try await trial.plan(.toy([.toy(on: "master1", [failing])]))
        let journal = try trial.journal(for: plan)
        let ending = try await trial.execute(plan, on: journal)
        #expect(ending.exitCode == .stepFailed)
        // The step's own advice is not the end of it: how to go on is said as well.
        let retry = "rollbook resume \(trial.run) --retry 1.master1.toy.add"
        #expect(ending.problems.first?.next == "look at the toy; when its cause is mended: \(retry)")
        let calls = trial.hosts.calls.count(where: \.isChanging)
        let again = try trial.resumed(journal, of: plan)
        #expect(try await trial.execute(plan, on: again).exitCode == .stepFailed)
        #expect(trial.hosts.calls.count(where: \.isChanging) == calls)
    }

    @Test("a failure that only resume learns of is recorded as a failure of the same attempt")
    func failureFoundLater() async throws {
        let failing = StepCall.toy("add", ["key": .string("k"), "entry": .string("e"), "fails": .bool(true)])
        let plan = try await trial.plan(.toy([.toy(on: "master1", [failing])]))
        let journal = try trial.journal(for: plan)
        let dying = CrashingJournal(journal, crashAfter: 1)
        await #expect(throws: JournalError.self) { try await trial.execute(plan, on: dying) }
        let again = try trial.resumed(journal, of: plan)
        #expect(try await trial.execute(plan, on: again).exitCode == .stepFailed)
        let state = try #require(StepID(step).flatMap { again.state[$0] })
        #expect(state.phase == .failed && state.attempt == 1 && state.outcome?.reattached == true)
    }

    @Test("a host that a newer run owns does not begin the operation")
    func fenced() async throws {
        let finished = try await Finished(trial, add) { trial.hosts["master1"].epoch = 8 }
        #expect(finished.ending.exitCode == .locked)
        #expect(trial.hosts["master1"].effects.isEmpty)
    }

    @Test("a record of another command under the same id stops the step as an integrity problem")
    func conflict() async throws {
        let finished = try await Finished(trial, add) {
            let id = "\(trial.run.short).1.master1.toy.add.1.main"
            trial.hosts["master1"].operations[id] = SimulatedHost.Operation(
                digest: "other",
                state: .ended(exitCode: 0, output: [])
            )
        }
        #expect(finished.ending.exitCode == .integrity)
        #expect(trial.hosts["master1"].effects.isEmpty)
    }

    @Test("an unknown outcome stops the run with 6 also where the stage goes on after failures")
    func unknownStops() async throws {
        let plan = try await trial.plan(
            .toy([
                .toy(on: "master1", onFailure: .continue, [.add("k", "e")]),
                .toy(on: "worker1", onFailure: .continue, [.add("k", "e")]),
            ])
        )
        trial.hosts.inject { if case .begin = $0.kind { .lostAfter } else { nil } }
        let ending = try await trial.execute(plan, on: try trial.journal(for: plan))
        #expect(ending.exitCode == .outcomeUnknown)
        #expect(ending.result == .held)
        #expect(trial.hosts["worker1"].effects.isEmpty)
    }

    @Test("resume with the host still away keeps the outcome unknown and goes no further")
    func stillAway() async throws {
        let plan = try await trial.plan(
            .toy([
                .toy(on: "master1", onFailure: .continue, [.add("k", "e")]),
                .toy(on: "worker1", onFailure: .continue, [.add("k", "e")]),
            ])
        )
        let journal = try trial.journal(for: plan)
        let dying = CrashingJournal(journal, crashAfter: 1)
        await #expect(throws: JournalError.self) { try await trial.execute(plan, on: dying) }
        trial.hosts["master1"].isUp = false
        let again = try trial.resumed(journal, of: plan)
        let ending = try await trial.execute(plan, on: again)
        #expect(ending.exitCode == .outcomeUnknown)
        #expect(again.state.status == .held)
        #expect(trial.hosts["worker1"].effects.isEmpty)
    }

    /// Dies right after the intent, before anything reaches a host.
    private func dieBeforeSending(_ runbook: Runbook) async throws -> (Plan, InMemoryJournal) {
        let plan = try await trial.plan(runbook)
        let journal = try trial.journal(for: plan)
        let dying = CrashingJournal(journal, crashAfter: 1) { [trial] in trial.hosts.inject { _ in .unreachable } }
        await #expect(throws: JournalError.self) { try await trial.execute(plan, on: dying) }
        #expect(trial.hosts.areUntouched)
        trial.hosts.inject { _ in nil }
        return (plan, try trial.resumed(journal, of: plan))
    }

    @Test("an operation that never reached the host is sent under the same id")
    func notBegun() async throws {
        let (plan, journal) = try await dieBeforeSending(add)
        #expect(try await trial.execute(plan, on: journal).exitCode == .done)
        let begun = trial.hosts.calls.compactMap { if case .begin(let id) = $0.kind { id } else { nil } }
        #expect(Set(begun).count == 1)
        #expect(StepID(step).flatMap { journal.state[$0]?.attempt } == 1)
        #expect(trial.hosts["master1"].effects == ["add k+e"])
    }

    @Test("an operation that never reached the host is refused with 8 when its facts changed meanwhile")
    func notBegunAndStale() async throws {
        trial.hosts["master1"].values["x"] = "0"
        let watching = StepCall.toy("add", ["key": .string("k"), "entry": .string("e"), "reads": .string("x")])
        let (plan, journal) = try await dieBeforeSending(.toy([.toy(on: "master1", [watching])]))
        trial.hosts["master1"].values["x"] = "1"
        #expect(try await trial.execute(plan, on: journal).exitCode == .stale)
        #expect(StepID(step).flatMap { journal.state[$0]?.phase } == .refused)
        #expect(trial.hosts.areUntouched)
    }
}

@Suite("Manual steps")
struct ManualStepTests {
    @Test(
        "a manual step whose outcome was lost is never sent again without being told",
        arguments: ["done", "notDone", "cannotTell"]
    )
    func neverRepeated(probe: String) async throws {
        let trial = EngineTrial(.sample(masters: 1))
        let plan = try await trial.plan(.toy([.toy(on: "master1", [.turn("t", probe: probe)])]))
        let journal = try trial.journal(for: plan)
        trial.hosts.inject { $0.isChanging ? .lostAfter : nil }
        #expect(try await trial.execute(plan, on: journal).exitCode == .outcomeUnknown)
        trial.hosts.inject { _ in nil }
        let again = try trial.resumed(journal, of: plan)
        let ending = try await trial.execute(plan, on: again)
        #expect(ending.exitCode == (probe == "done" ? .done : .outcomeUnknown))
        #expect(trial.hosts["master1"].effects == ["add t+turned"])
        guard probe != "done" else { return }
        let third = try trial.resumed(again, of: plan)
        let id = try #require(StepID("1.master1.toy.turn"))
        try third.append(.stepResolved(StepResolved(step: id, attempt: 1, by: "me", answer: .notDone, why: "looked")))
        #expect(try await trial.execute(plan, on: third).exitCode == .done)
        #expect(trial.hosts["master1"].effects == ["add t+turned", "add t+turned"])
    }
}
