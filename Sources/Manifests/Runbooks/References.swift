import ClusterModel
import RunEngine

/// Logs a substitution where none is made.
func refuseReference(in text: String?, _ name: String, at mark: Mark, log: ProblemLog) {
    guard let text, zip(text, text.dropFirst()).contains(where: { $0 == "$" && $1 == "{" }) else { return }
    log.error(
        "'\(name)' has a '${…}', but nothing is substituted here",
        at: mark,
        suggestion: "references stand under 'with:', or alone after 'on:'"
    )
}

/// Checks `${inputs.x}` and `${host.x}`, the only substitutions there are.
final class References {
    /// What `${host.…}` may name.
    static let hostProperties = ["name", "address", "role"]

    private let inputs: [RunbookInput]
    private let log: ProblemLog
    private(set) var used: Set<String> = []

    init(inputs: [RunbookInput], log: ProblemLog) {
        self.inputs = inputs
        self.log = log
    }

    /// One `${…}` of a text.
    enum Reference {
        case input(RunbookInput)
        case host(String)
    }

    /// The references of a text, or nil when one of them is wrong; that is logged.
    func find(in text: String, at mark: Mark) -> [Reference]? {
        var found: [Reference] = []
        var isSound = true
        var rest = text[...]
        while let start = zip(rest.indices, rest.indices.dropFirst()).first(where: {
            rest[$0] == "$" && rest[$1] == "{"
        }) {
            let body = rest[rest.index(after: start.1)...]
            guard let end = body.firstIndex(of: "}") else {
                log.error("'${' is not closed", at: mark, suggestion: "write ${inputs.name} or ${host.name}")
                return nil
            }
            if let reference = resolve(String(body[..<end]), at: mark) {
                found.append(reference)
            } else {
                isSound = false
            }
            rest = body[body.index(after: end)...]
        }
        return isSound ? found : nil
    }

    /// Whether the text is one reference and nothing else.
    func isWhole(_ text: String) -> Bool {
        text.hasPrefix("${") && text.hasSuffix("}") && text.count { $0 == "}" } == 1
    }

    private func resolve(_ body: String, at mark: Mark) -> Reference? {
        let parts = body.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        switch (parts.first, parts.count) {
        case ("inputs", 2):
            used.insert(parts[1])
            if let input = inputs.first(where: { $0.name == parts[1] }) { return .input(input) }
            log.error(
                "'${\(body)}': there is no input '\(parts[1])'",
                at: mark,
                suggestion: nearest(to: parts[1], among: inputs.map(\.name)).map { "did you mean '${inputs.\($0)}'?" }
                    ?? "declare it under 'inputs:'"
            )
        case ("host", 2):
            if Self.hostProperties.contains(parts[1]) { return .host(parts[1]) }
            log.error(
                "'${\(body)}': a host has \(Self.hostProperties.joined(separator: ", "))",
                at: mark,
                suggestion: nearest(to: parts[1], among: Self.hostProperties).map { "did you mean '${host.\($0)}'?" }
            )
        default:
            log.error("'${\(body)}' is no substitution", at: mark, suggestion: "only ${inputs.…} and ${host.…} exist")
        }
        return nil
    }
}
