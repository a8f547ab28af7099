import ClusterModel

/// Typed reading of single nodes; each logs why a node is not what is wanted and then returns nil.
extension ProblemLog {
    func string(_ node: YAMLNode, _ name: String, mayBeEmpty: Bool = false) -> Located<String>? {
        guard let (text, style) = scalar(node, name, wanted: "a text") else { return nil }
        if style == .plain, let misreading = ScalarForms.misreading(ofPlain: text) {
            let seen = text.isEmpty ? "nothing stands here" : "'\(text)' without quotes reads as \(misreading)"
            let quoted = text.isEmpty ? "write a text" : "write \"\(text)\" if the text is meant"
            error("'\(name)' wants a text, but \(seen)", at: node.mark, suggestion: quoted)
            return nil
        }
        guard mayBeEmpty || !text.isEmpty else {
            error("'\(name)' is empty", at: node.mark)
            return nil
        }
        return Located(value: text, mark: node.mark)
    }

    func integer(_ node: YAMLNode, _ name: String, in range: ClosedRange<Int>) -> Located<Int>? {
        guard let (text, style) = scalar(node, name, wanted: "a whole number") else { return nil }
        guard style == .plain, let value = ScalarForms.integer(text) else {
            error(
                "'\(name)' wants a whole number, but \(shown(text, style)) stands here",
                at: node.mark,
                suggestion: integerRemedy(text, style)
            )
            return nil
        }
        guard let small = Int(exactly: value), range.contains(small) else {
            error("'\(name)' is \(text), out of range: \(range.lowerBound) to \(range.upperBound)", at: node.mark)
            return nil
        }
        return Located(value: small, mark: node.mark)
    }

    func boolean(_ node: YAMLNode, _ name: String) -> Located<Bool>? {
        guard let (text, style) = scalar(node, name, wanted: "true or false") else { return nil }
        guard style == .plain, let value = ScalarForms.boolean(text) else {
            let meant: [String: String] = [
                "yes": "true", "on": "true", "1": "true", "true": "true", "no": "false", "off": "false", "0": "false",
                "false": "false",
            ]
            error(
                "'\(name)' wants true or false, but \(shown(text, style)) stands here",
                at: node.mark,
                suggestion: meant[text.lowercased()].map { "write \($0)" }
            )
            return nil
        }
        return Located(value: value, mark: node.mark)
    }

    func duration(_ node: YAMLNode, _ name: String) -> Located<Duration>? {
        guard let (text, style) = scalar(node, name, wanted: "a duration") else { return nil }
        guard let value = ScalarForms.duration(text) else {
            let isBareNumber = ScalarForms.integer(text) != nil
            error(
                "'\(name)' wants a duration, but \(shown(text, style)) stands here",
                at: node.mark,
                suggestion: isBareNumber ? "add the unit: \(text)s or \(text)m" : "write it as 90s, 10m, 26h or 1d"
            )
            return nil
        }
        return Located(value: value, mark: node.mark)
    }

    /// One of several fixed words.
    func word(_ node: YAMLNode, _ name: String, of words: [String]) -> Located<String>? {
        let wanted = words.count == 1 ? words[0] : "one of " + words.joined(separator: ", ")
        guard let (text, style) = scalar(node, name, wanted: wanted) else { return nil }
        guard words.contains(text) else {
            let means = ScalarForms.misreading(ofPlain: text) == "the boolean false" && words.contains("none")
            error(
                "'\(name)' wants \(wanted), but \(shown(text, style)) stands here",
                at: node.mark,
                suggestion: means ? "write none" : nearest(to: text, among: words).map { "did you mean '\($0)'?" }
            )
            return nil
        }
        return Located(value: text, mark: node.mark)
    }

    func list(_ node: YAMLNode, _ name: String) -> [YAMLNode] {
        guard case .sequence(let items) = node.content else {
            error("'\(name)' wants a list, but \(node.word) stands here", at: node.mark, suggestion: listRemedy(node))
            return []
        }
        return items
    }

    private func scalar(_ node: YAMLNode, _ name: String, wanted: String) -> (String, ScalarStyle)? {
        guard case .scalar(let text, let style) = node.content else {
            error("'\(name)' wants \(wanted), but \(node.word) stands here", at: node.mark)
            return nil
        }
        return (text, style)
    }

    private func shown(_ text: String, _ style: ScalarStyle) -> String {
        if text.isEmpty, style == .plain { return "nothing" }
        return style == .plain ? "'\(text.shortened)'" : "the text \"\(text.shortened)\""
    }

    private func integerRemedy(_ text: String, _ style: ScalarStyle) -> String? {
        if ScalarForms.integer(text) != nil { return "write \(text) without quotes" }
        if text.hasPrefix("0"), let number = ScalarForms.integer(String(text.drop { $0 == "0" })) {
            return "write \(number); a leading zero means octal to some readers"
        }
        return nil
    }

    private func listRemedy(_ node: YAMLNode) -> String? {
        if node.isNothing { return "write [], or remove the key" }
        guard case .scalar(let text, _) = node.content, !text.isEmpty, text.count < 60 else { return nil }
        return "write [\(text)]"
    }
}
