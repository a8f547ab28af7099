package import ClusterModel

/// Collects the problems of one file, so that a person sees all of them at once.
final class ProblemLog {
    /// Enough for a person; what it keeps from being kept is the memory of a million mistakes.
    static let limit = 1000

    let source: SourceText
    private var diagnostics: [Diagnostic] = []
    private(set) var hasErrors = false

    init(_ source: SourceText) { self.source = source }

    func error(_ message: String, at mark: Mark, suggestion: String? = nil) {
        hasErrors = true
        add(.error, message, mark, suggestion)
    }

    func warning(_ message: String, at mark: Mark, suggestion: String? = nil) {
        add(.warning, message, mark, suggestion)
    }

    /// How many problems were found so far.
    var count: Int { diagnostics.count }

    /// All problems in the order of the file.
    var sorted: [Diagnostic] {
        let ordered = diagnostics.enumerated().sorted { left, right in
            let (a, b) = (left.element.location, right.element.location)
            return (a.line, a.column, left.offset) < (b.line, b.column, right.offset)
        }
        return ordered.map(\.element)
    }

    private func add(_ severity: Diagnostic.Severity, _ message: String, _ mark: Mark, _ suggestion: String?) {
        guard diagnostics.count < Self.limit else { return }
        let isLast = diagnostics.count == Self.limit - 1
        diagnostics.append(
            Diagnostic(
                isLast ? .error : severity,
                at: source.location(mark),
                isLast ? "\(message) (the \(Self.limit)th problem; further ones are not listed)" : message,
                suggestion: suggestion,
                sourceLine: source.lineForCaret(mark.line)
            )
        )
    }
}

/// What is wrong with a manifest: at least one error, and the warnings found beside, in the order of the file.
package struct InvalidManifest: Error, Sendable, Hashable, CustomStringConvertible {
    package let diagnostics: [Diagnostic]

    package init(diagnostics: [Diagnostic]) { self.diagnostics = diagnostics }

    /// All problems as a terminal shows them, one after the other.
    package var description: String { diagnostics.map(\.rendered).joined(separator: "\n") }
}
