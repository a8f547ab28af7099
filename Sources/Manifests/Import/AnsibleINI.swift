import ClusterModel

/// The INI form: `[group]`, `[group:children]`, `[group:vars]`, hosts with `key=value` behind them, and ranges.
enum AnsibleINI {
    private enum Part { case hosts, children, variables }

    static func read(_ text: String, from file: String) throws(OperatorMessage) -> AnsibleInventory {
        var inventory = AnsibleInventory()
        var group: String?
        var part = Part.hosts
        for (number, raw) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let line = trimmed(raw)
            if line.isEmpty || line.hasPrefix("#") || line.hasPrefix(";") { continue }
            func problem(_ what: String) -> OperatorMessage {
                OperatorMessage(.invalidInput, at: "\(file):\(number + 1)", what)
            }
            if line.hasPrefix("[") {
                guard let end = line.firstIndex(of: "]"), end > line.index(after: line.startIndex) else {
                    throw problem("a heading is not closed by ]")
                }
                let head = line[line.index(after: line.startIndex)..<end].split(separator: ":", maxSplits: 1)
                switch head.count > 1 ? head[1] : "" {
                case "": part = .hosts
                case "children": part = .children
                case "vars": part = .variables
                default: throw problem("'\(head[1])' is no part of a group: hosts, children or vars")
                }
                group = String(head[0])
                inventory.index(of: String(head[0]))
                continue
            }
            switch part {
            case .hosts:
                let words = words(line)
                guard let first = words.first else { continue }
                var variables: [String: String] = [:]
                for word in words.dropFirst() {
                    guard let (key, value) = assignment(word) else { throw problem("'\(word)' is no key=value") }
                    variables[key] = value
                }
                guard let names = expanded(first) else { throw problem("'\(first)' is a range that cannot be read") }
                for name in names {
                    let (host, port) = endpoint(name)
                    inventory.addHost(
                        host,
                        port.map { variables.merging(["ansible_port": $0]) { own, _ in own } } ?? variables,
                        to: group
                    )
                }
            case .children: inventory.addChild(String(line.prefix { $0 != " " && $0 != "#" }), to: group ?? "all")
            case .variables:
                guard let (key, value) = assignment(line) else { throw problem("'\(line)' is no key=value") }
                inventory.addVariables([key: value], to: group ?? "all")
            }
        }
        return inventory
    }

    private static func trimmed(_ text: Substring) -> String {
        String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }

    private static func assignment(_ text: String) -> (String, String)? {
        guard let equals = text.firstIndex(of: "="), equals > text.startIndex else { return nil }
        var value = trimmed(text[text.index(after: equals)...])
        if value.count >= 2, let quote = value.first, quote == "\"" || quote == "'", value.last == quote {
            value = String(value.dropFirst().dropLast())
        }
        return (trimmed(text[..<equals]), value)
    }

    /// Words as a shell would split them; a comment ends the line.
    private static func words(_ line: String) -> [String] {
        var words: [String] = []
        var word: String?
        var quote: Character?
        for character in line {
            if let open = quote {
                if character == open { quote = nil } else { word?.append(character) }
            } else if character == "\"" || character == "'" {
                (quote, word) = (character, word ?? "")
            } else if character.isWhitespace {
                if let whole = word { words.append(whole) }
                word = nil
            } else if character == "#", word == nil {
                break
            } else {
                word = (word ?? "") + String(character)
            }
        }
        if let whole = word { words.append(whole) }
        return words
    }

    /// `node[01:03].example` is node01, node02 and node03; at most 10,000 names come of one line.
    private static func expanded(_ name: String) -> [String]? {
        guard let open = name.firstIndex(of: "["), let close = name[open...].firstIndex(of: "]") else { return [name] }
        let parts = name[name.index(after: open)..<close].split(separator: ":", omittingEmptySubsequences: false)
        let step = parts.count > 2 ? Int(parts[2]) ?? 0 : 1
        guard parts.count == 2 || parts.count == 3, step > 0 else { return nil }
        let middles: [String]
        if let first = Int(parts[0]), let last = Int(parts[1]) {
            guard first >= 0, first <= last, (last - first) / step < 10_000 else { return nil }
            let width = parts[0].hasPrefix("0") ? parts[0].count : 0
            middles = stride(from: first, through: last, by: step).map {
                let digits = String($0)
                return String(repeating: "0", count: max(0, width - digits.count)) + digits
            }
        } else {
            guard parts[0].count == 1, parts[1].count == 1, parts[0].allSatisfy(\.isLetter),
                parts[1].allSatisfy(\.isLetter), let first = parts[0].unicodeScalars.first?.value,
                let last = parts[1].unicodeScalars.first?.value, first <= last
            else { return nil }
            middles = stride(from: first, through: last, by: step).compactMap { Unicode.Scalar($0).map(String.init) }
        }
        var names: [String] = []
        for middle in middles {
            guard let rest = expanded(String(name[name.index(after: close)...])), names.count + rest.count <= 10_000
            else { return nil }
            names += rest.map { name[..<open] + middle + $0 }
        }
        return names
    }

    private static func endpoint(_ name: String) -> (String, String?) {
        guard let colon = name.lastIndex(of: ":"), name.firstIndex(of: ":") == colon,
            Int(name[name.index(after: colon)...]) != nil
        else { return (name, nil) }
        return (String(name[..<colon]), String(name[name.index(after: colon)...]))
    }
}
