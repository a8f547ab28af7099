import ClusterModel

extension ProblemLog {
    /// Reports what the YAML parser says, with the cause people usually have.
    func report(_ problem: SyntaxProblem) {
        if indentsWithTab(problem.mark) {
            error("a tab indents this line", at: problem.mark, suggestion: "indent with spaces; YAML takes no tabs")
            return
        }
        if problem.message.hasPrefix("Maximum nesting level") {
            error("nested deeper than \(YAMLTree.depthLimit) levels", at: clamped(problem.mark))
            return
        }
        var message = problem.message
        if let context = problem.context, let begin = problem.contextMark, begin.line != problem.mark.line {
            message += " (\(context) that begins at line \(begin.line))"
        }
        error("not valid YAML: \(message)", at: clamped(problem.mark), suggestion: remedy(problem.message))
    }

    /// The end of the file is reported one past the last line: the last line is what a person can look at.
    private func clamped(_ mark: Mark) -> Mark {
        guard mark.line > source.lineCount else { return mark }
        return Mark(line: source.lineCount, column: 1)
    }

    private func indentsWithTab(_ mark: Mark) -> Bool {
        let line = source.lineBytes(mark.line)
        return line.prefix { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }.contains(UInt8(ascii: "\t"))
    }

    private func remedy(_ problem: String) -> String? {
        switch problem {
        case "mapping values are not allowed in this context":
            "check the indentation, or put a text that has ': ' in it into quotes"
        case "could not find expected ':'":
            "every line of a mapping is 'key: value'; check the colon and the indentation"
        case "did not find expected key", "did not find expected '-' indicator":
            "lines of one mapping or list begin in the same column"
        case "found character that cannot start any token": "put a text that begins with this character into quotes"
        case "did not find expected ',' or ']'", "did not find expected ',' or '}'":
            "close the bracket, or add the comma"
        case "found unexpected end of stream": "close the quotes"
        default: nil
        }
    }
}

/// Refuses tabs that are neither in a text nor in a comment: other YAML readers see other structure there.
func refuseTabs(_ source: SourceText, texts: [ClosedRange<Mark>], log: ProblemLog) {
    var next = texts[...]
    for number in 1...source.lineCount {
        let line = source.lineBytes(number)
        guard line.contains(UInt8(ascii: "\t")) else { continue }
        next = next.drop { $0.upperBound.line < number }
        let here = next.prefix { $0.lowerBound.line <= number }
        for (index, scalar) in String(decoding: line, as: UTF8.self).unicodeScalars.enumerated() {
            let mark = Mark(line: number, column: index + 1)
            if here.contains(where: { $0.lowerBound <= mark && mark < $0.upperBound }) { continue }
            if scalar == "#" { break }
            guard scalar == "\t" else { continue }
            log.error("a tab as white space", at: mark, suggestion: "use spaces; YAML readers differ on tabs")
            break
        }
    }
}

/// Refuses bytes that are not UTF-8 and characters that show something else than they are; true when there are none.
///
/// Refused are control characters other than tab and newline, and the invisible and bidirectional formatting characters
/// with which a line can read differently from what it says (CVE-2021-42574). Joiners stay: scripts and emoji need them,
/// and no name may have one.
func isReadable(_ source: SourceText, log: ProblemLog) -> Bool {
    var sound = true
    for number in 1...source.lineCount {
        let line = source.lineBytes(number)
        guard line.contains(where: { $0 < 0x20 && $0 != UInt8(ascii: "\t") || $0 >= 0x7F }) else { continue }
        guard let text = String(validating: line, as: UTF8.self) else {
            let isUTF16 = source.bytes.starts(with: [0xFF, 0xFE]) || source.bytes.starts(with: [0xFE, 0xFF])
            log.error(
                isUTF16 ? "the file is UTF-16" : "the line is not UTF-8 text",
                at: Mark(line: number, column: 1),
                suggestion: "save the file as UTF-8"
            )
            return false
        }
        for (index, scalar) in text.unicodeScalars.enumerated() where isMisleading(scalar) {
            let code = String(scalar.value, radix: 16, uppercase: true)
            let padded = String(repeating: "0", count: max(0, 4 - code.count)) + code
            log.error(
                "character U+\(padded) is refused: it is invisible or changes how the line reads",
                at: Mark(line: number, column: index + 1),
                suggestion: "remove it"
            )
            sound = false
            break
        }
    }
    return sound
}

private func isMisleading(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09: false
    case 0x00...0x1F, 0x7F...0x9F, 0x061C, 0x200B, 0x200E...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF: true
    case 0xFFFE...0xFFFF, 0xFFF9...0xFFFB, 0xE0000...0xE007F: true
    default: false
    }
}
