/// A name that is safe to show, to sort, and to use as one component of a file path.
///
/// Only `[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?` exists as a value: no slash, no leading dash, no dot-dot, ASCII only.
package struct HostName: Sendable, Hashable, Codable, Comparable, CustomStringConvertible {
    package let text: String

    /// Returns nil when `text` is not a valid name; callers report it with the location they know.
    package init?(_ text: String) {
        guard isSafeName(text) else { return nil }
        self.text = text
    }

    private init(checked text: String) { self.text = text }

    /// The place where Rollbook itself runs; steps that work on stored backups are planned on it.
    package static let controller = HostName(checked: "controller")

    package var description: String { text }

    package static func < (left: HostName, right: HostName) -> Bool { left.text < right.text }

    package init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let name = HostName(text) else { throw InvalidIdentifier(text: text, expected: "host name") }
        self = name
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

/// The permanent identity of a cluster: names its lock and its folder of backups.
package struct ClusterID: Sendable, Hashable, Codable, CustomStringConvertible {
    package let text: String

    package init?(_ text: String) {
        guard isSafeName(text), text.utf8.count <= 63 else { return nil }
        self.text = text
    }

    package var description: String { text }

    package init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let id = ClusterID(text) else { throw InvalidIdentifier(text: text, expected: "cluster id") }
        self = id
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

/// A run's identity: UTC start time and 32 random bits, such as `20261120T221302Z-9f3a12c4`.
///
/// Sorts by time as text; the random part keeps two runs of one second apart.
package struct RunID: Sendable, Hashable, Codable, Comparable, CustomStringConvertible {
    package let text: String

    package init?(_ text: String) {
        guard isTimestampedID(text) else { return nil }
        self.text = text
    }

    /// Composes an id from a moment and random bits, both given by the caller so that tests can repeat them.
    package init(moment: UTCMoment, random: UInt32) {
        let hex = String(random, radix: 16)
        text = moment.compact + "-" + String(repeating: "0", count: 8 - hex.count) + hex
    }

    package var description: String { text }

    /// The random half, short enough to head operation ids on the hosts.
    package var short: Substring { text.suffix(8) }

    package static func < (left: RunID, right: RunID) -> Bool { left.text < right.text }

    package init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let id = RunID(text) else { throw InvalidIdentifier(text: text, expected: "run id") }
        self = id
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

/// A stored value that should have been an identifier of the named sort.
package struct InvalidIdentifier: Error, CustomStringConvertible {
    package let text: String
    package let expected: String

    package var description: String { "'\(text.escapedForTerminal)' is not a valid \(expected)" }
}

/// True for `[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?`, without two dots in a row.
package func isSafeName(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard let first = bytes.first, let last = bytes.last, bytes.count <= 253 else { return false }
    func isAlphanumeric(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) }
    guard isAlphanumeric(first), isAlphanumeric(last) else { return false }
    guard bytes.allSatisfy({ isAlphanumeric($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }) else {
        return false
    }
    return !zip(bytes, bytes.dropFirst()).contains { $0 == UInt8(ascii: ".") && $1 == UInt8(ascii: ".") }
}

/// True for `yyyymmddThhmmssZ-xxxxxxxx` with a lower-case hexadecimal end.
package func isTimestampedID(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard bytes.count == 25, bytes[8] == UInt8(ascii: "T"), bytes[15] == UInt8(ascii: "Z") else { return false }
    guard bytes[16] == UInt8(ascii: "-") else { return false }
    let digits = Array(bytes[0..<8]) + Array(bytes[9..<15])
    guard digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return false }
    return bytes[17...].allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
}
