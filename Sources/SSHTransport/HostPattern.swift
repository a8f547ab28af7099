/// A pattern of OpenSSH (ssh_config(5) "PATTERNS"): `*` stands for any bytes, `?` for one, the rest for itself.
///
/// Matching takes time proportional to pattern times text at worst, whatever the pattern (OpenSSH's own is exponential).
package struct HostPattern: Sendable, Hashable {
    /// A leading `!`: a text that matches is ruled out.
    package let isNegated: Bool
    package let bytes: [UInt8]

    package init(isNegated: Bool, bytes: [UInt8]) {
        self.isNegated = isNegated
        self.bytes = bytes
    }

    /// One element of a list as it is written, with its `!`.
    package init(written: some Collection<UInt8>) {
        isNegated = written.first == UInt8(ascii: "!")
        bytes = Array(isNegated ? written.dropFirst() : written[...])
    }

    /// Whether the pattern is a plain name.
    package var isLiteral: Bool {
        !isNegated && !bytes.contains(UInt8(ascii: "*")) && !bytes.contains(UInt8(ascii: "?"))
    }

    /// Whether `text` fits the pattern, leaving the negation aside.
    package func fits(_ text: [UInt8]) -> Bool {
        var place = 0
        var position = 0
        var star: (pattern: Int, text: Int)?
        while position < text.count {
            if place < bytes.count, bytes[place] == UInt8(ascii: "*") {
                star = (place, position)
                place += 1
            } else if place < bytes.count, bytes[place] == UInt8(ascii: "?") || bytes[place] == text[position] {
                place += 1
                position += 1
            } else if let last = star {
                place = last.pattern + 1
                position = last.text + 1
                star = (last.pattern, position)
            } else {
                return false
            }
        }
        return bytes[place...].allSatisfy { $0 == UInt8(ascii: "*") }
    }

    /// Whether one of `patterns` fits `text` and no negated one does (match.c, `match_pattern_list`).
    package static func list(_ patterns: [HostPattern], admits text: [UInt8]) -> Bool {
        var admitted = false
        for pattern in patterns where pattern.fits(text) {
            if pattern.isNegated { return false }
            admitted = true
        }
        return admitted
    }
}

extension Sequence<UInt8> {
    /// These bytes with the letters A to Z in lower case and every other byte as it is.
    package var asciiLowercased: [UInt8] {
        map { $0 >= UInt8(ascii: "A") && $0 <= UInt8(ascii: "Z") ? $0 | 0x20 : $0 }
    }
}
