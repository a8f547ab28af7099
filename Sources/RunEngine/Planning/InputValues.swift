import ClusterModel

/// The values of a runbook's inputs in one plan, and the only substitutions there are: `${inputs.x}` and `${host.x}`.
struct InputValues: Sendable {
    /// Given and default values by name.
    let values: [String: String]

    /// - Throws: `OperatorMessage` with code `usage` for an unknown, missing or ill-typed input.
    init(declared: [RunbookInput], given: [String: String]) throws(OperatorMessage) {
        let names = declared.map(\.name)
        for name in given.keys.sorted() where !names.contains(name) {
            let hint = nearest(to: name, among: names).map { "; did you mean '\($0)'?" } ?? ""
            let known = names.isEmpty ? "it has none" : "it has \(names.joined(separator: ", "))"
            throw OperatorMessage(.usage, at: "--set \(name)", "the runbook has no such input (\(known))\(hint)")
        }
        var values: [String: String] = [:]
        for input in declared {
            if let value = given[input.name] ?? input.defaultValue {
                guard input.type.accepts(value) else {
                    throw OperatorMessage(.usage, at: "--set \(input.name)", "'\(value)' is not a \(input.type.word)")
                }
                values[input.name] = value
            } else if input.isRequired {
                throw OperatorMessage(
                    .usage,
                    at: input.name,
                    "the runbook needs this input",
                    next: "add --set \(input.name)=…"
                )
            }
        }
        self.values = values
    }

    /// The parameters of a call with every reference replaced by its value.
    func substitute(
        _ call: StepCall,
        for target: StepTarget,
        _ signature: KindSignature?
    ) throws(OperatorMessage)
        -> [String: JSONValue]
    {
        var result: [String: JSONValue] = [:]
        for (name, value) in call.parameters {
            let type = signature?.parameters.first { $0.name == name }?.type
            result[name] = type == .script ? value : try substitute(value, for: target, as: type)
        }
        return result
    }

    private func substitute(
        _ value: JSONValue,
        for target: StepTarget,
        as type: ParameterType?
    ) throws(OperatorMessage)
        -> JSONValue
    {
        switch value {
        case .string(let text):
            let filled = try substitute(text, for: target)
            guard filled != text else { return value }
            switch type {
            case .integer: return Int64(filled).map { .integer($0) } ?? .string(filled)
            case .boolean: return filled == "true" ? .bool(true) : filled == "false" ? .bool(false) : .string(filled)
            case .strings: return .array(filled.split(separator: ",").map { .string(String($0)) })
            default: return .string(filled)
            }
        case .array(let values):
            var filled: [JSONValue] = []
            for value in values { filled.append(try substitute(value, for: target, as: nil)) }
            return .array(filled)
        default: return value
        }
    }

    /// A text with every reference replaced; `target` is nil where no host is chosen yet.
    func substitute(_ text: String, for target: StepTarget? = nil) throws(OperatorMessage) -> String {
        var result = ""
        var rest = text[...]
        while let open = rest.firstRange(of: "${") {
            result += rest[..<open.lowerBound]
            guard let close = rest[open.upperBound...].firstIndex(of: "}") else {
                throw OperatorMessage(.invalidInput, "'\(text)' has a '${' without its '}'")
            }
            let name = String(rest[open.upperBound..<close])
            guard let value = value(of: name, for: target) else {
                throw OperatorMessage(.invalidInput, "'${\(name)}' has no value here")
            }
            result += value
            rest = rest[rest.index(after: close)...]
        }
        return result + rest
    }

    private func value(of name: String, for target: StepTarget?) -> String? {
        if name.hasPrefix("inputs.") { return values[String(name.dropFirst("inputs.".count))] }
        switch name {
        case "host.name": return target?.name.text
        case "host.address": return target?.host?.clusterAddress
        case "host.role": return target?.host?.role.rawValue
        default: return nil
        }
    }
}

extension ParameterType {
    /// Whether a text given with `--set` can be a value of this type.
    package func accepts(_ text: String) -> Bool {
        switch self {
        case .string, .strings, .script: true
        case .integer: Int64(text).map { String($0) == text } ?? false
        case .boolean: text == "true" || text == "false"
        case .duration: parseDuration(text) != nil
        case .kubernetesVersion:
            text.split(separator: ".", omittingEmptySubsequences: false).count == 3
                && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { isCanonicalNumber($0) }
        case .choice(let words): words.contains(text)
        }
    }
}

/// A whole number of at most nine digits without sign or leading zero.
private func isCanonicalNumber(_ text: Substring) -> Bool {
    (1...9).contains(text.utf8.count) && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
        && (text == "0" || !text.hasPrefix("0"))
}

/// Reads `90s`, `10m`, `2h` or `1d`: a whole number of at most nine digits without leading zeros, and one unit.
package func parseDuration(_ text: String) -> Duration? {
    guard let unit = text.last, isCanonicalNumber(text.dropLast()), let count = Int64(text.dropLast()) else {
        return nil
    }
    switch unit {
    case "s": return .seconds(count)
    case "m": return .seconds(count * 60)
    case "h": return .seconds(count * 3600)
    case "d": return .seconds(count * 86400)
    default: return nil
    }
}
