package import ClusterModel
package import RunEngine

/// One key of a manifest as data: what JSON Schemas are made of, and what the specifications are compared with.
struct SchemaField: Sendable {
    let key: String
    let shape: SchemaShape
    let isRequired: Bool
    let summary: String

    init(_ key: String, _ shape: SchemaShape, required: Bool = false, _ summary: String) {
        self.key = key
        self.shape = shape
        isRequired = required
        self.summary = summary
    }
}

/// What may stand at a key.
indirect enum SchemaShape: Sendable {
    /// A text, as far as a regular expression can say which.
    case text(pattern: String?)
    case number(ClosedRange<Int>)
    case boolean
    case words([String])
    case list(SchemaShape)
    case either([SchemaShape])
    case mapping([SchemaField])
    /// A mapping with free keys.
    case entries(SchemaShape)
    /// A JSON Schema as it is.
    case raw([String: JSONValue])

    static let text = SchemaShape.text(pattern: nil)
    /// A text that may be a number, which the loader takes as it is written.
    static let word = SchemaShape.either([.text, .raw(["type": .string("integer")])])
    static let name = SchemaShape.text(pattern: "^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")
    static let duration = SchemaShape.text(pattern: "^(0|[1-9][0-9]*)[smhd]$")
    static let hostPath = SchemaShape.text(pattern: "^/")

    var json: [String: JSONValue] {
        switch self {
        case .text(nil): ["type": .string("string")]
        case .text(let pattern?): ["type": .string("string"), "pattern": .string(pattern)]
        case .number(let range):
            [
                "type": .string("integer"), "minimum": .integer(Int64(range.lowerBound)),
                "maximum": .integer(Int64(range.upperBound)),
            ]
        case .boolean: ["type": .string("boolean")]
        case .words(let words): ["enum": .array(words.map(JSONValue.string))]
        case .list(let item): ["type": .string("array"), "items": .object(item.json)]
        case .either(let shapes): ["anyOf": .array(shapes.map { .object($0.json) })]
        case .mapping(let fields): Self.object(fields)
        case .entries(let value): ["type": .string("object"), "additionalProperties": .object(value.json)]
        case .raw(let schema): schema
        }
    }

    private static func object(_ fields: [SchemaField]) -> [String: JSONValue] {
        var properties: [String: JSONValue] = [:]
        for field in fields {
            var schema = field.shape.json
            schema["description"] = .string(field.summary)
            properties[field.key] = .object(schema)
        }
        let required = fields.filter(\.isRequired).map { JSONValue.string($0.key) }
        return [
            "type": .string("object"), "additionalProperties": .bool(false), "properties": .object(properties),
            "required": .array(required),
        ]
    }
}

/// JSON Schemas (draft 2020-12) of the manifests, with which editors complete and check them while they are written.
///
/// They say less than the loaders: what ties keys to each other is checked by `rollbook` only.
package enum ManifestSchemas {
    package static let inventory = document("Rollbook inventory, format 1", InventorySchema.top)

    /// With the kinds of the catalogue and their parameters.
    package static func runbook(catalogue: any KindCatalogue) -> JSONValue {
        document("Rollbook runbook, format 1", RunbookSchema.top(catalogue: catalogue))
    }

    private static func document(_ title: String, _ fields: [SchemaField]) -> JSONValue {
        var schema = SchemaShape.mapping(fields).json
        schema["$schema"] = .string("https://json-schema.org/draft/2020-12/schema")
        schema["title"] = .string(title)
        return .object(schema)
    }
}
