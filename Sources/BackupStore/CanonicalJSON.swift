import FoundationEssentials

/// The one JSON form of this module: keys sorted, no white space, one line feed at the end (Format.md §2).
enum CanonicalJSON {
    static func bytes(of value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return [UInt8](try encoder.encode(value)) + [UInt8(ascii: "\n")]
    }

    static func value<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value {
        try JSONDecoder().decode(type, from: Data(bytes))
    }

    /// Where and why decoding failed, in one line fit for a message.
    static func explanation(of error: any Error) -> String {
        guard let error = error as? DecodingError else { return "is not JSON" }
        func place(_ context: DecodingError.Context) -> String {
            let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
            return path.isEmpty ? "" : " at \(path)"
        }
        switch error {
        case .keyNotFound(let key, let context): return "lacks the field '\(key.stringValue)'\(place(context))"
        case .valueNotFound(_, let context): return "has null\(place(context))"
        case .typeMismatch(_, let context): return "has a value of the wrong type\(place(context))"
        case .dataCorrupted(let context):
            return context.codingPath.isEmpty ? "is not JSON" : "has a value that is not valid\(place(context))"
        @unknown default: return "is not JSON"
        }
    }
}
