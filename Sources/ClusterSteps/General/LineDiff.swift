/// What differs between two texts, as lines that begin with `+`, `-` or a space.
struct LineDiff {
    private static let context = 2
    private static let longest = 200
    /// More lines than this are not compared: a person does not read them, and comparing takes long.
    private static let mostCompared = 3000

    let lines: [String]

    /// nil stands for no file.
    init(_ old: [UInt8]?, _ new: [UInt8]?) {
        guard let before = Self.split(old), let after = Self.split(new) else {
            lines = ["  (not text: \(old?.count ?? 0) bytes before, \(new?.count ?? 0) after)"]
            return
        }
        guard before.count + after.count <= Self.mostCompared else {
            lines = ["  (\(before.count) lines before, \(after.count) after: too many to show)"]
            return
        }
        let all = Self.merged(before, after)
        var shown: [String] = []
        var skipped = false
        for (index, line) in all.enumerated() {
            let near = all[max(0, index - Self.context)...min(all.count - 1, index + Self.context)]
            guard near.contains(where: { $0.mark != " " }) else {
                skipped = true
                continue
            }
            if skipped { shown.append("  …") }
            skipped = false
            shown.append(line.mark + " " + line.text)
        }
        lines =
            shown.count <= Self.longest
            ? shown : shown.prefix(Self.longest) + ["  (\(shown.count - Self.longest) more lines)"]
    }

    private static func split(_ bytes: [UInt8]?) -> [String]? {
        guard let bytes, !bytes.isEmpty else { return [] }
        guard !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) else { return nil }
        var lines = text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).map { String(Substring($0)) }
        if lines.last?.isEmpty == true { lines.removeLast() } else { lines.append("(no newline at its end)") }
        return lines
    }

    private static func merged(_ old: [String], _ new: [String]) -> [(mark: String, text: String)] {
        var removed = Set<Int>()
        var inserted = Set<Int>()
        for change in new.difference(from: old) {
            switch change {
            case .remove(let offset, _, _): removed.insert(offset)
            case .insert(let offset, _, _): inserted.insert(offset)
            }
        }
        var merged: [(String, String)] = []
        var (before, after) = (0, 0)
        while before < old.count || after < new.count {
            if removed.contains(before), before < old.count {
                merged.append(("-", old[before]))
                before += 1
            } else if inserted.contains(after), after < new.count {
                merged.append(("+", new[after]))
                after += 1
            } else {
                merged.append((" ", new[after]))
                before += 1
                after += 1
            }
        }
        return merged
    }
}
