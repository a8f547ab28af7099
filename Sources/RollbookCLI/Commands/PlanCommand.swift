import ArgumentParser
import ClusterModel
import FoundationEssentials
import Journal
import RunEngine

/// `plan RUNBOOK`: the dry run; nothing on any host is changed.
struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Show what a runbook would do now; changes nothing on any host."
    )

    @Argument(help: "Runbook name, or a YAML file.") var runbook: String
    @OptionGroup var cluster: ClusterOptions
    @OptionGroup var inputs: InputOptions
    @OptionGroup var answers: AnswerOptions
    @OptionGroup var scope: ScopeOptions
    @OptionGroup var checks: CheckOptions
    @Option(help: "Also write the plan to this new file, for `rollbook apply`.") var out: String?
    @Option(help: "Also write the verdicts as JUnit XML to this new file: a suite a host, a case a step.") var junit:
        String?
    @Flag(help: "Exit with 3 when there is something to do.") var check = false

    func run() async throws {
        let surroundings = try Surroundings.current()
        let context = try ClusterContext.load(cluster, surroundings)
        let view = RunView(cluster.state, surroundings)
        // Who executes the plan may be somebody else, on a terminal: `apply` looks for them.
        let person = PersonAtTerminal(planningOnly: surroundings, answers: try answers.answers())
        let session = try RunSession(context, stateOption: cluster.state.stateDir, view: view, person: person)
        let entry = try session.source.find(runbook)
        let plan = try await session.plan(entry, inputs: try inputs.values(), scope: scope, checks: checks)
        await context.connections.close()
        let bytes = try plan.bytes()
        let id = ContentHash(of: bytes).text
        let text = try SavedPlan.text(of: bytes, id: id)
        if let out { try store(text, at: surroundings.absolute(out)) }
        if let junit { try store(Array(JUnitReport(plan).text.utf8), at: surroundings.absolute(junit)) }
        if cluster.state.format == .json {
            try Terminal.machineAnswer(String(decoding: text, as: UTF8.self))
        } else {
            Terminal.answer(PlanView(plan: plan, id: id, isVerbose: cluster.state.verbose || !cluster.state.quiet).text)
            if let out { Terminal.answer("Stored as \(out). Execute exactly this with: rollbook apply \(out)") }
        }
        for obstacle in plan.obstacles { Terminal.error(obstacle.description) }
        if let worst = plan.obstacles.isEmpty ? nil : ExitCode.mostSevere(plan.obstacles.map(\.code)) {
            throw CommandEnding(code: worst)
        }
        if check, plan.hasChanges { throw CommandEnding(code: .invalidInput) }
    }

    /// A plan names machines and files; it is kept private, and never written over another file.
    private func store(_ bytes: [UInt8], at path: String) throws {
        guard !FileManager.default.fileExists(atPath: path) else {
            throw OperatorMessage(
                .refused,
                at: path,
                "there is such a file already",
                next: "choose another name"
            )
        }
        do {
            try Data(bytes).write(to: URL(filePath: path), options: .withoutOverwriting)
        } catch {
            throw OperatorMessage(.storage, at: path, "cannot write it: \(error)")
        }
    }
}
