/// One line of a text ensured or taken away: pure, byte for byte elsewhere.
struct LineEdit {
    enum Matcher {
        case contains(String)
        case equals(String)
        case expression(Regex<AnyRegexOutput>)

        func matches(_ line: String) -> Bool {
            switch self {
            case .contains(let text): line.contains(text)
            case .equals(let text): line == text
            case .expression(let expression): (try? expression.firstMatch(in: line)) != nil
            }
        }
    }

    enum Outcome: Hashable {
        case unchanged
        case changed([UInt8], summary: String)
        /// Several lines that one line cannot stand for; their numbers begin at 1.
        case ambiguous([Int])
        case notText
    }

    /// nil: matching lines are taken away.
    let line: String?
    let match: Matcher
    let insertAfter: Matcher?

    func apply(to bytes: [UInt8]) -> Outcome {
        guard !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) else { return .notText }
        var lines = text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).map { Array($0) }
        let endsWithNewline = lines.last?.isEmpty ?? true
        if endsWithNewline { lines.removeLast() }
        let isDOS = !lines.isEmpty && lines.allSatisfy { $0.last == 0x0D }
        let plain = lines.map { String(decoding: isDOS ? $0.dropLast() : $0[...], as: UTF8.self) }
        let found = plain.indices.filter { match.matches(plain[$0]) }
        let summary: String
        if let line {
            guard found.count <= 1 else { return .ambiguous(found.map { $0 + 1 }) }
            let new = Array(line.utf8) + (isDOS ? [0x0D] : [])
            if let index = found.first {
                guard plain[index] != line else { return .unchanged }
                lines[index] = new
                summary = "replace line \(index + 1)"
            } else {
                let place = insertAfter.flatMap { after in plain.lastIndex { after.matches($0) } }.map { $0 + 1 }
                lines.insert(new, at: place ?? lines.count)
                summary = place.map { "add a line after line \($0)" } ?? "add a line at its end"
            }
        } else {
            guard !found.isEmpty else { return .unchanged }
            for index in found.reversed() { lines.remove(at: index) }
            summary = found.count == 1 ? "take line \(found[0] + 1) away" : "take \(found.count) lines away"
        }
        // A line that is added or replaced last always ends; a file that had no newline elsewhere keeps that.
        let keepsOpen = !endsWithNewline && !(line != nil && lines.last == line.map { Array($0.utf8) })
        let joined = Array(lines.joined(separator: [0x0A]))
        return .changed(joined + (lines.isEmpty || keepsOpen ? [] : [0x0A]), summary: summary)
    }
}
