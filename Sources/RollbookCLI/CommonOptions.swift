import ArgumentParser
import ClusterModel
import RunEngine

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
        try assigned(assignments, "--set")
    }
}

/// `--answer name=yes`, repeatable: questions of `confirm` steps answered beforehand.
struct AnswerOptions: ParsableArguments {
    @Option(
        name: .customLong("answer"),
        help: ArgumentHelp("Answer a question of the runbook beforehand; may be repeated.", valueName: "name=yes")
    )
    var assignments: [String] = []

    func answers() throws -> [String: Bool] {
        try assigned(assignments, "--answer").mapValues { value in
            guard value == "yes" || value == "no" else {
                throw OperatorMessage(.usage, at: "--answer", "'\(value)' is neither yes nor no")
            }
            return value == "yes"
        }
    }
}

/// `name=value` of a repeatable option.
private func assigned(_ assignments: [String], _ option: String) throws(OperatorMessage) -> [String: String] {
    var values: [String: String] = [:]
    for text in assignments {
        guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
            throw OperatorMessage(.usage, at: "\(option) \(text)", "it has no '='", next: "write \(option) name=value")
        }
        let name = String(text[..<equals])
        guard values[name] == nil else { throw OperatorMessage(.usage, at: "\(option) \(name)", "it is given twice") }
        values[name] = String(text[text.index(after: equals)...])
    }
    return values
}

/// Which of a runbook's hosts take part.
struct ScopeOptions: ParsableArguments {
    @Option(
        name: .customLong("on"),
        help: ArgumentHelp("Only these of the runbook's hosts; may be repeated.", valueName: "selector")
    )
    var selectors: [String] = []

    /// All selectors as one; nil when none is given.
    var on: String? { selectors.isEmpty ? nil : selectors.joined(separator: ":") }

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

/// Which of a runbook's checks take part: steps whose kind begins with `preflight.`, by the rest of it.
struct CheckOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Only these checks, such as swap; may be repeated.", valueName: "check"))
    var only: [String] = []
    @Option(help: ArgumentHelp("Not these checks; may be repeated.", valueName: "check"))
    var skip: [String] = []

    private static let prefix = "preflight."

    /// The kinds to leave out.
    func skipped(of runbook: Runbook) throws(OperatorMessage) -> Set<String> {
        let kinds = Set(runbook.stages.flatMap(\.steps).map(\.kind)).filter { $0.hasPrefix(Self.prefix) }
        var result = Set<String>()
        if !only.isEmpty { result = kinds.subtracting(try named(only, "--only", kinds)) }
        return result.union(try named(skip, "--skip", kinds))
    }

    private func named(_ names: [String], _ option: String, _ kinds: Set<String>) throws(OperatorMessage) -> Set<String>
    {
        var found = Set<String>()
        for name in names {
            let kind = name.hasPrefix(Self.prefix) ? name : Self.prefix + name
            guard kinds.contains(kind) else {
                let known = kinds.map { String($0.dropFirst(Self.prefix.count)) }.sorted()
                let hint = nearest(to: name, among: known).map { "; did you mean '\($0)'?" } ?? ""
                let list = known.isEmpty ? "it has none" : "it has \(known.joined(separator: ", "))"
                throw OperatorMessage(.usage, at: "\(option) \(name)", "the runbook has no such check (\(list))\(hint)")
            }
            found.insert(kind)
        }
        return found
    }
}
