import ClusterModel
import Journal
import RunEngine
import TestSupport
import Testing

/// What must stop a run, or a step, before anything is sent.
@Suite("Stale plans, wrong machines, changed keys")
struct SafetyTests {
    private let trial = EngineTrial()
    private let setOnAll = Runbook.toy([.toy(on: "masters", pace: .serial([.count(1)]), [.set("x", "1")])])

    @Test("a fact that changed between plan and run refuses the step with 8, and nothing is sent")
    func stale() async throws {
        trial.hosts["master1"].values = ["x": "0"]
        let finished = try await Finished(trial, setOnAll) { trial.hosts["master1"].values["x"] = "5" }
        #expect(finished.ending.exitCode == .stale)
        #expect(finished.ending.problems.map(\.event) == [#"plan is stale: toy.value of master1 was "0", is "5""#])
        #expect(finished.phase("1.master1.toy.set") == .refused)
        #expect(trial.hosts.sentOnlyReads)
    }

    @Test("a stale step stays refused however often the run is resumed")
    func staysStale() async throws {
        trial.hosts["master1"].values = ["x": "0"]
        let finished = try await Finished(trial, setOnAll) { trial.hosts["master1"].values["x"] = "5" }
        var journal = finished.journal
        for _ in 0..<4 {
            journal = try trial.resumed(journal, of: finished.plan)
            #expect(try await trial.execute(finished.plan, on: journal).exitCode == .stale)
        }
        #expect(trial.hosts.sentOnlyReads)
    }

    @Test("a fact that is gone makes a plan as stale as one that changed")
    func gone() async throws {
        trial.hosts["master1"].values = ["x": "0"]
        let finished = try await Finished(trial, setOnAll) { trial.hosts["master1"].values = [:] }
        #expect(finished.ending.exitCode == .stale)
        #expect(trial.hosts.sentOnlyReads)
    }

    @Test("a fact that cannot be read any more refuses the step as unreachable")
    func cannotBeRead() async throws {
        trial.hosts["master1"].values = ["x": "0"]
        let finished = try await Finished(trial, setOnAll) { trial.hosts["master1"].isUp = false }
        #expect(finished.ending.exitCode == .unreachable)
        #expect(finished.phase("1.master1.toy.set") == .refused)
    }

    @Test("a reboot between plan and run is no reason to plan again")
    func rebooted() async throws {
        trial.hosts["master1"].values = ["x": "0"]
        let finished = try await Finished(trial, setOnAll) { trial.hosts["master1"].reboot() }
        #expect(finished.ending.exitCode == .done)
    }

    @Test("another machine at a host's address stops the run with 11 before a byte of any step")
    func wrongMachine() async throws {
        for policy in [RunbookStage.FailurePolicy.hold, .continue] {
            let trial = EngineTrial()
            let finished = try await Finished(
                trial,
                .toy([
                    .toy(on: "masters", pace: .serial([.count(1)]), onFailure: policy, [.set("x", "1")]),
                    .toy(on: "workers", [.add("k", "e")]),
                ])
            ) { trial.hosts["master1"].machineID = "machine-of-master2" }
            #expect(finished.ending.exitCode == .security)
            #expect(finished.ending.result == .held)
            #expect(trial.hosts.areUntouched)
        }
    }

    @Test("the machine is checked again on every connection: a host swapped in the middle of a run gets nothing")
    func swappedLater() async throws {
        let plan = try await trial.plan(.toy([.toy(on: "master1", [.add("k", "e"), .add("k", "f"), .add("k", "g")])]))
        trial.hosts.watch { [trial] call in
            if case .remove = call.kind { trial.hosts["master1"].machineID = "another" }
        }
        let ending = try await trial.execute(plan, on: try trial.journal(for: plan))
        #expect(ending.exitCode == .security)
        #expect(trial.hosts["master1"].values["k"] == "e;")
    }

    @Test("a changed host key stops everything, also where the stage goes on after failures")
    func keyChanged() async throws {
        let finished = try await Finished(
            trial,
            .toy([
                .toy(on: "masters", pace: .serial([.count(1)]), onFailure: .continue, [.add("k", "e")]),
                .toy(on: "workers", onFailure: .continue, [.add("k", "e")]),
            ])
        ) { trial.hosts.inject { $0.host.text == "master1" && $0.kind == .connect ? .keyChanged : nil } }
        #expect(finished.ending.exitCode == .security)
        #expect(finished.ending.result == .held)
        #expect(trial.hosts.areUntouched)
    }

    @Test("a link lost while the machine is checked is unreachable, not unknown: nothing of the step was sent")
    func lostAtIdentity() async throws {
        let finished = try await Finished(trial, .toy([.toy(on: "master1", [.add("k", "e")])])) {
            trial.hosts.inject { $0.kind == .identity ? .lostAfter : nil }
        }
        #expect(finished.ending.exitCode == .unreachable)
        #expect(finished.phase("1.master1.toy.add") == .refused)
    }
}
