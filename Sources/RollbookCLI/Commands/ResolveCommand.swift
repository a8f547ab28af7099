import ArgumentParser
import ClusterModel
import Journal
import RunEngine
import SystemPackage

/// `resolve RUN STEP --as done|not-done --why TEXT`: a person's answer where neither host nor probe could tell.
struct ResolveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resolve",
        abstract: "Say what came of a step whose outcome is unknown; recorded with your name and reason."
    )

    enum Answer: String, ExpressibleByArgument, CaseIterable, Sendable { case done, notDone = "not-done" }

    @Argument(help: "Run id.") var id: String
    @Argument(help: "Step id, as `rollbook show` lists it.") var step: String
    @Option(name: .customLong("as"), help: "What you found: done or not-done.") var answer: Answer
    @Option(help: "How you found out; kept in the journal.") var why: String
    @OptionGroup var state: StateOptions

    func validate() throws {
        guard why.contains(where: { !$0.isWhitespace }), why.utf8.count <= 4096 else {
            throw ValidationError("--why takes a reason of at most 4096 bytes")
        }
    }

    func run() throws {
        let surroundings = try Surroundings.current()
        let directory = try StateDirectory.prepare(at: FilePath(surroundings.stateDirectory(state.stateDir)))
        let folder = try directory.run(named: id)
        let recorded = try JournalReader.verify(folder, witnesses: try directory.witnesses(of: folder.run))
        guard let begin = recorded.state.begin, let step = StepID(step), let known = recorded.state[step] else {
            throw OperatorMessage(
                .usage,
                at: step,
                "run \(folder.run) has no such step, or it was never begun",
                next: "rollbook show \(folder.run)"
            )
        }
        guard known.needsProbe else {
            throw OperatorMessage(
                .refused,
                at: step.text,
                "its outcome is known: it is \(known.phase.rawValue)",
                state: "Nothing was recorded",
                next: "rollbook show \(folder.run)"
            )
        }
        let lock = try directory.takeLock(of: begin.cluster, for: folder.run, runbook: "resolve", surroundings)
        defer { lock.release() }
        let (journal, _) = try JournalWriter.reopen(
            folder,
            purpose: .resolve,
            by: surroundings.operatorIdentity,
            clock: surroundings.clock,
            witnesses: try directory.witnesses(of: folder.run)
        )
        try journal.append(
            .stepResolved(
                StepResolved(
                    step: step,
                    attempt: known.attempt,
                    by: "\(surroundings.user)@\(surroundings.hostname)",
                    answer: answer == .done ? .done : .notDone,
                    why: why
                )
            )
        )
        Terminal.answer(
            "rollbook: \(step) of run \(folder.run) is recorded as \(answer.rawValue). Next: rollbook resume \(folder.run)"
                .escapedOnOneLine
        )
    }
}
