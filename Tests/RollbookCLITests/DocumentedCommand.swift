import Foundation

@testable import RollbookCLI

/// A command line of the program as a page shows it, compared with what the argument parser knows.
struct DocumentedCommand {
    let words: [String]

    /// Nil when the text is not a command line of ours.
    ///
    /// What a shell would take for itself ends it, and so do three spaces: explanations stand behind them.
    init?(_ code: String) {
        var text = code
        for prompt in ["$ ", "# ", "sudo "] where text.hasPrefix(prompt) { text = String(text.dropFirst(prompt.count)) }
        // A command or an option: not `rollbook 1.2.3`, and no picture with arrows.
        guard text.hasPrefix("rollbook "), let next = text.dropFirst("rollbook ".count).first(where: { $0 != "-" }),
            next.isLowercase
        else { return nil }
        for end in ["   ", " #", " | ", " >", " <", " && ", " || ", "; ", ")\""] {
            if let range = text.range(of: end) { text = String(text[..<range.lowerBound]) }
        }
        words = Self.split(text)
    }

    private static func split(_ text: String) -> [String] {
        var (words, word, quote): ([String], String?, Character?) = ([], nil, nil)
        for character in text {
            switch character {
            case "'", "\"":
                if quote == nil {
                    (quote, word) = (character, word ?? "")
                } else if quote == character {
                    quote = nil
                } else {
                    word = (word ?? "") + String(character)
                }
            case " " where quote == nil:
                if let done = word { words.append(done) }
                word = nil
            default: word = (word ?? "") + String(character)
            }
        }
        return words + (word.map { [$0] } ?? [])
    }

    /// What is wrong with it; `inputs` answers which inputs a shipped runbook has, nil for other names.
    func problems(
        in program: CommandDescription,
        inputs: (String) -> Set<String>?
    ) -> [String] {
        var rest = words.dropFirst()
        var command = program
        if rest.first == "help" { rest.removeFirst() }
        while let name = rest.first, let part = command.subcommands?.first(where: { $0.commandName == name }) {
            command = part
            rest.removeFirst()
        }
        let parts = (command.subcommands ?? []).filter { $0.commandName != "help" }
        let isRoot = command.commandName == program.commandName
        if let name = rest.first, !name.hasPrefix("-"), !parts.isEmpty, name != "…" {
            return ["'\(command.commandName)' has no subcommand '\(name)'"]
        }
        // Without a subcommand a group stands for one of its own.
        let known = (command.arguments ?? []) + (isRoot ? [] : parts.flatMap { $0.arguments ?? [] })
        return judge(rest, command, known, inputs)
    }

    private func judge(
        _ rest: ArraySlice<String>,
        _ command: CommandDescription,
        _ known: [CommandDescription.Argument],
        _ inputs: (String) -> Set<String>?
    ) -> [String] {
        var (rest, found, places, set): (ArraySlice<String>, [String], [String], [String]) = (rest, [], [], [])
        while let word = rest.popFirst() {
            guard word.hasPrefix("-"), word != "-", !word.hasPrefix("-…") else {
                if word != "…" { places.append(word) }
                continue
            }
            let pieces = word.split(separator: "=", maxSplits: 1).map(String.init)
            if pieces[0] == "--generate-completion-script" {
                rest = rest.dropFirst()
                continue
            }
            guard let option = known.first(where: { $0.names?.contains { $0.spelled == pieces[0] } == true }) else {
                found.append("'\(command.commandName)' has no option \(pieces[0])")
                continue
            }
            guard option.kind == "option" else { continue }
            guard let value = pieces.count > 1 ? pieces[1] : rest.popFirst() else {
                found.append("\(pieces[0]) needs a value")
                continue
            }
            if pieces[0] == "--set" { set.append(String(value.prefix { $0 != "=" })) }
            let isPlain = value.allSatisfy { $0.isLowercase || $0 == "-" }
            if let values = option.allValues, isPlain, !values.contains(value) {
                found.append("\(pieces[0]) does not take \(value)")
            }
        }
        let positions = known.filter { $0.kind == "positional" }
        if places.count > positions.count, !positions.contains(where: { $0.isRepeating == true }) {
            found.append(
                "'\(command.commandName)' takes \(positions.count) arguments, not \(places.joined(separator: ", "))"
            )
        }
        if let book = places.first, let names = inputs(book) {
            found += set.filter { !names.contains($0) && $0 != "…" }.map { "\(book) has no input \($0)" }
        }
        return found
    }
}
