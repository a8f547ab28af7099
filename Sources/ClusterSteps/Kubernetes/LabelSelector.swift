/// Which pods a selector of Kubernetes means.
///
/// Source: <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/>.
package struct LabelSelector: Codable, Sendable, Hashable {
    package struct Expression: Codable, Sendable, Hashable {
        package let key: String
        package let isOperator: String
        package let values: [String]
    }

    package let labels: [String: String]
    package let expressions: [Expression]

    /// Reads `app=web,tier=front,` and `tier In front back;canary DoesNotExist;`.
    init(labels: String, expressions: String) {
        self.labels = Self.pairs(labels)
        self.expressions = expressions.split(separator: ";").compactMap { text in
            let words = text.split(separator: " ").map(String.init)
            guard words.count >= 2 else { return nil }
            return Expression(key: words[0], isOperator: words[1], values: Array(words.dropFirst(2)))
        }
    }

    /// An operator nobody knows matches nothing.
    package func matches(_ found: [String: String]) -> Bool {
        labels.allSatisfy { found[$0.key] == $0.value }
            && expressions.allSatisfy { wanted in
                switch wanted.isOperator {
                case "In": found[wanted.key].map(wanted.values.contains) ?? false
                case "NotIn": found[wanted.key].map { !wanted.values.contains($0) } ?? true
                case "Exists": found[wanted.key] != nil
                case "DoesNotExist": found[wanted.key] == nil
                default: false
                }
            }
    }

    /// `app=web,tier=front,` as a dictionary; an empty selector means every pod.
    static func pairs(_ text: String) -> [String: String] {
        var found: [String: String] = [:]
        for pair in text.split(separator: ",") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { found[String(parts[0])] = String(parts[1]) }
        }
        return found
    }
}
