/// A release of Kubernetes, as far as skew rules look at it: `1.32.13`.
///
/// Source: <https://kubernetes.io/releases/version-skew-policy/>; what follows the three numbers (`-rc.1`, `+k3s1`) plays no part in it.
package struct KubernetesVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let major: Int
    package let minor: Int
    package let patch: Int

    package init(major: Int, minor: Int, patch: Int) {
        self.major = major
        self.minor = minor
        self.patch = patch
    }

    /// Reads `1.32.13`, `v1.32.13`, `v1.32.13-1.1` or `v1.32.13+build`; nil for everything else.
    package init?(_ text: some StringProtocol) {
        let numbers = text.dropFirst(text.first == "v" ? 1 : 0).prefix { $0 != "-" && $0 != "+" }
        let parts = numbers.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, parts.allSatisfy({ $0.allSatisfy { ("0"..."9").contains($0) } }),
            let major = Int(parts[0]), let minor = Int(parts[1]), let patch = Int(parts[2])
        else { return nil }
        self.init(major: major, minor: minor, patch: patch)
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
    }

    /// The three numbers, `1.32.13`.
    package var description: String { "\(major).\(minor).\(patch)" }
    /// `v1.32.13`, as Kubernetes itself writes it.
    package var tag: String { "v\(description)" }
    /// `1.32`, the name of a package repository.
    package var minorText: String { "\(major).\(minor)" }

    /// How many minor releases this one is ahead of another; nil across major releases, which no rule covers.
    package func minors(ahead other: KubernetesVersion) -> Int? {
        major == other.major ? minor - other.minor : nil
    }
}

/// Stored and sent as its text.
extension KubernetesVersion: Codable {
    package init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let version = KubernetesVersion(text) else {
            throw InvalidIdentifier(text: text, expected: "Kubernetes version")
        }
        self = version
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
