import ClusterModel
import ClusterSteps
import HTMLReport
import Journal
import RunEngine

/// One recorded run as text and as JSON.
struct RunDetails {
    private let recorded: RecordedRun
    private let plan: Plan

    init(_ recorded: RecordedRun, _ plan: Plan) {
        self.recorded = recorded
        self.plan = plan
    }

    private var state: RunState { recorded.state }

    var text: String {
        var lines = [
            "Run \(recorded.folder.run)", "  runbook   \(plan.runbook)", "  cluster   \(plan.cluster.id)",
            "  plan      \(state.begin?.plan.text ?? "")", "  by        \(by)", "  status    \(status)",
            "  journal   \(recorded.records.count) records, chain verified",
        ]
        if let duration = recorded.duration {
            let sessions = state.sessions > 1 ? " in \(state.sessions) sessions" : ""
            lines.append("  took      \(duration.brief)\(sessions)")
        }
        for step in plan.steps where step.kind == ReportAvailability.signature.kind {
            let counted = try? state[step.id]?.output?.decode(ReportAvailability.Output.self)
            if let counted { lines.append("  clients   \(counted.text)") }
        }
        if let without = plan.without { lines.append("  without   \(without.map(\.text).joined(separator: ", "))") }
        if let torn = recorded.torn {
            lines.append("  note      \(torn.bytes) bytes of a torn last record are not counted")
        }
        var table = Table(("STEP", .left), ("RESULT", .left), ("TRY", .right), ("TIME", .right), ("", .left))
        for step in plan.steps {
            let known = state[step.id]
            let time = known?.outcome.map { $0.duration > .zero ? $0.duration.brief : "" } ?? ""
            table.add(
                step.id.text,
                known?.phase.rawValue ?? "not begun",
                known.map { String($0.attempt) } ?? "",
                time,
                known?.outcome?.message ?? ""
            )
        }
        for (undo, known) in state.steps.filter({ $0.key.text.hasPrefix("undo.") }).sorted(by: { $0.key < $1.key }) {
            let time = known.outcome.map { $0.duration > .zero ? $0.duration.brief : "" } ?? ""
            table.add(undo.text, known.phase.rawValue, String(known.attempt), time, known.outcome?.message ?? "")
        }
        lines += [""] + table.lines
        for problem in problems { lines += ["", problem.description] }
        if let next { lines += ["", "Next: \(next)"] }
        return lines.map(\.escapedForTerminal).joined(separator: "\n")
    }

    var json: JSONValue {
        get throws {
            let steps = try plan.steps.map { step -> JSONValue in
                let known = state[step.id]
                return .object([
                    "step": .string(step.id.text), "host": .string(step.host.text), "kind": .string(step.kind),
                    "state": .string(known?.phase.rawValue ?? "notStarted"),
                    "attempt": .integer(Int64(known?.attempt ?? 0)),
                    "durationMs": known?.outcome.map { .integer($0.duration.milliseconds) } ?? .null,
                    "message": known?.outcome?.message.map { .string($0) } ?? .null, "output": known?.output ?? .null,
                    "stage": .string(plan.stages[step.stage].name), "planned": try JSONValue(encoding: step.decision),
                ])
            }
            return .object([
                "v": .integer(1), "run": .string(recorded.folder.run.text), "runbook": .string(plan.runbook),
                "cluster": .string(plan.cluster.id.text), "plan": .string(state.begin?.plan.text ?? ""),
                "status": .string(state.status.rawValue),
                "exitCode": state.end.map { .integer(Int64($0.exitCode.rawValue)) } ?? .null,
                "records": .integer(Int64(recorded.records.count)), "steps": .array(steps),
                "durationMs": recorded.duration.map { .integer($0.milliseconds) } ?? .null,
                "sessions": .integer(Int64(state.sessions)), "problems": state.end?.summary["problems"] ?? .array([]),
                "next": next.map { .string($0) } ?? .null,
            ])
        }
    }

    /// The same words for the page of the run.
    func reported(beside earlier: [EarlierRun]) -> ReportedRun {
        ReportedRun(
            run: recorded.folder.run,
            plan: plan,
            records: recorded.records,
            state: state,
            duration: recorded.duration,
            tornBytes: recorded.torn?.bytes,
            by: by,
            status: status,
            next: next,
            earlier: earlier
        )
    }

    private var by: String {
        guard let by = state.begin?.by else { return "" }
        return "\(by.user)@\(by.host), \(by.program), pid \(by.pid)"
    }

    private var status: String {
        guard let end = state.end else {
            return state.status == .open ? "open: its process works on it, or died" : state.status.rawValue
        }
        return "\(state.status.rawValue), exit code \(end.exitCode.rawValue)"
    }

    private var problems: [OperatorMessage] {
        (try? state.end?.summary["problems"]?.decode([OperatorMessage].self)) ?? []
    }

    /// A step that a probe could not tell about, and that only a person can.
    private var unresolved: StepID? {
        state.steps.filter { $0.value.needsProbe && $0.value.probe?.finding == .cannotTell }.keys.min()
    }

    /// A step that failed and is not tried again by itself.
    private var failed: StepID? {
        guard !isAbandoning else { return nil }
        return plan.steps.first { step in
            state[step.id]?.phase == .failed && (step.stepClass == .guarded || step.stepClass == .manual)
        }?.id
    }

    private var isAbandoning: Bool { state.steps.keys.contains { $0.text.hasPrefix("undo.") } }

    private var next: String? {
        switch state.status {
        case .open, .held:
            unresolved.map {
                "rollbook resume \(recorded.folder.run), or when it cannot tell: rollbook resolve \(recorded.folder.run) "
                    + "\($0) --as done|not-done --why TEXT"
            } ?? failed.map {
                "when its cause is mended: rollbook resume \(recorded.folder.run) --retry \($0), "
                    + "or give it up: rollbook abandon \(recorded.folder.run)"
            } ?? (isAbandoning ? "rollbook abandon" : "rollbook resume") + " \(recorded.folder.run)"
        case .notBegun, .done, .partial, .abandoned: nil
        }
    }
}
