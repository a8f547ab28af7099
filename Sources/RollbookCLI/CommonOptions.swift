import ArgumentParser
import ClusterModel

/// How an answer is printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable { case text, json }

/// Options of commands that need a cluster.
struct ClusterOptions: ParsableArguments {
    @Option(
        name: [.customShort("i"), .long],
        help: "Inventory file (else $ROLLBOOK_INVENTORY, ./Inventory or /etc/rollbook/inventory)."
    )
    var inventory: String?

    @OptionGroup var state: StateOptions

    @Option(help: "Hosts at the same time (1 to 256).")
    var parallel: Int = 32

    func validate() throws {
        guard (1...256).contains(parallel) else { throw ValidationError("--parallel takes a number from 1 to 256") }
    }
}

/// Where runs and backups are kept, and how to answer.
struct StateOptions: ParsableArguments {
    @Option(help: "Folder of runs, locks and backups (else $ROLLBOOK_STATE_DIR, /var/lib/rollbook for root).")
    var stateDir: String?

    @Option(help: "How to print the answer: text or json.")
    var format: OutputFormat = .text

    @Flag(name: .shortAndLong, help: "Print only the result and problems.")
    var quiet = false

    @Flag(name: .shortAndLong, help: "Print more of what goes on.")
    var verbose = false
}

/// `--set name=value`, repeatable.
struct InputOptions: ParsableArguments {
    @Option(
        name: .customLong("set"),
        help: ArgumentHelp("Value of a runbook input; may be repeated.", valueName: "name=value")
    )
    var assignments: [String] = []

    func values() throws -> [String: String] {
        var values: [String: String] = [:]
        for text in assignments {
            guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
                throw OperatorMessage(.usage, at: "--set \(text)", "it has no '='", next: "write --set name=value")
            }
            let name = String(text[..<equals])
            guard values[name] == nil else { throw OperatorMessage(.usage, at: "--set \(name)", "it is given twice") }
            values[name] = String(text[text.index(after: equals)...])
        }
        return values
    }
}

/// Which of a runbook's hosts take part.
struct ScopeOptions: ParsableArguments {
    @Option(help: "Only these of the runbook's hosts (selector).") var on: String?
    @Option(
        help: ArgumentHelp(
            "Leave this host out, it is away: recorded in the plan; may be repeated.",
            valueName: "host"
        )
    )
    var without: [String] = []

    func left(of cluster: Cluster) throws(OperatorMessage) -> [HostName] {
        var names: [HostName] = []
        for text in without {
            guard let host = cluster.hosts.first(where: { $0.name.text == text }) else {
                let hint =
                    nearest(to: text, among: cluster.hosts.map(\.name.text)).map { "; did you mean '\($0)'?" } ?? ""
                throw OperatorMessage(.usage, at: "--without \(text)", "the inventory has no such host\(hint)")
            }
            names.append(host.name)
        }
        return names
    }
}

/// What a person may say who knows that another controller is gone for good.
struct OwnershipOptions: ParsableArguments {
    @Flag(help: "Take hosts over from another controller that did not give them back, and never will.")
    var takeOver = false
}
