/// The name of one planned step within its plan, such as `2.master1.etcd.snapshot`; the engine chooses it.
///
/// Only 1 to 200 of `A-Z a-z 0-9 . _ : @ + -`, beginning with a letter or digit and without two dots in a row, exist as
/// a value, so that it is also safe as the head of a file name.
package struct StepID: Sendable, Hashable, Codable, Comparable, CustomStringConvertible {
    package let text: String

    /// Returns nil when `text` is not a valid step id.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard (1...200).contains(bytes.count), isAlphanumeric(bytes[0]) else { return nil }
        let marks = Array("._:@+-".utf8)
        guard bytes.allSatisfy({ isAlphanumeric($0) || marks.contains($0) }), !text.contains("..") else { return nil }
        self.text = text
    }

    package var description: String { text }

    package static func < (left: StepID, right: StepID) -> Bool { left.text < right.text }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let id = StepID(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a step id")
        }
        self = id
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

private func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
    case UInt8(ascii: "0")...UInt8(ascii: "9"): true
    default: false
    }
}
