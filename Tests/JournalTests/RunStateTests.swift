import ClusterModel
import Testing

@testable import Journal

/// The rules of Format.md once more, as a table over plain words: slow, and easy to compare with the page.
struct ReferenceModel {
    typealias Row = (from: Set<String>, event: String, attempt: Int?, to: @Sendable (String) -> String)

    var status = "not begun"
    var phases: [StepID: String] = [:]
    var attempts: [StepID: Int] = [:]
    var hasIntent: [StepID: Bool] = [:]
    var operations: [String] = []
    var epoch = 0

    private static let closed: Set<String> = ["nothing", "failed", "refused", "not done"]
    private static let open: Set<String> = ["started", "unknown", "not done"]
    /// attempt: 1 for newest + 1, 0 for newest, nil for newest with an intent.
    private static let table: [Row] = [
        (closed, "intent", 1, { _ in "started" }),
        (closed, "outcome skipped", 1, { _ in "skipped" }),
        (closed, "outcome refused", 1, { _ in "refused" }),
        (open, "outcome ok", nil, { _ in "ok" }),
        (open, "outcome failed", nil, { _ in "failed" }),
        (open, "outcome unknown", nil, { _ in "unknown" }),
        (open, "outcome refused", nil, { _ in "refused" }),
        (open, "probe notDone", 0, { _ in "not done" }),
        (open, "probe done", 0, { _ in "unknown" }),
        (open, "probe cannotTell", 0, { _ in "unknown" }),
        (["ok"], "probe done", 0, { $0 }),
        (["ok"], "probe cannotTell", 0, { $0 }),
        (["ok"], "probe notDone", 0, { _ in "not done" }),
        (["unknown"], "resolved done", 0, { _ in "ok" }),
        (["unknown"], "resolved notDone", 0, { _ in "not done" }),
    ]

    mutating func takes(_ event: JournalEvent) -> Bool {
        switch event {
        case .runBegin:
            guard status == "not begun" else { return false }
            status = "open"
        case .runResumed:
            guard status == "open" || status == "held" else { return false }
            status = "open"
            for (step, phase) in phases where phase == "started" { phases[step] = "unknown" }
        case .runEnd(let end):
            guard status == "open" else { return false }
            let words = Set(phases.values)
            switch end.result {
            case .done: guard end.exitCode == .done, words.isSubset(of: ["ok", "skipped"]) else { return false }
            case .held: guard end.exitCode != .done else { return false }
            case .partial:
                guard end.exitCode != .done, words.isDisjoint(with: ["started", "unknown"]) else { return false }
            case .abandoned: guard !words.contains("started") else { return false }
            }
            status = end.result.rawValue
        case .lockTaken(let taken):
            guard status == "open", taken.epoch >= epoch else { return false }
            epoch = taken.epoch
        case .stageGate, .note, .runInterrupted: return status == "open"
        case .stepIntent(let intent):
            guard status == "open", !operations.contains(intent.operation) else { return false }
            guard takes(intent.step, "intent", intent.attempt) else { return false }
            operations.append(intent.operation)
            hasIntent[intent.step] = true
        case .stepOutcome(let outcome):
            return status == "open" && takes(outcome.step, "outcome \(outcome.result.rawValue)", outcome.attempt)
        case .stepProbe(let probe):
            return status == "open" && takes(probe.step, "probe \(probe.finding.rawValue)", probe.attempt)
        case .stepResolved(let resolved):
            return status == "open" && takes(resolved.step, "resolved \(resolved.answer.rawValue)", resolved.attempt)
        }
        return true
    }

    private mutating func takes(_ step: StepID, _ event: String, _ attempt: Int) -> Bool {
        let phase = phases[step] ?? "nothing"
        let newest = attempts[step] ?? 0
        for row in ReferenceModel.table where row.event == event && row.from.contains(phase) {
            let fits = attempt == newest + (row.attempt ?? 0) && (row.attempt != nil || hasIntent[step] == true)
            guard fits else { continue }
            if row.attempt == 1 { hasIntent[step] = false }
            attempts[step] = attempt
            phases[step] = row.to(phase)
            return true
        }
        return false
    }
}

@Suite("The fold over a run")
struct RunStateTests {
    static let steps = ["1.a", "2.b", "3.c"]

    /// Some event, likely enough to be legal that runs get long.
    static func event(_ random: inout SplitMix64, near state: RunState) -> JournalEvent {
        let name = steps[Int.random(in: 0..<steps.count, using: &random)]
        let newest = state[SampleRun.step(name)]?.attempt ?? 0
        let attempt = max(1, newest + Int.random(in: 0...5, using: &random) / 3)
        switch Int.random(in: 0..<40, using: &random) {
        case 0: return SampleRun.begin()
        case 1, 2: return .runResumed(RunResumed(purpose: .resume, by: SampleRun.person))
        case 3: return .lockTaken(LockTaken(epoch: Int.random(in: 0...9, using: &random)))
        case 4: return SampleRun.end(.done, Bool.random(using: &random) ? .done : .stepFailed)
        case 5: return SampleRun.end(.held, Int.random(in: 0...3, using: &random) == 0 ? .done : .stepFailed)
        case 6:
            return Int.random(in: 0...9, using: &random) == 0
                ? SampleRun.end(Bool.random(using: &random) ? .partial : .abandoned, .partial) : .note(Note(kind: "x"))
        case 7: return .runInterrupted(RunInterrupted(signal: .hangUp))
        case 8: return .stageGate(StageGate(stage: "s", passed: true, waited: .zero, detail: ""))
        case 9...18:
            let operation =
                Int.random(in: 0...9, using: &random) == 0 ? "9f3a12c4.1.a.1" : "9f3a12c4.\(name).\(attempt)"
            return .stepIntent(
                StepIntent(
                    step: SampleRun.step(name),
                    attempt: attempt,
                    operation: operation,
                    stepClass: .guarded,
                    arguments: SampleRun.planID
                )
            )
        case 19...28:
            let results = StepOutcome.Result.allCases
            return SampleRun.outcome(name, attempt, results[Int.random(in: 0..<results.count, using: &random)])
        case 29...34:
            let findings = StepProbe.Finding.allCases
            return SampleRun.probe(name, attempt, findings[Int.random(in: 0..<findings.count, using: &random)])
        default: return SampleRun.resolved(name, attempt, Bool.random(using: &random) ? .done : .notDone)
        }
    }

    @Test("1,000 random histories: the fold accepts exactly what the tables of Format.md accept")
    func likeReference() {
        var random = SplitMix64(seed: 4)
        var accepted: [String: Int] = [:]
        for _ in 0..<1000 {
            var state = RunState()
            var reference = ReferenceModel()
            for index in 0..<30 {
                let event = index == 0 ? SampleRun.begin() : RunStateTests.event(&random, near: state)
                let before = state
                let isLegal = (try? state.apply(event)) != nil
                let expected = reference.takes(event)
                guard isLegal == expected else {
                    Issue.record("the fold says \(isLegal), the table \(expected): \(event) in \(before)")
                    return
                }
                if isLegal { accepted[event.type, default: 0] += 1 } else { #expect(state == before) }
                let phases = state.steps.mapValues(\.phase.spoken)
                #expect(phases == reference.phases && state.lastNumber == before.lastNumber + (isLegal ? 1 : 0))
                if [.done, .partial, .abandoned].contains(state.status) { break }
            }
        }
        #expect(accepted.count == 11 && accepted.values.allSatisfy { $0 > 20 })
    }

    @Test("a started step is unknown once another process goes on, and no new attempt begins before a probe")
    func crashLeavesUnknown() throws {
        var state = RunState()
        for event in [
            SampleRun.begin(), SampleRun.intent("1.a"), .runResumed(RunResumed(purpose: .resume, by: SampleRun.person)),
        ] {
            try state.apply(event)
        }
        #expect(state.unresolved == [SampleRun.step("1.a")])
        #expect(throws: IllegalTransition.self) { try state.apply(SampleRun.intent("1.a", 2)) }
        try state.apply(SampleRun.probe("1.a", 1, .cannotTell))
        #expect(throws: IllegalTransition.self) { try state.apply(SampleRun.intent("1.a", 2)) }
        try state.apply(SampleRun.probe("1.a", 1, .notDone))
        #expect(state[SampleRun.step("1.a")]?.allowsNewAttempt == true)
        try state.apply(SampleRun.intent("1.a", 2))
        #expect(state.sessions == 2)
    }

    @Test("a run with a step that is not ok cannot be done, and one that is held cannot exit with 0")
    func noFalseSuccess() throws {
        for result in StepOutcome.Result.allCases {
            var state = RunState()
            try state.apply(SampleRun.begin())
            if result != .skipped, result != .refused { try state.apply(SampleRun.intent("1.a")) }
            try state.apply(SampleRun.outcome("1.a", 1, result))
            let isGood = result == .ok || result == .skipped
            #expect(((try? state.check(SampleRun.end(.done, .done))) != nil) == isGood)
            #expect(throws: IllegalTransition.self) { try state.check(SampleRun.end(.held, .done)) }
            #expect(throws: IllegalTransition.self) { try state.check(SampleRun.end(.done, .stepFailed)) }
        }
    }

    @Test("the error names the step and the reason")
    func wording() throws {
        var state = RunState()
        for event in [SampleRun.begin(), SampleRun.intent("1.a"), SampleRun.outcome("1.a")] { try state.apply(event) }
        let error = #expect(throws: IllegalTransition.self) { try state.apply(SampleRun.intent("1.a", 2)) }
        #expect(error?.description == "step.intent of 1.a cannot follow: it is ok")
    }
}
