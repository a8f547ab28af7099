package import ClusterModel

/// Text that is not canonical JSON, with the offset of the byte where that shows.
package struct NotCanonical: Error, Sendable, Hashable, CustomStringConvertible {
    package let offset: Int
    package let reason: String

    package var description: String { "\(reason) at byte \(offset)" }
}

extension CanonicalJSON {
    /// Reads one value that must be canonical to the last byte; anything a canonical writer would not write is refused.
    ///
    /// Being so strict it needs no rule for duplicate keys, number formats, escapes or white space, and accepts exactly
    /// one text for each value. Nesting is limited to 64 levels.
    package static func value(from bytes: some Collection<UInt8>) throws(NotCanonical) -> JSONValue {
        var reader = CanonicalJSONReader(bytes: Array(bytes))
        let value = try reader.value(depth: 0)
        guard reader.position == reader.bytes.count else { throw reader.failure("text after the end") }
        return value
    }
}

private struct CanonicalJSONReader {
    let bytes: [UInt8]
    var position = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    func failure(_ reason: String) -> NotCanonical { NotCanonical(offset: position, reason: reason) }

    var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    mutating func value(depth: Int) throws(NotCanonical) -> JSONValue {
        guard depth < 64 else { throw failure("nested deeper than 64 levels") }
        switch next {
        case UInt8(ascii: "{"): return .object(try object(depth: depth))
        case UInt8(ascii: "["): return .array(try array(depth: depth))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case nil: throw failure("unexpected end")
        default: return try number()
        }
    }

    private mutating func word(_ text: String, _ value: JSONValue) throws(NotCanonical) -> JSONValue {
        guard bytes[position...].starts(with: text.utf8) else { throw failure("unknown word") }
        position += text.utf8.count
        return value
    }

    private mutating func take(_ character: Unicode.Scalar) throws(NotCanonical) {
        guard next == UInt8(ascii: character) else { throw failure("expected '\(character)'") }
        position += 1
    }

    private mutating func array(depth: Int) throws(NotCanonical) -> [JSONValue] {
        try take("[")
        var values: [JSONValue] = []
        if next == UInt8(ascii: "]") {
            position += 1
            return values
        }
        while true {
            values.append(try value(depth: depth + 1))
            if next == UInt8(ascii: "]") { break }
            try take(",")
        }
        position += 1
        return values
    }

    private mutating func object(depth: Int) throws(NotCanonical) -> [String: JSONValue] {
        try take("{")
        var members: [String: JSONValue] = [:]
        if next == UInt8(ascii: "}") {
            position += 1
            return members
        }
        var before: String?
        while true {
            let key = try string()
            if let before, !before.utf8.lexicographicallyPrecedes(key.utf8) { throw failure("keys out of order") }
            try take(":")
            let added = members.updateValue(try value(depth: depth + 1), forKey: key) == nil
            guard added else { throw failure("two keys are canonically equivalent") }
            before = key
            if next == UInt8(ascii: "}") { break }
            try take(",")
        }
        position += 1
        return members
    }

    private mutating func number() throws(NotCanonical) -> JSONValue {
        let start = position
        if next == UInt8(ascii: "-") { position += 1 }
        while let byte = next, (0x30...0x39).contains(byte) { position += 1 }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if let number = Int64(text), String(number) == text { return .integer(number) }
        if let number = UInt64(text), String(number) == text { return .unsigned(number) }
        position = start
        throw failure("not a value, or a number that is not a canonical integer")
    }

    private mutating func string() throws(NotCanonical) -> String {
        try take("\"")
        var content: [UInt8] = []
        while let byte = next {
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: content, as: UTF8.self) else { throw failure("not UTF-8") }
                return text
            case UInt8(ascii: "\\"): content.append(try escaped())
            case ..<0x20: throw failure("control character in a string")
            default: content.append(byte)
            }
        }
        throw failure("string without an end")
    }

    /// The byte that an escape stands for, provided that it is the escape a canonical writer uses for it.
    private mutating func escaped() throws(NotCanonical) -> UInt8 {
        let escape = next
        position += 1
        switch escape {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): return escape ?? 0
        case UInt8(ascii: "b"): return 0x08
        case UInt8(ascii: "t"): return 0x09
        case UInt8(ascii: "n"): return 0x0A
        case UInt8(ascii: "f"): return 0x0C
        case UInt8(ascii: "r"): return 0x0D
        case UInt8(ascii: "u"):
            guard position + 4 <= bytes.count, bytes[position..<position + 2].elementsEqual("00".utf8),
                let high = hexDigits.firstIndex(of: bytes[position + 2]), high < 2,
                let low = hexDigits.firstIndex(of: bytes[position + 3])
            else { throw failure("escape that is not canonical") }
            let byte = UInt8(high << 4 | low)
            guard ![0x08, 0x09, 0x0A, 0x0C, 0x0D].contains(byte) else { throw failure("escape that is not canonical") }
            position += 4
            return byte
        default: throw failure("unknown escape")
        }
    }
}
