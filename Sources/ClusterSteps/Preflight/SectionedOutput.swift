import RemoteShell

/// The output of a fact's script in sections, each headed by a line `[name]`.
///
/// Scripts print every section, empty ones too: a missing section is an output that was cut, never "nothing found".
struct SectionedOutput {
    private let sections: [String: [String]]

    init(_ answer: ProbeBatch.Answer) {
        var sections: [String: [String]] = [:]
        var current: String?
        for line in answer.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            if line.hasPrefix("["), line.hasSuffix("]"), line.count > 2 {
                let name = String(line.dropFirst().dropLast())
                sections[name] = []
                current = name
            } else if let current, !line.isEmpty {
                sections[current, default: []].append(line)
            }
        }
        self.sections = sections
    }

    /// The lines of a section, without empty ones.
    func lines(_ name: String) throws(IncompleteAnswer) -> [String] {
        guard let lines = sections[name] else { throw IncompleteAnswer(section: name) }
        return lines
    }

    /// The first line of a section; empty when it has none.
    func line(_ name: String) throws(IncompleteAnswer) -> String { try lines(name).first ?? "" }

    /// The words of every line of a section.
    func rows(_ name: String) throws(IncompleteAnswer) -> [[String]] {
        try lines(name).map { $0.split(whereSeparator: \.isWhitespace).map(String.init) }
    }
}

/// A fact's output ended before all of it was there.
struct IncompleteAnswer: Error, CustomStringConvertible {
    let section: String
    var description: String { "the part '\(section)' of the answer is missing" }
}
