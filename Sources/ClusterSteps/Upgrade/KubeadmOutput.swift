/// What a run of kubeadm says of its failure.
///
/// kubeadm ends with a line about stack traces; the error stands before it, sometimes as a list below a heading.
enum KubeadmOutput {
    /// The error in one line; the last line that says anything when there is none.
    static func failure(in text: String) -> String {
        let lines = text.split(separator: "\n").map(String.init).filter { line in
            !line.hasPrefix("To see the stack trace") && !line.allSatisfy(\.isWhitespace)
        }
        let fatal = lines.filter { $0.contains("[ERROR ") }.map { item in
            String(item.drop { $0 != "[" }.dropFirst("[ERROR ".count)).replacing("]: ", with: ": ")
        }
        if !fatal.isEmpty { return fatal.joined(separator: "; ") }
        let heads = [
            "error", "couldn't", "failed", "unable", "cannot", "fatal", "[upgrade/apply] FATAL", "[upgrade] FATAL",
        ]
        guard let at = lines.lastIndex(where: { line in heads.contains { line.hasPrefix($0) } }) else {
            return lines.last ?? "it said nothing"
        }
        let items = lines[(at + 1)...].prefix { $0.hasPrefix("\t") || $0.hasPrefix(" ") || $0.hasPrefix("-") }
            .map { $0.drop { " \t-".contains($0) } }
        let head = lines[at]
        return items.isEmpty ? head : "\(head) \(items.joined(separator: "; "))"
    }
}
