/// Three numbers of a program's release, wherever they stand: `v1.31.14`, `3.5.16-0`, `etcd Version: 3.5.16`.
package struct ProgramVersion: Codable, Sendable, Hashable, Comparable, CustomStringConvertible {
    package let major: Int
    package let minor: Int
    package let patch: Int

    package init(_ major: Int, _ minor: Int, _ patch: Int) {
        self.major = major
        self.minor = minor
        self.patch = patch
    }

    /// The first word that begins with three numbers, of a line or an image's name; nil when there is none.
    init?(in text: String) {
        for word in text.split(whereSeparator: { $0.isWhitespace || $0 == "\"" || $0 == "," }) {
            // An image's tag stands behind its last colon, and before a digest.
            let named = word.split(separator: "@").first ?? word
            let tag = named.split(separator: ":").last ?? named
            let parts = tag.drop { $0 == "v" }.split(separator: ".", maxSplits: 2)
            guard parts.count == 3, let major = Int(parts[0]), let minor = Int(parts[1]),
                let patch = Int(parts[2].prefix { $0.isNumber })
            else { continue }
            self.init(major, minor, patch)
            return
        }
        return nil
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
    }

    package var description: String { "\(major).\(minor).\(patch)" }
    var release: String { "\(major).\(minor)" }
}
