import ClusterModel
import Journal
import RunEngine
import TestSupport

@testable import HTMLReport

/// A recorded run to make pages of.
struct ReportTrial {
    let plan: Plan
    let records: [JournalRecord]
    let state: RunState
    let run: RunID
    let outputs: MemoryOutputs

    /// A run of every form: done, failed, refused, blocked and warned of; a gate that is closed and opens; a controller that dies
    /// with a step under way, and another session that goes on.
    static func everyForm() async throws -> ReportTrial {
        let trial = EngineTrial(.sample(masters: 3, workers: 3, loadBalancers: 2))
        for host in ["master1", "master2", "master3"] { trial.hosts[host].values = ["x": "old", "ready": "yes"] }
        trial.hosts["worker1"].values = ["x": "new"]
        trial.hosts["worker2"].values = ["x": "forbidden"]
        trial.hosts["worker3"].values = ["later": "doubtful"]
        let plan = try await trial.plan(
            .toy([
                .toy(
                    "Masters, one at a time",
                    on: "masters",
                    pace: .serial([.count(1)]),
                    gates: [.gate("ready", "yes")],
                    [.set("x", "new"), .add("k", "e")]
                ),
                .toy(
                    "Workers",
                    on: "workers",
                    pace: .parallel(cap: nil),
                    onFailure: .continue,
                    [.set("x", "new"), .toy("after", ["key": .string("later")])]
                ),
                .toy("Load balancers", on: "loadBalancers", [.read("x")]),
            ])
        )
        return try ReportTrial(plan, events(of: plan), run: trial.run)
    }

    init(_ plan: Plan, _ events: [(Duration, JournalEvent)], run: RunID) throws {
        let time = TestTime()
        let id = ContentHash(of: try plan.bytes())
        let journal = InMemoryJournal(run: run, plan: id, clock: JournalClock(time: time, boot: "boot"))
        let me = Operator(program: "rollbook test", host: "controller", user: "tester", pid: 1)
        try journal.append(
            .runBegin(
                RunBegin(plan: id, by: me, cluster: plan.cluster.id, runbook: plan.runbook, steps: plan.steps.count)
            )
        )
        for (pause, event) in events {
            time.advance(by: pause)
            try journal.append(event)
        }
        self.plan = plan
        self.run = run
        records = journal.records
        state = journal.state
        outputs = MemoryOutputs()
    }

    func page(_ earlier: [EarlierRun] = []) -> RunPage { RunPage(reported(earlier), outputs: outputs) }

    func reported(_ earlier: [EarlierRun] = []) -> ReportedRun {
        ReportedRun(
            run: run,
            plan: plan,
            records: records,
            state: state,
            duration: .seconds(107),
            by: "tester@controller, rollbook test, pid 1",
            status: state.status.rawValue + (state.end.map { ", exit code \($0.exitCode.rawValue)" } ?? ""),
            next: "rollbook resume \(run)",
            earlier: earlier
        )
    }

    static func intent(_ id: StepID, attempt: Int = 1, _ stepClass: StepClass = .guarded) -> JournalEvent {
        .stepIntent(
            StepIntent(
                step: id,
                attempt: attempt,
                operation: "9f3a12c4.\(id).\(attempt)",
                stepClass: stepClass,
                arguments: ContentHash(of: [])
            )
        )
    }

    static func outcome(
        _ id: StepID,
        _ result: StepOutcome.Result,
        attempt: Int = 1,
        _ message: String? = nil,
        output: JSONValue = .null,
        took: Duration = .zero
    ) -> JournalEvent {
        .stepOutcome(
            StepOutcome(step: id, attempt: attempt, result: result, output: output, message: message, duration: took)
        )
    }

    private static func gate(_ passed: Bool, _ detail: String) -> JournalEvent {
        .stageGate(
            StageGate(stage: "Masters, one at a time", passed: passed, waited: .milliseconds(40), detail: detail)
        )
    }

    private static func events(of plan: Plan) -> [(Duration, JournalEvent)] {
        let other = Operator(program: "rollbook test", host: "controller", user: "tester", pid: 2)
        func id(_ stage: Int, _ host: String, _ kind: String) -> StepID? {
            plan.steps.first { $0.stage == stage && $0.host.text == host && $0.kind == "toy.\(kind)" }?.id
        }
        var events: [(Duration, JournalEvent)] = [(.milliseconds(20), .lockTaken(LockTaken(epoch: 1)))]
        func add(_ pause: Duration, _ step: StepID?, _ event: (StepID) -> JournalEvent) {
            if let step { events.append((pause, event(step))) }
        }
        for (index, host) in ["master1", "master2"].enumerated() {
            let set = id(0, host, "set")
            let more = id(0, host, "add")
            add(.milliseconds(100), set) { intent($0, .idempotent) }
            add(.seconds(4), set) { outcome($0, .ok, output: .string("new"), took: .seconds(4)) }
            add(.milliseconds(10), more) { intent($0) }
            guard index == 0 else { break }
            let printed = JSONValue.object([
                "lines": .string("first\nsecond"), "exit": .integer(0), "wide": .string("a\u{1B}[31m<b>"),
            ])
            add(.seconds(12), more) { outcome($0, .ok, output: printed, took: .seconds(12)) }
            events.append((.milliseconds(50), gate(false, "ready of master1 is nothing")))
            for _ in 0..<3 { events.append((.seconds(5), gate(true, "ready is yes"))) }
        }
        // The controller dies while master2 is at work, and goes on an hour later.
        events.append((.seconds(3600), .runResumed(RunResumed(purpose: .resume, by: other))))
        events.append((.milliseconds(30), .lockTaken(LockTaken(epoch: 2))))
        add(.milliseconds(200), id(0, "master2", "add")) {
            .stepProbe(StepProbe(step: $0, attempt: 1, finding: .done, detail: "the entry is there"))
        }
        add(.milliseconds(10), id(0, "master2", "add")) { outcome($0, .ok, took: .milliseconds(210)) }
        for _ in 0..<3 { events.append((.seconds(5), gate(true, "ready is yes"))) }
        add(.milliseconds(100), id(0, "master3", "set")) { intent($0, .idempotent) }
        add(.seconds(6), id(0, "master3", "set")) { outcome($0, .ok, output: .string("new"), took: .seconds(6)) }
        add(.milliseconds(10), id(0, "master3", "add")) { intent($0) }
        add(.seconds(30), id(0, "master3", "add")) { outcome($0, .failed, "the toy said 1", took: .seconds(30)) }
        add(.milliseconds(10), id(1, "worker1", "set")) { outcome($0, .skipped, "x is new already") }
        add(.milliseconds(10), id(1, "worker2", "set")) { outcome($0, .refused, "x must not be changed") }
        add(.milliseconds(10), id(1, "worker3", "set")) { intent($0, .idempotent) }
        add(.seconds(8), id(1, "worker3", "set")) { outcome($0, .unknown, "the link was lost", took: .seconds(8)) }
        add(.milliseconds(10), id(1, "worker3", "after")) { outcome($0, .skipped, "it is doubtful") }
        let problems = [
            OperatorMessage(
                .stepFailed,
                at: "master3/toy.add",
                "the toy said 1",
                state: "master3 is cordoned",
                next: "when its cause is mended: rollbook resume RUN --retry 1.master3.toy.add"
            ),
            OperatorMessage(
                .outcomeUnknown,
                at: "worker3/toy.set",
                "the link was lost",
                state: "It may have been done"
            ),
        ]
        let summary = (try? JSONValue(encoding: problems)) ?? .null
        events.append(
            (
                .milliseconds(10),
                .runEnd(RunEnd(result: .held, exitCode: .outcomeUnknown, summary: .object(["problems": summary])))
            )
        )
        return events
    }
}
