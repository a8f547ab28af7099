import ClusterModel

/// A record that does not have the form version 1 prescribes.
package struct MalformedRecord: Error, Sendable, Hashable, CustomStringConvertible {
    package let reason: String

    package var description: String { reason }
}

/// Takes typed fields out of a JSON object, each required one being there and of its type.
struct RecordFields {
    private let members: [String: JSONValue]

    init(_ members: [String: JSONValue]) { self.members = members }

    init(_ value: JSONValue, as name: String) throws(MalformedRecord) {
        guard let members = value.objectValue else { throw MalformedRecord(reason: "\(name) is not an object") }
        self.members = members
    }

    func value(_ name: String) throws(MalformedRecord) -> JSONValue {
        guard let value = members[name] else { throw MalformedRecord(reason: "field '\(name)' is missing") }
        return value
    }

    func string(_ name: String) throws(MalformedRecord) -> String {
        guard let text = try value(name).stringValue else { throw wrong(name, "a string") }
        return text
    }

    func optionalString(_ name: String) throws(MalformedRecord) -> String? {
        members[name] == nil ? nil : try string(name)
    }

    func bool(_ name: String) throws(MalformedRecord) -> Bool {
        guard let flag = try value(name).boolValue else { throw wrong(name, "true or false") }
        return flag
    }

    /// An integer of at least `least`.
    func integer(_ name: String, atLeast least: Int = 0) throws(MalformedRecord) -> Int {
        guard let wide = try value(name).integerValue, let number = Int(exactly: wide), number >= least else {
            throw wrong(name, "an integer of at least \(least)")
        }
        return number
    }

    /// Whole milliseconds, not negative.
    func milliseconds(_ name: String) throws(MalformedRecord) -> Duration {
        .milliseconds(Int64(try integer(name)))
    }

    func array(_ name: String) throws(MalformedRecord) -> [JSONValue] {
        guard let values = try value(name).arrayValue else { throw wrong(name, "an array") }
        return values
    }

    /// Text that `make` turns into a value, or refuses with nil.
    func parsed<Value>(_ name: String, _ make: (String) -> Value?) throws(MalformedRecord) -> Value {
        guard let value = make(try string(name)) else { throw wrong(name, "of the form it should have") }
        return value
    }

    func choice<Choice: RawRepresentable<String>>(_ name: String) throws(MalformedRecord) -> Choice {
        guard let choice = Choice(rawValue: try string(name)) else { throw wrong(name, "one of the words allowed") }
        return choice
    }

    func hash(_ name: String) throws(MalformedRecord) -> ContentHash { try parsed(name) { ContentHash($0) } }

    func step() throws(MalformedRecord) -> StepID { try parsed("step") { StepID($0) } }

    func attempt() throws(MalformedRecord) -> Int { try integer("attempt", atLeast: 1) }

    private func wrong(_ name: String, _ expected: String) -> MalformedRecord {
        MalformedRecord(reason: "field '\(name)' is not \(expected)")
    }
}

extension JSONValue {
    static func integer(_ number: Int) -> JSONValue { .integer(Int64(number)) }

    static func hash(_ hash: ContentHash) -> JSONValue { .string(hash.text) }
}
