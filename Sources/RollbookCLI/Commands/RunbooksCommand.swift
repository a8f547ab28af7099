import ArgumentParser
import ClusterModel
import ClusterSteps
import RunEngine

struct RunbooksCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "runbooks",
        abstract: "The runbooks in reach.",
        subcommands: [RunbooksListCommand.self, RunbooksShowCommand.self],
        defaultSubcommand: RunbooksListCommand.self
    )
}

struct RunbooksListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the runbooks in reach.")

    @OptionGroup var state: StateOptions

    func run() throws {
        let source = RunbookSource(try Surroundings.current(), registry: .shipped)
        var table = Table(("RUNBOOK", .left), ("FROM", .left), ("SUMMARY", .left))
        var entries: [JSONValue] = []
        for name in source.names {
            let entry = try source.find(name)
            table.add(name, entry.path ?? "built in", entry.runbook.summary)
            entries.append(
                .object([
                    "name": .string(name), "from": .string(entry.path ?? "built in"),
                    "summary": .string(entry.runbook.summary), "digest": .string(entry.runbook.digest),
                ])
            )
        }
        if state.format == .json {
            try JSONAnswer.print(.object(["v": .integer(1), "runbooks": .array(entries)]))
        } else {
            Terminal.answer(table.text)
        }
    }
}

struct RunbooksShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show a runbook's inputs and stages."
    )

    @Argument(help: "Runbook name, or a YAML file.") var name: String
    @Flag(help: "Print the YAML itself: a start for one of your own.") var source = false
    @OptionGroup var state: StateOptions

    func run() throws {
        let entry = try RunbookSource(try Surroundings.current(), registry: .shipped).find(name)
        if source { return try Terminal.machineAnswer(String(decoding: entry.bytes, as: UTF8.self)) }
        let runbook = entry.runbook
        if state.format == .json { return try JSONAnswer.print(json(of: runbook)) }
        var lines = ["\(runbook.name): \(runbook.summary)", "  from    \(entry.path ?? "built in")"]
        for input in runbook.inputs {
            let need = input.isRequired ? "required" : "default \(input.defaultValue ?? "none")"
            lines.append("  input   \(input.name) (\(input.type.word), \(need)) \(input.summary ?? "")")
        }
        for (index, stage) in runbook.stages.enumerated() {
            lines.append("\(index + 1). \(stage.name)  on \(stage.selector)")
            if let include = stage.include { lines.append("   include \(include)") }
            lines += stage.require.map { "   require \($0.kind)" } + stage.steps.map { "   \($0.kind)" }
            lines += stage.gates.map { "   gate    \($0.kind)" }
        }
        Terminal.answer(lines.map(\.escapedForTerminal).joined(separator: "\n"))
    }

    private func json(of runbook: Runbook) -> JSONValue {
        .object([
            "v": .integer(1), "name": .string(runbook.name), "summary": .string(runbook.summary),
            "digest": .string(runbook.digest),
            "stages": .array(
                runbook.stages.map { stage in
                    .object([
                        "name": .string(stage.name), "on": .string(stage.selector),
                        "require": .array(stage.require.map { .string($0.kind) }),
                        "steps": .array(stage.steps.map { .string($0.kind) }),
                    ])
                }
            ),
        ])
    }
}
