import ClusterModel

/// A value with the place where it is written.
struct Located<Value> {
    let value: Value
    let mark: Mark
}

extension Located: Sendable where Value: Sendable {}

/// One mapping of a manifest while it is read: typed access by key, every problem logged, unknown keys found at the end.
///
/// The keys that were asked for are the keys that exist; `finish` refuses all others.
final class Section {
    /// Where this is in the file, as `masters[2].ssh`; empty at the top.
    let path: String
    let mark: Mark
    let log: ProblemLog
    private let entries: [YAMLEntry]
    private var asked: [String] = []

    /// Returns nil, with the problem logged, when the node is no mapping.
    init?(_ node: YAMLNode, path: String, log: ProblemLog) {
        guard case .mapping(let entries) = node.content else {
            log.error(
                "\(path.isEmpty ? "the file" : "'\(path)'") wants a mapping of 'key: value', but \(node.word) stands here",
                at: node.mark
            )
            return nil
        }
        self.path = path
        self.entries = entries
        self.log = log
        mark = node.mark
    }

    private var place: String { path.isEmpty ? "at the top of the file" : "at \(path)" }

    func name(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    func has(_ key: String) -> Bool { entries.contains { $0.key == key } }

    func keyMark(_ key: String) -> Mark { entries.first { $0.key == key }?.keyMark ?? mark }

    /// The node of a key; a key with nothing after its colon counts as written, and is refused by the typed readers.
    func node(_ key: String) -> YAMLNode? {
        asked.append(key)
        return entries.first { $0.key == key }?.value
    }

    /// All entries of a mapping whose keys are free, as labels.
    func allEntries() -> [YAMLEntry] {
        asked += entries.map(\.key)
        return entries
    }

    func missing(_ key: String) {
        log.error("key '\(key)' is missing \(place)", at: mark)
    }

    func section(_ key: String) -> Section? { node(key).flatMap { Section($0, path: name(key), log: log) } }

    func string(_ key: String, required: Bool = false) -> Located<String>? {
        guard let node = node(key) else {
            if required { missing(key) }
            return nil
        }
        return log.string(node, name(key))
    }

    func integer(_ key: String, in range: ClosedRange<Int>) -> Located<Int>? {
        node(key).flatMap { log.integer($0, name(key), in: range) }
    }

    func boolean(_ key: String) -> Located<Bool>? { node(key).flatMap { log.boolean($0, name(key)) } }

    func duration(_ key: String, in range: ClosedRange<Duration>) -> Located<Duration>? {
        guard let node = node(key), let found = log.duration(node, name(key)) else { return nil }
        guard range.contains(found.value) else {
            log.error(
                "'\(name(key))' is out of range: \(ScalarForms.text(range.lowerBound)) to"
                    + " \(ScalarForms.text(range.upperBound))",
                at: found.mark
            )
            return nil
        }
        return found
    }

    /// One of the words of an enumeration.
    func choice<Choice: CaseIterable & RawRepresentable<String>>(_ key: String, _: Choice.Type) -> Located<Choice>? {
        guard let node = node(key) else { return nil }
        let words = Choice.allCases.map(\.rawValue)
        guard let word = log.word(node, name(key), of: words), let value = Choice(rawValue: word.value) else {
            return nil
        }
        return Located(value: value, mark: word.mark)
    }

    func list(_ key: String) -> [YAMLNode] { node(key).map { log.list($0, name(key)) } ?? [] }

    func strings(_ key: String) -> [Located<String>] {
        list(key).enumerated().compactMap { log.string($1, "\(name(key))[\($0)]") }
    }

    /// A single text or a list of them.
    func oneOrMore(_ key: String) -> [Located<String>]? {
        guard let node = node(key) else { return nil }
        if case .sequence = node.content { return strings(key) }
        return log.string(node, name(key)).map { [$0] } ?? []
    }

    /// Refuses the keys nobody asked for.
    func finish() {
        for entry in entries where !asked.contains(entry.key) {
            let suggestion =
                nearest(to: entry.key, among: asked).map { "did you mean '\($0)'?" }
                ?? "known here: \(asked.joined(separator: ", "))"
            log.error("unknown key '\(entry.key)' \(place)", at: entry.keyMark, suggestion: suggestion)
        }
    }
}
