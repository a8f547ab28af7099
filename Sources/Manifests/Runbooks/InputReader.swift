import ClusterModel
import RunEngine

/// Reads `inputs:` of a runbook, in the order of the file.
struct InputReader {
    static let typeWords = ["string", "integer", "boolean", "duration", "kubernetesVersion", "choice", "strings"]

    private(set) var inputs: [RunbookInput] = []
    /// Where each input is declared.
    private(set) var marks: [(name: String, mark: Mark)] = []

    init(_ top: Section) {
        guard let section = top.section("inputs") else { return }
        for entry in section.allEntries() {
            guard isInputName(entry.key) else {
                top.log.error(
                    "'\(entry.key.shortened)' is no input name: letters and digits, beginning with a letter",
                    at: entry.keyMark
                )
                continue
            }
            guard let declaration = Section(entry.value, path: "inputs.\(entry.key)", log: top.log) else { continue }
            // A declaration with mistakes still declares its name: uses of it are then not reported as well.
            inputs.append(
                read(declaration, name: entry.key) ?? RunbookInput(name: entry.key, type: .string, isRequired: true)
            )
            marks.append((entry.key, entry.keyMark))
        }
    }

    private func read(_ section: Section, name: String) -> RunbookInput? {
        let log = section.log
        let typeNode = section.node("type")
        if typeNode == nil { section.missing("type") }
        let word = typeNode.flatMap { log.word($0, section.name("type"), of: Self.typeWords) }
        let required = section.boolean("required")
        let summary = section.string("summary")?.value.trimmedEnd
        let choices = section.strings("choices")
        if let word, (word.value == "choice") != section.has("choices") {
            log.error(
                word.value == "choice"
                    ? "'\(section.path)' is a choice, but 'choices' is missing"
                    : "'\(section.name("choices"))' belongs to 'type: choice' only",
                at: section.has("choices") ? section.keyMark("choices") : word.mark
            )
        } else if section.has("choices"), choices.isEmpty {
            log.error("'\(section.name("choices"))' names nothing to choose from", at: section.keyMark("choices"))
        }
        let type = word.flatMap { parameterType($0.value, choices: choices.map(\.value)) }
        let written = section.node("default")
        section.finish()
        if let required, required.value, written != nil {
            log.error(
                "'\(section.path)' is required, so its default is never used",
                at: section.keyMark("default"),
                suggestion: "remove 'required' or 'default'"
            )
        }
        guard let type else { return nil }
        let defaultText = written.flatMap {
            TypedValue.read($0, section.name("default"), type: type, log: log)?.inputText
        }
        if let written { refuseReference(in: defaultText, section.name("default"), at: written.mark, log: log) }
        return RunbookInput(
            name: name,
            type: type,
            isRequired: required?.value ?? false,
            defaultValue: defaultText,
            summary: summary
        )
    }

    private func parameterType(_ word: String, choices: [String]) -> ParameterType? {
        switch word {
        case "string": .string
        case "integer": .integer
        case "boolean": .boolean
        case "duration": .duration
        case "kubernetesVersion": .kubernetesVersion
        case "choice": .choice(choices)
        case "strings": .strings
        default: nil
        }
    }

    private func isInputName(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }
        guard let first = bytes.first, isLetter(first), bytes.count <= 63 else { return false }
        return bytes.allSatisfy { isLetter($0) || (0x30...0x39).contains($0) }
    }
}
