import ClusterModel
import Journal
import TestSupport
import Testing

@testable import RunEngine

@Suite("Planner")
struct PlannerTests {
    private let trial = EngineTrial()

    private func outlook(_ plan: Plan, _ id: String) -> PlannedStep.Outlook? {
        plan.steps.first { $0.id.text == id }?.decision
    }

    @Test("steps are named by stage, host and kind, and counted when a stage has one twice")
    func names() async throws {
        let plan = try await trial.plan(
            .toy([
                .toy("a", on: "masters[:2]", [.set("x", "1"), .set("y", "1")]),
                .toy("b", on: "controller", [.add("k", "e")]),
            ])
        )
        #expect(
            plan.steps.map(\.id.text) == [
                "1.master1.toy.set", "1.master1.toy.set-2", "1.master2.toy.set", "1.master2.toy.set-2",
                "2.controller.toy.add",
            ]
        )
    }

    @Test("a decision is nothing to do, a change with its diff, not known yet, or blocked")
    func decisions() async throws {
        trial.hosts["master1"].values = ["x": "1"]
        trial.hosts["master2"].values = ["x": "0"]
        trial.hosts["master3"].values = ["x": "forbidden"]
        let plan = try await trial.plan(
            .toy([.toy(on: "masters", [.set("x", "1")]), .toy(on: "workers", [.toy("after", ["key": .string("x")])])])
        )
        #expect(outlook(plan, "1.master1.toy.set") == .noop(reason: "x is 1 already"))
        #expect(outlook(plan, "1.master2.toy.set") == .change([PlannedChange("set x", diff: ["- 0", "+ 1"])]))
        #expect(outlook(plan, "2.worker1.toy.after") == .unknown(until: "toy.set"))
        guard case .blocked(let message) = outlook(plan, "1.master3.toy.set") else { throw TestFailure("not blocked") }
        #expect(message.place == "master3/toy.set")
        #expect(plan.obstacles == [message])
    }

    private func serving(_ purpose: String, _ key: String) -> StepCall {
        .toy("after", ["key": .string(key), "serves": .string(purpose)])
    }

    @Test(
        "a host that needs nothing is not prepared for it; what an earlier run left prepared is taken back all the same"
    )
    func preparations() async throws {
        trial.hosts["master1"].values = ["x": "1", "left": "drained"]
        trial.hosts["master2"].values = ["x": "0"]
        trial.hosts["master3"].values = ["x": "1", "room": "forbidden"]
        let plan = try await trial.plan(
            .toy([
                .toy(on: "masters", [serving("before", "room"), .set("x", "1"), serving("after", "left")])
            ])
        )
        let nothing = PlannedStep.Outlook.noop(reason: "there is nothing to prepare it for")
        #expect(outlook(plan, "1.master1.toy.after") == nothing)
        #expect(outlook(plan, "1.master1.toy.after-2") == .change([PlannedChange("copy left")]))
        #expect(outlook(plan, "1.master2.toy.after") == .unknown(until: "toy.set"))
        #expect(outlook(plan, "1.master2.toy.after-2") == .unknown(until: "toy.set"))
        #expect(
            outlook(plan, "1.master3.toy.after") == nothing,
            "what cannot be done is no obstacle to what need not be done"
        )
        #expect(outlook(plan, "1.master3.toy.after-2") == nothing)
        #expect(plan.obstacles.isEmpty)
    }

    @Test("a host with something to do that is not known yet is prepared for it")
    func preparedForTheUnknown() async throws {
        let plan = try await trial.plan(
            .toy([
                .toy(on: "masters", [serving("before", "room"), .toy("after", ["key": .string("later")])])
            ])
        )
        #expect(plan.steps.map(\.decision) == Array(repeating: .unknown(until: "toy.set"), count: 6))
    }

    @Test("a stage that only prepares hosts prepares them, for other stages or for people")
    func onlyPreparations() async throws {
        trial.hosts["master3"].values = ["room": "forbidden"]
        let plan = try await trial.plan(
            .toy([
                .toy(on: "masters", [serving("before", "room")]),
                .toy(on: "masters", [.set("x", "1")]),
                .toy(on: "masters", [serving("after", "room")]),
            ])
        )
        #expect(outlook(plan, "1.master1.toy.after") == .unknown(until: "toy.set"))
        #expect(outlook(plan, "3.master1.toy.after") == .unknown(until: "toy.set"))
        #expect(plan.obstacles.first?.event == "it is forbidden")
    }

    @Test(
        "a list among the inputs reaches a step as a list, and an empty one as an empty one",
        arguments: ["", "a", "a,b c"]
    )
    func lists(given: String) async throws {
        let inputs = try InputValues(
            declared: [RunbookInput(name: "list", type: .strings)],
            given: ["list": given]
        )
        let call = StepCall.toy("read", ["key": .string("${inputs.list}")])
        let signature = KindSignature(kind: "toy.read", summary: "", parameters: [Parameter("key", .strings, "")])
        let target = StepTarget(host: nil, cluster: .sample())
        let expected = given.isEmpty ? [] : given.split(separator: ",").map { JSONValue.string(String($0)) }
        #expect(try inputs.substitute(call, for: target, signature) == ["key": .array(expected)])
    }

    @Test("a blocked step is no obstacle where the stage goes on after failures")
    func blockedButTolerated() async throws {
        trial.hosts["master3"].values = ["x": "forbidden"]
        let plan = try await trial.plan(.toy([.toy(on: "masters", onFailure: .continue, [.set("x", "1")])]))
        #expect(plan.obstacles.isEmpty)
    }

    @Test("all that is wanted of a host travels in one round trip, its identity with it")
    func oneRoundTrip() async throws {
        _ = try await trial.plan(
            .toy([
                .toy(on: "masters", require: [.gate("x", "1")], [.set("x", "1"), .set("y", "1"), .read("z")]),
                .toy(on: "all", [.set("x", "2")]),
            ])
        )
        for host in trial.cluster.hosts {
            let asked = trial.hosts.calls.filter { $0.host == host.name && $0.kind != .connect }
            // Identity, and x, y, z on masters (the gate's x is the same fact), x elsewhere.
            #expect(asked.map(\.kind) == [.facts(host.role == .master ? 4 : 2)], "\(host.name)")
        }
    }

    @Test("planning sends nothing that could change a host")
    func onlyReads() async throws {
        _ = try await trial.plan(
            .toy([.toy(on: "all", [.set("x", "1"), .add("k", "e"), .turn("t")])])
        )
        #expect(trial.hosts.sentOnlyReads)
        #expect(trial.hosts.areUntouched)
    }

    @Test("facts are read on no more hosts at once than allowed")
    func parallelCap() async throws {
        var trial = EngineTrial(.sample(masters: 9, workers: 20))
        trial.parallel = 4
        _ = try await trial.plan(.toy([.toy(on: "all", [.set("x", "1")])]))
        #expect(trial.hosts.mostBusyHosts == 4)
    }

    @Test("what a decision read is recorded with it, bound to what it was")
    func preconditions() async throws {
        trial.hosts["master1"].values = ["x": "0"]
        let plan = try await trial.plan(.toy([.toy(on: "masters[:2]", [.set("x", "1")])]))
        let master1 = try #require(HostName("master1"))
        #expect(
            plan.steps.map(\.preconditions) == [
                [Precondition(host: master1, fact: "toy.value", value: .string("0"))], [],
            ]
        )
    }

    @Test("a host that cannot be reached blocks its steps and no others, and is named in the plan")
    func unreachable() async throws {
        trial.hosts["master2"].isUp = false
        let plan = try await trial.plan(.toy([.toy(on: "masters", [.set("x", "1")])]))
        guard case .blocked(let message) = outlook(plan, "1.master2.toy.set") else { throw TestFailure("not blocked") }
        #expect(message.code == .unreachable)
        #expect(outlook(plan, "1.master1.toy.set") == .change([PlannedChange("set x", diff: ["- ", "+ 1"])]))
        #expect(plan.hosts.map(\.machineID) == ["machine-of-master1", nil, "machine-of-master3"])
        #expect(plan.hosts[1].unreachable?.code == .unreachable)
    }

    @Test("a link lost while facts are read leaves nothing unknown: nothing was sent that changes anything")
    func lostWhileReading() async throws {
        trial.hosts.inject { $0.host.text == "master2" && $0.kind != .connect ? .lostAfter : nil }
        let plan = try await trial.plan(.toy([.toy(on: "masters", [.set("x", "1")])]))
        guard case .blocked(let message) = outlook(plan, "1.master2.toy.set") else { throw TestFailure("not blocked") }
        #expect(message.code == .unreachable)
        #expect(plan.obstacles.map(\.code) == [.unreachable])
    }

    @Test("a required gate is evaluated for the plan, and a closed one is an obstacle; a gate to wait for is not")
    func gates() async throws {
        for name in ["master1", "master2", "master3"] { trial.hosts[name].values = ["ready": "yes"] }
        let plan = try await trial.plan(
            .toy([
                .toy(on: "masters", require: [.gate("ready", "yes")], gates: [.gate("ready", "no")], [.set("x", "1")]),
                .toy(on: "masters", require: [.gate("ready", "no")], [.set("x", "1")]),
            ])
        )
        #expect(plan.stages[0].require.map(\.detail) == ["ready is yes"])
        #expect(plan.stages[0].gates.map(\.detail) == [nil])
        #expect(plan.stages[1].require.compactMap(\.closed?.event) == ["ready of master1 is yes"])
        #expect(plan.obstacles.map(\.place) == ["toy.is"])
    }

    @Test("equal inputs give equal bytes, whatever order answers come in")
    func equalBytes() async throws {
        let runbook = Runbook.toy([
            .toy(on: "masters", [.set("x", "1"), .add("k", "e")]),
            .toy(on: "all", pace: .parallel(cap: 3), [.set("y", "2")]),
        ])
        let first = try await EngineTrial().plan(runbook).bytes()
        for _ in 0..<20 { #expect(try await EngineTrial().plan(runbook).bytes() == first) }
        let other = try await EngineTrial().plan(.toy("other", runbook.stages)).bytes()
        #expect(other != first)
    }

    @Test("an included runbook's stages stand in its place, and the plan is bound to its digest")
    func includes() async throws {
        var trial = EngineTrial()
        trial.library = [
            "inner": .toy("inner", [.toy("i", on: "masters[0]", [.set("x", "1")]), .including("innermost")]),
            "innermost": .toy("innermost", [.toy("ii", on: "masters[1]", [.set("x", "1")])]),
        ]
        let plan = try await trial.plan(
            .toy("outer", [.including("inner"), .toy("o", on: "masters[2]", [.set("x", "1")])])
        )
        #expect(plan.stages.map(\.name) == ["inner: i", "inner: innermost: ii", "o"])
        #expect(plan.steps.map(\.id.text) == ["1.master1.toy.set", "2.master2.toy.set", "3.master3.toy.set"])
        #expect(plan.bindings.includes == ["inner": "sha256:inner", "innermost": "sha256:innermost"])
        #expect(plan.bindings.runbook == "sha256:outer")
    }

    @Test("an included runbook's stages go on after failures where the stage that includes it does")
    func includesPatiently() async throws {
        var trial = EngineTrial()
        let budget = RunbookStage.toy("i", on: "masters", maxFailures: .count(1), [.set("x", "1")])
        trial.library = [
            "inner": .toy("inner", [budget, .toy("j", on: "masters[0]", [.set("y", "1")]), .including("innermost")]),
            "innermost": .toy("innermost", [.toy("k", on: "masters[0]", [.set("z", "1")])]),
        ]
        let patient = RunbookStage(
            name: "inner",
            selector: "all",
            onFailure: .continue,
            steps: [],
            include: "inner",
            location: budget.location
        )
        let plan = try await trial.plan(.toy("outer", [patient, .including("inner")]))
        #expect(plan.stages.map(\.onFailure) == [.continue, .continue, .continue, .hold, .hold, .hold])
        #expect(plan.stages.map(\.maxFailures) == [nil, nil, nil, 1, nil, nil])
    }

    @Test("runbooks that include each other in a circle are refused")
    func circle() async throws {
        var trial = EngineTrial()
        trial.library = ["a": .toy("a", [.including("b")]), "b": .toy("b", [.including("a")])]
        for start in ["a", "b"] {
            let runbook = try #require(trial.library[start])
            let error = await #expect(throws: OperatorMessage.self) { try await trial.plan(runbook) }
            #expect(error?.code == .invalidInput)
        }
        #expect(trial.hosts.calls.isEmpty)
    }

    @Test(
        "a selector that names nothing, a kind that is none and parameters that do not fit are refused before contact"
    )
    func doesNotFit() async throws {
        let stages: [RunbookStage] = [
            .toy(on: "mastres", [.set("x", "1")]), .toy(on: "masters", [.toy("none")]),
            .toy(on: "masters", [.toy("set")]),
            .toy(on: "masters", gates: [.toy("none")], []),
        ]
        for stage in stages {
            await #expect(throws: OperatorMessage.self) { try await trial.plan(.toy([stage])) }
        }
        #expect(trial.hosts.calls.isEmpty)
    }

    @Test(
        "hosts are cut into batches; the last size repeats, a percentage is rounded down to at least one",
        arguments: [
            ([HostShare.count(1)], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]), ([.count(3)], [3, 3, 3, 1]),
            ([.count(1), .count(5), .percent(20)], [1, 5, 2, 2]), ([.percent(20)], [2, 2, 2, 2, 2]),
            ([.percent(1)], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]), ([.percent(100)], [10]), ([.percent(35)], [3, 3, 3, 1]),
            ([.count(20)], [10]), ([.count(1), .percent(50)], [1, 5, 4]), ([], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
        ]
    )
    func batches(sizes: [HostShare], expected: [Int]) async throws {
        let trial = EngineTrial(.sample(masters: 3, workers: 10))
        let plan = try await trial.plan(.toy([.toy(on: "workers", pace: .serial(sizes), [.set("x", "1")])]))
        #expect(plan.stages[0].batches.map(\.count) == expected)
        #expect(plan.stages[0].batches.flatMap { $0 } == trial.cluster.hosts(in: .worker).map(\.name))
    }

    @Test("a stage whose selector picks nobody has no batch")
    func nobody() async throws {
        let plan = try await EngineTrial(.sample(workers: 0)).plan(
            .toy([
                .toy(on: "workers", [.set("x", "1")]),
                .toy(on: "workers", pace: .serial([.count(1)]), [.set("x", "1")]),
            ])
        )
        #expect(plan.stages.map(\.batches) == [[], []])
        #expect(plan.steps.isEmpty)
        #expect(!plan.hasChanges)
    }
}

struct TestFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
