import ArgumentParser
import ClusterModel
import FoundationEssentials

/// A command as the argument parser describes it: what manual pages are made of.
///
/// Source: the JSON of `--experimental-dump-help` of swift-argument-parser, serialization version 0.
struct CommandDescription: Decodable {
    struct Argument: Decodable {
        struct Name: Decodable {
            let kind: String
            let name: String

            var spelled: String { kind == "long" ? "--\(name)" : "-\(name)" }
        }

        let kind: String
        let shouldDisplay: Bool?
        let isOptional: Bool?
        let isRepeating: Bool?
        let names: [Name]?
        let preferredName: Name?
        let valueName: String?
        let defaultValue: String?
        let allValues: [String]?
        let abstract: String?
        let discussion: String?
    }

    let commandName: String
    let abstract: String?
    let discussion: String?
    let shouldDisplay: Bool?
    let arguments: [Argument]?
    let subcommands: [CommandDescription]?

    /// The whole program.
    static func program() throws -> CommandDescription {
        struct Dump: Decodable { let command: CommandDescription }
        do {
            _ = try RootCommand.parseAsRoot(["--experimental-dump-help"])
        } catch {
            let text = RootCommand.fullMessage(for: error)
            do { return try JSONDecoder().decode(Dump.self, from: Data(text.utf8)).command } catch {
                throw OperatorMessage(.fault, "the argument parser describes itself in another form: \(error)")
            }
        }
        throw OperatorMessage(.fault, "the argument parser does not describe itself")
    }

    /// Arguments that are shown, without the `--help` and `--version` of every command.
    var shownArguments: [Argument] {
        (arguments ?? []).filter { $0.shouldDisplay ?? true && $0.valueName != "help" && $0.valueName != "version" }
    }

    var shownSubcommands: [CommandDescription] {
        (subcommands ?? []).filter { $0.shouldDisplay ?? true && $0.commandName != "help" }
    }
}
