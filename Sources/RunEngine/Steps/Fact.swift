package import ClusterModel
import FoundationEssentials
package import RemoteShell

/// Something read from a host: a read-only command and a pure parser of what it prints.
///
/// The command must not change the host in any way; a plan consists of nothing but facts.
package protocol Fact: Sendable, Hashable {
    associatedtype Value: Codable & Sendable & Hashable
    /// Permanent dotted name, used in plans and messages.
    static var name: String { get }
    /// Read-only.
    var command: RemoteCommand { get }
    /// Pure; tested on recorded outputs. Errors are for people: say what was expected.
    func parse(_ answer: ProbeBatch.Answer) throws -> Value
    /// The part of the value that a plan relies on, read again just before the step; nil when nothing of it may be relied
    /// on. What changes from second to second (revisions, sizes) does not belong here.
    func bound(_ value: Value) throws -> JSONValue?
}

extension Fact {
    package func bound(_ value: Value) throws -> JSONValue? { try JSONValue(encoding: value) }
}

/// One fact wanted of one host.
package struct FactRequest: Sendable, Hashable {
    package let host: HostName
    package let name: String
    package let command: RemoteCommand

    package init(_ fact: some Fact, on host: HostName) {
        self.host = host
        name = type(of: fact).name
        command = fact.command
    }
}

/// Why a fact is not known.
package struct FactFailure: Error, Sendable, Hashable, CustomStringConvertible {
    package let host: HostName
    package let fact: String
    package let message: OperatorMessage

    package init(host: HostName, fact: String, message: OperatorMessage) {
        self.host = host
        self.fact = fact
        self.message = message
    }

    package var description: String { message.description }
}

/// What planning may do: read facts.
///
/// It has no way to change a host.
package protocol FactReader: Sendable {
    var cluster: Cluster { get }
    /// Read-only views of the controller (free space, the catalogue of backups) that the composition root provides.
    func view<View>(_ type: View.Type) throws -> View
    func read<F: Fact>(_ fact: F, on host: HostName) async throws(FactFailure) -> F.Value
}

/// A fact the plan relies on: the step is refused when it reads differently just before its turn.
package struct Precondition: Sendable, Hashable, Codable {
    package let host: HostName
    package let fact: String
    package let value: JSONValue

    package init(host: HostName, fact: String, value: JSONValue) {
        self.host = host
        self.fact = fact
        self.value = value
    }
}

extension JSONValue {
    /// The JSON tree of any encodable value.
    package init(encoding value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        self = try JSONDecoder().decode(JSONValue.self, from: try encoder.encode(value))
    }

    /// Reads a value of a type out of the tree.
    package func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try JSONDecoder().decode(type, from: try JSONEncoder().encode(self))
    }
}
