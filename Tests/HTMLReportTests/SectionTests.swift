import ClusterModel
import FoundationEssentials
import Journal
import RunEngine
import TestSupport
import Testing

@testable import HTMLReport

@Suite("Sections about checks, backups and earlier runs")
struct SectionTests {
    /// A plan of toys whose kinds are then called otherwise.
    private func plan(
        _ names: [String: String],
        _ stages: [RunbookStage],
        values: [String: [String: String]]
    ) async throws
        -> (plan: Plan, run: RunID)
    {
        let trial = EngineTrial(.sample(masters: 4, workers: 0, loadBalancers: 0))
        for (host, values) in values { trial.hosts[host].values = values }
        var text = String(decoding: try await trial.plan(.toy(stages)).bytes(), as: UTF8.self)
        for (old, new) in names { text = text.replacing(old, with: new) }
        return (try Plan.read(Array(text.utf8), from: "test"), trial.run)
    }

    private func preflight() async throws -> (plan: Plan, run: RunID) {
        try await plan(
            ["toy.set": "preflight.swap", "toy.after": "preflight.sysctl"],
            [
                .toy("Swap", on: "masters", onFailure: .continue, [.set("x", "off")]),
                .toy("Kernel", on: "masters", onFailure: .continue, [.toy("after", ["key": .string("y")])]),
            ],
            values: [
                "master1": ["x": "on", "y": "done"], "master2": ["x": "off", "y": "doubtful"],
                "master3": ["x": "forbidden", "y": "doubtful"], "master4": ["x": "on"],
            ]
        )
    }

    private func signs(_ trial: ReportTrial) throws -> [[String]] {
        let table = try #require(trial.page().fields["preflight"] as? Fields)
        let rows = try #require(table["rows"] as? [Fields])
        return rows.map { row in (row["cells"] as? [Fields] ?? []).compactMap { $0["sign"] as? String } }
    }

    @Test("checks have the letters of plans before a run, and those of what came of them after it")
    func letters() async throws {
        let (plan, run) = try await preflight()
        #expect(try signs(ReportTrial(plan, [], run: run)) == [["+", "="], ["=", "w"], ["!", "w"], ["+", "?"]])
        let steps = plan.steps.filter { $0.kind == "preflight.swap" }.map(\.id)
        let finding = JSONValue.object(["finding": .string("no swap")])
        let trial = try ReportTrial(
            plan,
            [
                (.zero, ReportTrial.intent(steps[0])),
                (.seconds(1), ReportTrial.outcome(steps[0], .ok, output: finding)),
                (.zero, ReportTrial.intent(steps[3])),
                (.seconds(1), ReportTrial.outcome(steps[3], .failed, "the fix ended with 1")),
            ],
            run: run
        )
        #expect(try signs(trial) == [["+", "="], ["=", "w"], ["!", "w"], ["!", "?"]])
        let table = try #require(trial.page().fields["preflight"] as? Fields)
        #expect(table["summary"] as? String == "2 in order, 1 mended, 2 with a warning, 1 not known, 2 failed")
        let html = try trial.page().html
        #expect(html.contains("title=\"master1 swap: mended: no swap\""))
        #expect(html.contains("title=\"master2 sysctl: warning: it is doubtful\""))
    }

    @Test("what is found alike on several hosts is explained once, the worst first, with the command that mends it")
    func findings() async throws {
        let (plan, run) = try await preflight()
        let table = try #require(try ReportTrial(plan, [], run: run).page().fields["preflight"] as? Fields)
        let findings = try #require(table["findings"] as? [Fields])
        #expect(findings.compactMap { $0["word"] as? String } == ["failed", "not known", "fixable", "warning"])
        #expect(
            findings.compactMap { $0["hosts"] as? String } == [
                "master3", "master4", "master1, master4", "master2, master3",
            ]
        )
        let fix = (findings[2]["nexts"] as? [Fields])?.first?["command"] as? String
        #expect(fix == "rollbook run toy --only swap")
    }

    @Test("a run without checks has no table of them, and one that published nothing no backup")
    func absent() async throws {
        let trial = try await ReportTrial.everyForm()
        #expect(trial.page().fields["preflight"] as? Bool == false)
        #expect(trial.page().fields["backup"] as? Bool == false)
        #expect(trial.page().fields["history"] as? Bool == false)
    }

    @Test("a published backup is told with its digests and the command that proves it")
    func backup() async throws {
        let (plan, run) = try await plan(
            ["toy.set": "etcd.snapshot", "toy.add": "backup.publish"],
            [.toy("Take", on: "master1", [.set("x", "1"), .add("k", "e")])],
            values: [:]
        )
        let digest = String(repeating: "ab", count: 32)
        let file = #"{"bytes":90112,"sha256":"\#(digest)"}"#
        let outputs = [
            """
            {"facts":{"hash":255,"liveKeys":202,"pageSize":4096,"revision":229,"totalKeys":238},"file":{"encryption":"none",
            "path":"etcd/master1.db","plain":\(file),"stored":\(file)},"member":"m1","revisionBefore":228}
            """,
            """
            {"bytes":741376,"id":"20261120T221320Z-9f3a12c4","manifestSHA256":"\(digest)","path":"/backups/x",
            "result":{"kind":"degraded","reasons":["master3 is down"]},"revision":229,"snapshotBytes":90112}
            """,
        ]
        var events: [(Duration, JournalEvent)] = []
        for (step, text) in zip(plan.steps, outputs) {
            let output = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
            events += [
                (.zero, ReportTrial.intent(step.id)),
                (.seconds(1), ReportTrial.outcome(step.id, .ok, output: output, took: .seconds(1))),
            ]
        }
        let html = try ReportTrial(plan, events, run: run).page().html
        for part in [
            "<h2 id=\"backup\">Backup</h2>", "master3 is down", "724 KiB", "sha256:\(digest)", "etcd/master1.db",
            "88.0 KiB",
            "<code>rollbook backups verify 20261120T221320Z-9f3a12c4 --level 3</code>",
        ] { #expect(html.contains(part), "\(part)") }
    }

    @Test("the run is compared with the median of earlier ones that ended alike")
    func history() async throws {
        let trial = try await ReportTrial.everyForm()
        let alike = (1...3).map { number in
            EarlierRun(
                run: RunID(moment: UTCMoment(seconds: Int64(number)), random: 1),
                started: nil,
                duration: .seconds(number * 50),
                verdict: Verdict(trial.state)
            )
        }
        let history = try #require(trial.page(alike).fields["history"] as? Fields)
        #expect(
            history["summary"] as? String
                == "It took 1m47s; the median of 3 earlier ones that are unknown is 1m40s (+7 %)."
        )
        let rows = try #require(history["rows"] as? [Fields])
        #expect(rows.compactMap { $0["share"] as? String } == ["71.3", "33.3", "66.6", "100.0"])
    }

    @Test("an output that is missing or altered is told of, and the page is made all the same")
    func damagedOutput() async throws {
        struct Damaged: OutputStore {
            func store(_ bytes: [UInt8], of step: StepID, attempt: Int) throws -> OutputRecord {
                throw OperatorMessage(.storage, "nothing is stored here")
            }
            func load(_ record: OutputRecord) throws -> [UInt8] { throw OperatorMessage(.integrity, "it was altered") }
        }
        let (plan, run) = try await plan([:], [.toy("Take", on: "master1", [.set("x", "1")])], values: [:])
        let step = plan.steps[0].id
        let record = OutputRecord(name: "out/\(step).1.out", sha256: ContentHash(of: []), bytes: 9, truncated: false)
        let outcome = StepOutcome(
            step: step,
            attempt: 1,
            result: .ok,
            output: .object(["stored": .string(record.name)]),
            outputs: [record]
        )
        let trial = try ReportTrial(
            plan,
            [(.zero, ReportTrial.intent(step)), (.zero, .stepOutcome(outcome))],
            run: run
        )
        let html = try RunPage(trial.reported(), outputs: Damaged()).html
        #expect(
            html.contains("out/\(step).1.out of the run&#39;s folder is missing or is not what the journal recorded")
        )
    }

    @Test("a look at a gate is told in the stage that has it, when an included runbook has a stage of that name, too")
    func stagesOfOneName() async throws {
        let trial = EngineTrial(.sample(masters: 1, workers: 0, loadBalancers: 0))
        trial.hosts["master1"].values = ["x": "old", "ready": "yes"]
        let plan = try await trial.plan(
            .toy([
                .toy("Ready", on: "masters", [.read("x")]),
                .toy("Ready", on: "masters", require: [.gate("ready", "yes")], [.set("x", "new")]),
            ])
        )
        func look(_ gate: String?) -> StageGate {
            StageGate(stage: "Ready", gate: gate, passed: true, waited: .zero, detail: "it is")
        }
        let page = try ReportTrial(plan, [(.seconds(1), .stageGate(look("toy.is")))], run: trial.run).page()
        let stages = try #require(page.fields["stages"] as? [Fields])
        #expect(stages.map { ($0["gates"] as? [Fields])?.count } == [0, 2])
        // Journals of before kinds were recorded.
        #expect(plan.stage(of: look(nil)) == 0)
        #expect(plan.stage(of: StageGate(stage: "Gone", passed: true, waited: .zero, detail: "")) == nil)
    }

    @Test("gates that are looked at by turns are told once each wait, with what the last look found")
    func turns() async throws {
        let trial = EngineTrial(.sample(masters: 1, workers: 0, loadBalancers: 0))
        trial.hosts["master1"].values = ["x": "old"]
        let plan = try await trial.plan(.toy([.toy("Masters", on: "masters", [.set("x", "new")])]))
        let wait = [("a", false, "1 s"), ("b", true, "r1"), ("a", false, "6 s"), ("b", true, "r2"), ("a", true, "yes")]
        let looks = wait.map { gate, passed, detail -> (Duration, JournalEvent) in
            let look = StageGate(stage: "Masters", gate: gate, passed: passed, waited: .zero, detail: detail)
            return (.seconds(5), .stageGate(look))
        }
        let step = plan.steps[0].id
        let work = [(Duration.zero, ReportTrial.intent(step)), (.zero, ReportTrial.outcome(step, .ok))]
        let page = try ReportTrial(plan, looks + work + looks.suffix(1), run: trial.run).page()
        let stages = try #require(page.fields["stages"] as? [Fields])
        let told = (stages[0]["gates"] as? [Fields] ?? []).compactMap { $0["text"] as? String }
        #expect(told == ["a: 6 s (the last of 2 looks)", "b: r2 (the last of 2 looks)", "a: yes", "a: yes"])
    }

    @Test("what a run was begun with stands in one line")
    func inputs() async throws {
        let trial = EngineTrial(.sample(masters: 1, workers: 0, loadBalancers: 0))
        trial.hosts["master1"].values = ["x": "old"]
        let inputs = ["w", "v"].map { RunbookInput(name: $0, type: .string) }
        let plan = try await trial.plan(
            .toy(inputs: inputs, [.toy("Set", on: "masters", [.set("x", "new")])]),
            inputs: ["w": "2", "v": "1"]
        )
        let head = try #require(try ReportTrial(plan, [], run: trial.run).page().fields["head"] as? [Fields])
        let told = head.filter { $0["name"] as? String == "inputs" }.compactMap { $0["value"] as? String }
        #expect(told == ["v=1; w=2"])
    }
}
