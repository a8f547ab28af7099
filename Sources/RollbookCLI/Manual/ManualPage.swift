import ClusterModel

/// A manual page in the language of man(7), from what the argument parser knows.
struct ManualPage {
    let name: String
    let text: String

    /// The page of the program, and one for each of its commands.
    static func all(of program: CommandDescription) -> [ManualPage] {
        let commands = program.shownSubcommands
        return [root(program, commands)] + commands.map { page(of: $0, in: program, commands) }
    }

    // MARK: Pages

    private static func root(_ program: CommandDescription, _ commands: [CommandDescription]) -> ManualPage {
        var page = Roff(title: program.commandName)
        page.section("NAME")
        page.line("\(program.commandName) \\- \(Roff.text(spoken(program.abstract)))")
        page.section("SYNOPSIS")
        page.synopsis([program.commandName], rest: "command [options]")
        page.section("DESCRIPTION")
        page.paragraph(program.discussion ?? "")
        page.paragraph(
            "Standard output is the answer, standard error is progress and messages. Without a terminal nothing ever asks."
        )
        page.section("COMMANDS")
        for command in commands {
            page.tagged(
                "\\fB\(Roff.text("\(program.commandName)-\(command.commandName)"))\\fR(1)",
                command.abstract ?? ""
            )
        }
        page.section("EXIT STATUS")
        page.paragraph("An unknown code must be taken as failure.")
        for (code, meaning) in ManualText.exitCodes { page.tagged("\\fB\(code)\\fR", meaning) }
        page.section("ENVIRONMENT")
        for (name, meaning) in ManualText.environment { page.tagged("\\fB\(Roff.text(name))\\fR", meaning) }
        page.section("FILES")
        for (path, meaning) in ManualText.files { page.tagged("\\fI\(Roff.text(path))\\fR", meaning) }
        page.seeAlso(commands.map { "\(program.commandName)-\($0.commandName)" })
        return ManualPage(name: "\(program.commandName).1", text: page.text)
    }

    private static func page(
        of command: CommandDescription,
        in program: CommandDescription,
        _ all: [CommandDescription]
    ) -> ManualPage {
        let name = "\(program.commandName)-\(command.commandName)"
        var page = Roff(title: name)
        page.section("NAME")
        page.line("\(Roff.text(name)) \\- \(Roff.text(spoken(command.abstract)))")
        page.section("SYNOPSIS")
        let words = [program.commandName, command.commandName]
        let parts = command.shownSubcommands
        if parts.isEmpty {
            page.synopsis(words, of: command)
        } else {
            for part in parts { page.synopsis(words + [part.commandName], of: part) }
        }
        page.section("DESCRIPTION")
        page.paragraph(command.discussion ?? command.abstract ?? "")
        page.options(of: command)
        for part in parts {
            page.subsection((words + [part.commandName]).joined(separator: " "))
            page.paragraph(part.discussion ?? part.abstract ?? "")
            page.arguments(of: part)
        }
        page.section("EXIT STATUS")
        page.line("See \\fB\(program.commandName)\\fR(1).")
        let others = all.map(\.commandName).filter { $0 != command.commandName }
        page.seeAlso([program.commandName] + others.map { "\(program.commandName)-\($0)" })
        return ManualPage(name: "\(name).1", text: page.text)
    }

    /// As a name line wants it: no capital at its begin, no full stop at its end.
    private static func spoken(_ abstract: String?) -> String {
        guard let abstract, let first = abstract.first else { return "" }
        let second = abstract.dropFirst().first
        let isAcronym = second?.isUppercase ?? false
        let text = isAcronym ? abstract : first.lowercased() + abstract.dropFirst()
        return text.hasSuffix(".") ? String(text.dropLast()) : text
    }
}

/// Text in the language of man(7), in which lines that begin with a dot or a quote are requests.
private struct Roff {
    private(set) var text: String

    init(title: String) {
        text = ".\\\" Made from the program's own description of its arguments.\n"
        text += ".TH \"\(Self.text(title.uppercased()))\" 1 \"\" \"\(Version.program)\" \"Rollbook\"\n.nh\n.ad l\n"
    }

    static func text(_ plain: String) -> String {
        var result = ""
        for character in plain {
            switch character {
            case "\\": result += "\\e"
            case "-": result += "\\-"
            case "'": result += "\\(aq"
            case "`": result += "\\(ga"
            case "^": result += "\\(ha"
            case "~": result += "\\(ti"
            case "…": result += "..."
            case "\"": result += "\\(dq"
            default: result.append(character)
            }
        }
        return result
    }

    mutating func line(_ roff: String) {
        guard !roff.isEmpty else { return }
        text += (roff.first == "." ? "\\&" : "") + roff + "\n"
    }

    mutating func section(_ title: String) { text += ".SH \(title)\n" }
    mutating func subsection(_ title: String) { text += ".SS \"\(Self.text(title))\"\n" }

    mutating func paragraph(_ plain: String) {
        guard !plain.isEmpty else { return }
        text += ".PP\n"
        for part in plain.split(separator: "\n") { line(Self.text(String(part))) }
    }

    mutating func tagged(_ tag: String, _ plain: String) {
        text += ".TP\n\(tag)\n"
        line(Self.text(plain.split(separator: "\n").joined(separator: " ")))
    }

    mutating func synopsis(_ words: [String], rest: String) {
        text += ".PP\n"
        line("\\fB\(Self.text(words.joined(separator: " ")))\\fR \(Self.text(rest))")
    }

    mutating func synopsis(_ words: [String], of command: CommandDescription) {
        var parts: [String] = []
        for argument in command.shownArguments {
            var part = Self.usage(argument)
            if argument.isRepeating ?? false { part += "..." }
            parts.append(argument.isOptional ?? false ? "[\(part)]" : part)
        }
        text += ".PP\n"
        line("\\fB\(Self.text(words.joined(separator: " ")))\\fR " + parts.joined(separator: " "))
    }

    private static func usage(_ argument: CommandDescription.Argument) -> String {
        let value = "\\fI\(text(argument.valueName ?? "value"))\\fR"
        switch argument.kind {
        case "positional": return value
        case "option": return "\\fB\(text(argument.preferredName?.spelled ?? ""))\\fR \(value)"
        default: return "\\fB\(text(argument.preferredName?.spelled ?? ""))\\fR"
        }
    }

    mutating func options(of command: CommandDescription) {
        guard !command.shownArguments.isEmpty else { return }
        section("OPTIONS")
        arguments(of: command)
    }

    mutating func arguments(of command: CommandDescription) {
        for argument in command.shownArguments {
            let names = (argument.names ?? []).sorted { $0.kind > $1.kind || ($0.kind == $1.kind && $0.name < $1.name) }
            let spelled = names.map { "\\fB\(Self.text($0.spelled))\\fR" }.joined(separator: ", ")
            let value = "\\fI\(Self.text(argument.valueName ?? "value"))\\fR"
            let tag =
                switch argument.kind {
                case "positional": value
                case "option": "\(spelled) \(value)"
                default: spelled
                }
            var said = argument.abstract ?? argument.discussion ?? ""
            if let values = argument.allValues, !values.isEmpty, !values.allSatisfy({ said.contains($0) }) {
                said += " One of \(values.joined(separator: ", "))."
            }
            if let usual = argument.defaultValue, argument.kind != "flag" { said += " By default \(usual)." }
            tagged(tag, said)
        }
    }

    mutating func seeAlso(_ pages: [String]) {
        section("SEE ALSO")
        line(pages.map { "\\fB\(Self.text($0))\\fR(1)" }.joined(separator: ",\n"))
    }
}
