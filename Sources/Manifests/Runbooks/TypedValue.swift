import ClusterModel
import RunEngine

/// A value of a parameter type, as JSON for steps and as text for inputs.
struct TypedValue {
    let json: JSONValue

    /// The form of `--set name=value`: the text itself, list items joined with commas.
    var inputText: String {
        switch json {
        case .bool(let value): String(value)
        case .integer(let value): String(value)
        case .string(let text): text
        case .array(let items): items.compactMap(\.stringValue).joined(separator: ",")
        case .null, .unsigned, .object: ""
        }
    }

    /// Durations and versions stay the texts they are; what reads them knows their form.
    static func read(_ node: YAMLNode, _ name: String, type: ParameterType, log: ProblemLog) -> TypedValue? {
        switch type {
        case .string: log.string(node, name, mayBeEmpty: true).map { TypedValue(json: .string($0.value)) }
        case .integer:
            log.integer(node, name, in: Int.min...Int.max).map { TypedValue(json: .integer(Int64($0.value))) }
        case .boolean: log.boolean(node, name).map { TypedValue(json: .bool($0.value)) }
        case .duration: duration(node, name, log)
        case .kubernetesVersion: version(node, name, log)
        case .choice(let words): log.word(node, name, of: words).map { TypedValue(json: .string($0.value)) }
        case .strings: strings(node, name, log)
        case .script: log.string(node, name).map { TypedValue(json: .string($0.value)) }
        }
    }

    private static func duration(_ node: YAMLNode, _ name: String, _ log: ProblemLog) -> TypedValue? {
        guard log.duration(node, name) != nil, case .scalar(let text, _) = node.content else { return nil }
        return TypedValue(json: .string(text))
    }

    private static func version(_ node: YAMLNode, _ name: String, _ log: ProblemLog) -> TypedValue? {
        guard case .scalar(let text, _) = node.content, ScalarForms.isKubernetesVersion(text) else {
            var shown = node.word
            if case .scalar(let text, _) = node.content, !text.isEmpty { shown = "'\(text)'" }
            log.error(
                "'\(name)' wants a Kubernetes version, but \(shown) stands here",
                at: node.mark,
                suggestion: "write all three numbers, such as 1.31.4"
            )
            return nil
        }
        return TypedValue(json: .string(text))
    }

    private static func strings(_ node: YAMLNode, _ name: String, _ log: ProblemLog) -> TypedValue? {
        guard case .sequence(let items) = node.content else {
            _ = log.list(node, name)
            return nil
        }
        let texts = items.enumerated().compactMap { log.string($1, "\(name)[\($0)]")?.value }
        return texts.count == items.count ? TypedValue(json: .array(texts.map(JSONValue.string))) : nil
    }
}
