import ClusterModel
import Journal
import RunEngine

/// What a run prints besides its progress: the plan before, problems and one summary line after.
struct RunView: Sendable {
    let format: OutputFormat
    let isQuiet: Bool
    let progress: ProgressView
    /// Whether a run is shown on a board that is redrawn in place.
    let isLive: Bool
    let isInColour: Bool

    init(_ options: StateOptions, _ surroundings: Surroundings, _ mode: ProgressMode = .plain) {
        format = options.format
        isQuiet = options.quiet
        progress = ProgressView(format: options.format, isQuiet: options.quiet, time: surroundings.time)
        isLive =
            options.format == .text && !options.quiet
            && mode.isLive(onTerminal: surroundings.tellsOnTerminal, environment: surroundings.environment)
        isInColour = !ProgressMode.refusesColour(surroundings.environment)
    }

    /// Shows the plan before it is confirmed.
    func show(_ plan: Plan, id: String) throws {
        if format == .json {
            try JSONAnswer.print(
                .object([
                    "v": .integer(1), "event": .string("plan"), "plan": .string(id), "runbook": .string(plan.runbook),
                    "steps": .integer(Int64(plan.steps.count)),
                ])
            )
        } else if !isQuiet {
            Terminal.error(PlanView(plan: plan, id: id, isVerbose: true).text + "\n")
        }
    }

    /// The end of a run: each problem on standard error, one summary line on standard output.
    func show(_ ending: Executor.Ending, of plan: Plan, run: RunID, facts: [String], took: Duration) throws {
        // Nobody should go on before a doubtful host key or machine is explained.
        let mayResume = ending.result == .held && ending.exitCode != .security
        for problem in ending.problems {
            let next: String? = mayResume ? "rollbook resume \(run)" : "rollbook show \(run)"
            Terminal.error(problem.completed(next: next).description)
        }
        let result = ending.spokenResult
        if format == .json {
            try JSONAnswer.print(
                .object([
                    "v": .integer(1), "event": .string("run.ended"), "run": .string(run.text),
                    "runbook": .string(plan.runbook), "result": .string(result),
                    "exitCode": .integer(Int64(ending.exitCode.rawValue)), "durationMs": .integer(took.milliseconds),
                    "problems": try JSONValue(encoding: ending.problems), "summary": .array(facts.map { .string($0) }),
                ]),
                readerMayLeave: true
            )
            return
        }
        let details = facts.isEmpty ? "" : ": " + facts.joined(separator: ", ")
        let next = mayResume ? ". Next: rollbook resume \(run)" : ""
        Terminal.answer(
            "rollbook: \(plan.runbook) \(result) on \(plan.cluster.id) in \(took.brief)\(details) (run \(run))\(next)"
                .escapedOnOneLine
        )
    }
}

extension Executor.Ending {
    /// The word for it; a signal stops a run, all else that leaves something to do holds it.
    var spokenResult: String { result == .held && exitCode.rawValue > 128 ? "stopped" : result.rawValue }
}
