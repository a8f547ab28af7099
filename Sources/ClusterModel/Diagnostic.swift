/// A place in a text file: 1-based line, and 1-based column counted in Unicode scalars.
package struct SourceLocation: Sendable, Hashable {
    package let file: String
    package let line: Int
    package let column: Int

    package init(file: String, line: Int, column: Int) {
        self.file = file
        self.line = line
        self.column = column
    }
}

/// One problem of an input file, collected with all others rather than thrown one at a time.
package struct Diagnostic: Sendable, Hashable {
    package enum Severity: String, Sendable, Hashable, Codable { case error, warning }

    package let severity: Severity
    package let location: SourceLocation
    package let message: String
    /// What to write instead or to do next, when something near is known.
    package let suggestion: String?
    /// The text of the offending line, shown with a caret under the column.
    package let sourceLine: String?

    package init(
        _ severity: Severity,
        at location: SourceLocation,
        _ message: String,
        suggestion: String? = nil,
        sourceLine: String? = nil
    ) {
        self.severity = severity
        self.location = location
        self.message = message
        self.suggestion = suggestion
        self.sourceLine = sourceLine
    }

    /// Several lines: `file:line:column: error: message`, the source line, a caret, and the suggestion.
    package var rendered: String {
        let place = "\(location.file.escapedOnOneLine):\(location.line):\(location.column)"
        var text = "\(place): \(severity.rawValue): \(message.escapedOnOneLine)"
        if let sourceLine {
            let before = sourceLine.unicodeScalars.prefix(max(0, location.column - 1))
            let padding = before.map { $0 == "\t" ? "\t" : String(repeating: " ", count: columns(of: $0)) }.joined()
            text += "\n    \(sourceLine.escapedForTerminal)\n    \(padding)^"
        }
        if let suggestion { text += "\n    suggestion: \(suggestion.escapedOnOneLine)" }
        return text
    }
}

/// How many columns a terminal gives the shown form of a character: none, one, two, or those of its escape.
///
/// Source: the wide ranges of Unicode's East Asian Width (UAX #11), as far as terminals agree on them.
private func columns(of scalar: Unicode.Scalar) -> Int {
    let shown = String(scalar).escapedForTerminal.unicodeScalars
    guard shown.count == 1 else { return shown.count }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark: return 0
    default: break
    }
    switch scalar.value {
    case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
        0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F900...0x1FAFF, 0x20000...0x3FFFD:
        return 2
    default: return 1
    }
}

/// The nearest of `candidates` to a mistyped `word`, or nil when none is near enough to be meant.
package func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
    let limit = max(1, word.count / 3)
    var best: (distance: Int, text: String)?
    for candidate in candidates {
        let distance = editDistance(Array(word.lowercased()), Array(candidate.lowercased()))
        if distance <= limit, best.map({ distance < $0.distance }) ?? true { best = (distance, candidate) }
    }
    return best?.text
}

/// Damerau-Levenshtein distance (adjacent transposition counts once).
private func editDistance(_ left: [Character], _ right: [Character]) -> Int {
    guard !left.isEmpty, !right.isEmpty else { return max(left.count, right.count) }
    var beforePrevious: [Int] = []
    var previous = Array(0...right.count)
    for row in 1...left.count {
        var current = [row]
        for column in 1...right.count {
            let cost = left[row - 1] == right[column - 1] ? 0 : 1
            var best = min(previous[column] + 1, current[column - 1] + 1, previous[column - 1] + cost)
            let swapped =
                row > 1 && column > 1 && left[row - 1] == right[column - 2] && left[row - 2] == right[column - 1]
            if swapped { best = min(best, beforePrevious[column - 2] + 1) }
            current.append(best)
        }
        beforePrevious = previous
        previous = current
    }
    return previous[right.count]
}
