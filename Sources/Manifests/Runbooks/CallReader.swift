import ClusterModel
import RunEngine

/// Reads `{ uses: kind, with: {…} }` and compares it with the kind's signature.
struct CallReader {
    enum Sort { case step, gate }

    let catalogue: any KindCatalogue
    let references: References
    let log: ProblemLog

    /// Steps are mappings; gates may be a bare kind.
    func read(_ node: YAMLNode, path: String, sort: Sort) -> StepCall? {
        if case .scalar(let text, _) = node.content, !node.isNothing {
            guard sort == .gate else {
                log.error(
                    "'\(path)' wants a mapping with 'uses', but a single value stands here",
                    at: node.mark,
                    suggestion: "write { uses: \(text.prefix(60)) }"
                )
                return nil
            }
            return log.string(node, path).flatMap { call($0, with: nil, path: path, sort: sort, mark: node.mark) }
        }
        guard let section = Section(node, path: path, log: log) else { return nil }
        let kind = section.string("uses", required: true)
        let with = section.section("with")
        section.finish()
        return kind.flatMap { call($0, with: with, path: path, sort: sort, mark: node.mark) }
    }

    private func call(_ kind: Located<String>, with: Section?, path: String, sort: Sort, mark: Mark) -> StepCall? {
        let (wanted, other) = (catalogue.stepSignatures, catalogue.gateSignatures)
        let own = sort == .step ? wanted : other
        guard let signature = own[kind.value] else {
            reportUnknown(kind, sort: sort, own: own, other: sort == .step ? other : wanted)
            return nil
        }
        var parameters: [String: JSONValue] = [:]
        for entry in with?.allEntries() ?? [] {
            guard let parameter = signature.parameters.first(where: { $0.name == entry.key }) else {
                let names = signature.parameters.map(\.name)
                log.error(
                    "'\(kind.value)' has no parameter '\(entry.key)'",
                    at: entry.keyMark,
                    suggestion: nearest(to: entry.key, among: names).map { "did you mean '\($0)'?" }
                        ?? (names.isEmpty ? "it has no parameters" : "it has \(names.joined(separator: ", "))")
                )
                continue
            }
            parameters[entry.key] = value(entry.value, "\(path).with.\(entry.key)", parameter.type)
        }
        for parameter in signature.parameters where parameter.isRequired {
            if with?.has(parameter.name) != true {
                log.error(
                    "'\(kind.value)' needs the parameter '\(parameter.name)' (\(parameter.type.word))",
                    at: kind.mark,
                    suggestion: "write with: { \(parameter.name): … }"
                )
            }
        }
        return StepCall(kind: kind.value, parameters: parameters, location: log.source.location(mark))
    }

    private func reportUnknown(
        _ kind: Located<String>,
        sort: Sort,
        own: [String: KindSignature],
        other: [String: KindSignature]
    ) {
        let word = sort == .step ? "step" : "gate"
        if other[kind.value] != nil {
            let place = sort == .step ? "under 'require:' or 'gate:'" : "under 'steps:'"
            log.error(
                "'\(kind.value)' is a \(sort == .step ? "gate" : "step"), not a \(word)",
                at: kind.mark,
                suggestion: "write it \(place)"
            )
            return
        }
        log.error(
            "unknown \(word) kind '\(kind.value.shortened)'",
            at: kind.mark,
            suggestion: nearest(to: kind.value, among: own.keys.sorted()).map { "did you mean '\($0)'?" }
        )
    }

    private func value(_ node: YAMLNode, _ name: String, _ type: ParameterType) -> JSONValue? {
        if type == .strings, case .sequence(let items) = node.content {
            let values = items.enumerated().map { value($1, "\(name)[\($0)]", .string) }
            return values.contains(nil) ? nil : .array(values.compactMap { $0 })
        }
        guard case .scalar(let text, _) = node.content, text.contains("$"), type != .script else {
            return TypedValue.read(node, name, type: type, log: log)?.json
        }
        guard let found = references.find(in: text, at: node.mark) else { return nil }
        guard !found.isEmpty else { return TypedValue.read(node, name, type: type, log: log)?.json }
        guard type == .string || references.isWhole(text) else {
            log.error("'\(name)' wants \(type.word); a reference must stand alone here", at: node.mark)
            return nil
        }
        for reference in found where !fits(reference, type) {
            let (what, own) = describe(reference)
            log.error("'\(name)' wants \(type.word), but \(what) is \(own)", at: node.mark)
            return nil
        }
        return .string(text)
    }

    /// A text takes any single value; everything else takes its own type only.
    private func fits(_ reference: References.Reference, _ type: ParameterType) -> Bool {
        switch (reference, type) {
        case (.host, _): type == .string
        case (.input(let input), .string): input.type != .strings
        case (.input(let input), .choice(let words)):
            if case .choice(let offered) = input.type { offered.allSatisfy(words.contains) } else { false }
        case (.input(let input), _): input.type == type
        }
    }

    private func describe(_ reference: References.Reference) -> (String, String) {
        switch reference {
        case .host(let property): ("${host.\(property)}", "string")
        case .input(let input): ("${inputs.\(input.name)}", input.type.word)
        }
    }
}
