package import ClusterModel

/// All step and gate kinds by their permanent names.
package struct StepRegistry: KindCatalogue {
    private var steps: [String: any Step.Type] = [:]
    private var gates: [String: any Gate.Type] = [:]

    package init() {}

    /// - Precondition: no kind is registered twice.
    package mutating func register(_ type: any Step.Type) {
        precondition(steps.updateValue(type, forKey: type.signature.kind) == nil, "a kind has one implementation")
    }

    /// - Precondition: no kind is registered twice.
    package mutating func register(_ type: any Gate.Type) {
        precondition(gates.updateValue(type, forKey: type.signature.kind) == nil, "a kind has one implementation")
    }

    package var stepSignatures: [String: KindSignature] { steps.mapValues { $0.signature } }
    package var gateSignatures: [String: KindSignature] { gates.mapValues { $0.signature } }

    package func stepType(_ kind: String) throws -> any Step.Type {
        guard let type = steps[kind] else {
            throw OperatorMessage(.stale, at: kind, "this program has no step of that kind")
        }
        return type
    }

    package func step(_ kind: String, _ parameters: [String: JSONValue]) throws -> any Step {
        try decode(try stepType(kind), parameters, kind)
    }

    package func gate(_ kind: String, _ parameters: [String: JSONValue]) throws -> any Gate {
        guard let type = gates[kind] else {
            throw OperatorMessage(.stale, at: kind, "this program has no gate of that kind")
        }
        return try decode(type, parameters, kind)
    }

    private func decode<Value: Decodable>(
        _ type: Value.Type,
        _ parameters: [String: JSONValue],
        _ kind: String
    ) throws
        -> Value
    {
        do { return try JSONValue.object(parameters).decode(type) } catch {
            throw OperatorMessage(.invalidInput, at: kind, "its parameters do not fit: \(error)")
        }
    }
}
