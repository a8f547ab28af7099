import ArgumentParser
import ClusterModel

/// The program: parses the command line, runs one command, and ends with a documented exit code.
package enum Rollbook {
    /// Never returns to a state where more than the exit is left to do.
    package static func main() async {
        ProcessSetup.prepare()
        exitNow(await run(Array(CommandLine.arguments.dropFirst())))
    }

    static func run(_ arguments: [String]) async -> ExitCode {
        // Also what is left of a command line that the runtime could not read (no descriptor for it, say): never a success.
        guard !arguments.isEmpty else {
            Terminal.error(RootCommand.helpMessage())
            Terminal.error("rollbook: usage: a command is missing. Nothing was done. Next: rollbook --help")
            return .usage
        }
        do {
            try RootCommand.checkName(arguments.first)
            var command = try RootCommand.parseAsRoot(arguments)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            return .done
        } catch {
            return report(error)
        }
    }

    /// Says what went wrong on standard error, and with which code to end.
    private static func report(_ error: any Error) -> ExitCode {
        switch error {
        case let ending as CommandEnding:
            return ending.code
        case let failure as any OperatorMessageConvertible:
            Terminal.error(failure.operatorMessage.description)
            return failure.operatorMessage.code
        case is CancellationError:
            return .interrupted
        default:
            let text = RootCommand.fullMessage(for: error)
            if RootCommand.exitCode(for: error).isSuccess {
                Terminal.answer(text)
                return .done
            }
            Terminal.error(text.hasPrefix("Error: ") ? "rollbook: usage: " + text.dropFirst(7) : text)
            return .usage
        }
    }
}

/// Ends a command whose answer or messages were printed already.
struct CommandEnding: Error {
    let code: ExitCode
}

struct RootCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollbook",
        abstract:
            "Operations runbooks for highly available Kubernetes clusters: plans, journaled runs, verified backups.",
        discussion: "Exit codes are documented API (Docs/ExitCodes.md); an unknown code means failure.",
        version: Version.program,
        subcommands: [
            PlanCommand.self, RunCommand.self, ApplyCommand.self, ResumeCommand.self, AbandonCommand.self,
            ResolveCommand.self, RunsCommand.self,
            ShowCommand.self,
            JournalCommand.self, BackupsCommand.self, RunbooksCommand.self, InventoryCommand.self, HostsCommand.self,
            FactsCommand.self, HealthCommand.self, ScheduleCommand.self, SchemaCommand.self, VersionCommand.self,
            ManualCommand.self, UnitsCommand.self,
        ]
    )

    /// The parser only says "unexpected argument" of a mistyped command.
    static func checkName(_ name: String?) throws(OperatorMessage) {
        guard let name, !name.hasPrefix("-"), name != "help" else { return }
        let known = configuration.subcommands.compactMap { $0.configuration.commandName }
        guard !known.contains(name) else { return }
        let hint = nearest(to: name, among: known).map { "; did you mean '\($0)'?" } ?? ""
        throw OperatorMessage(.usage, at: name, "no such command\(hint)", next: "rollbook --help lists them")
    }
}
