import ClusterModel

@testable import Manifests

/// A reader of JSON Schema (draft 2020-12), as far as the schemas of manifests use it; any other keyword is an error.
struct SchemaChecker {
    struct UnknownKeyword: Error { let keyword: String }

    private static let known: Set<String> = [
        "$schema", "title", "description", "type", "enum", "const", "pattern", "minimum", "maximum", "items",
        "properties", "required", "additionalProperties", "anyOf",
    ]

    /// What is wrong with a value, the places first; empty when it fits.
    func problems(of value: JSONValue, with schema: JSONValue, at place: String = "") throws -> [String] {
        guard let rules = schema.objectValue else { return [] }
        for key in rules.keys where !Self.known.contains(key) { throw UnknownKeyword(keyword: key) }
        var found: [String] = []
        if let type = rules["type"]?.stringValue, type != Self.type(of: value) {
            return ["\(place): is a \(Self.type(of: value)), not a \(type)"]
        }
        if let words = rules["enum"]?.arrayValue, !words.contains(value) {
            found.append("\(place): is none of the words")
        }
        if let only = rules["const"], only != value { found.append("\(place): is not what it must be") }
        if let pattern = rules["pattern"]?.stringValue, case .string(let text) = value,
            try Regex(pattern).firstMatch(in: text) == nil
        {
            found.append("\(place): '\(text)' does not match \(pattern)")
        }
        if case .integer(let number) = value {
            if case .integer(let least)? = rules["minimum"], number < least { found.append("\(place): is too small") }
            if case .integer(let most)? = rules["maximum"], number > most { found.append("\(place): is too large") }
        }
        if let shapes = rules["anyOf"]?.arrayValue {
            // A step is of one kind: the others need not be looked at.
            let likely = shapes.filter { !Self.isOfAnotherKind(value, $0) }
            let all = try (likely.isEmpty ? shapes : likely).map { try problems(of: value, with: $0, at: place) }
            if !all.contains(where: \.isEmpty) { found += all.min { $0.count < $1.count } ?? [] }
        }
        if let items = rules["items"], let values = value.arrayValue {
            for (index, item) in values.enumerated() {
                found += try problems(of: item, with: items, at: "\(place)[\(index)]")
            }
        }
        if let members = value.objectValue { found += try problems(ofMembers: members, rules, place) }
        return found
    }

    private func problems(
        ofMembers members: [String: JSONValue],
        _ rules: [String: JSONValue],
        _ place: String
    ) throws -> [String] {
        var found: [String] = []
        let properties = rules["properties"]?.objectValue ?? [:]
        for key in rules["required"]?.arrayValue?.compactMap(\.stringValue) ?? [] where members[key] == nil {
            found.append("\(place): '\(key)' is missing")
        }
        for (key, member) in members.sorted(by: { $0.key < $1.key }) {
            if let schema = properties[key] {
                found += try problems(of: member, with: schema, at: "\(place).\(key)")
            } else if rules["additionalProperties"] == .bool(false) {
                found.append("\(place): unknown key '\(key)'")
            } else if let schema = rules["additionalProperties"] {
                found += try problems(of: member, with: schema, at: "\(place).\(key)")
            }
        }
        return found
    }

    private static func isOfAnotherKind(_ value: JSONValue, _ schema: JSONValue) -> Bool {
        guard let only = schema["properties"]?["uses"]?["const"], let own = value["uses"] else { return false }
        return only != own
    }

    private static func type(of value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .bool: "boolean"
        case .integer, .unsigned: "integer"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }
}

extension YAMLNode {
    /// The value as an editor's language server sees it, by the core schema of YAML 1.2.
    var json: JSONValue {
        switch content {
        case .mapping(let entries): .object(Dictionary(entries.map { ($0.key, $0.value.json) }) { $1 })
        case .sequence(let items): .array(items.map(\.json))
        case .scalar(let text, .plain) where text.isEmpty || text == "null" || text == "~": .null
        case .scalar("true", .plain): .bool(true)
        case .scalar("false", .plain): .bool(false)
        case .scalar(let text, .plain): Int64(text).map { .integer($0) } ?? .string(text)
        case .scalar(let text, _): .string(text)
        }
    }
}
