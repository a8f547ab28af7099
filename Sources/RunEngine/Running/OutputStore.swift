package import ClusterModel
import FoundationEssentials
package import Journal

/// Where outputs of steps go that are too long for a journal record.
package protocol OutputStore: Sendable {
    /// Stores bytes durably and says what they are.
    func store(_ bytes: [UInt8], of step: StepID, attempt: Int) throws -> OutputRecord
    /// Reads stored bytes back; other bytes than recorded are an `integrity` error.
    func load(_ record: OutputRecord) throws -> [UInt8]
}

extension OutputStore {
    /// Longest output that stands in the record itself; a record may have 32 KiB, and messages need room as well.
    private var longestInline: Int { 12 * 1024 }

    /// The output as an outcome records it: itself, or `{"stored": "out/…"}` with its file among the outputs.
    func recorded(_ output: JSONValue, of step: StepID, attempt: Int) throws -> (JSONValue, [OutputRecord]) {
        let bytes = CanonicalJSON.bytes(of: output)
        guard bytes.count > longestInline else { return (output, []) }
        let record = try store(bytes, of: step, attempt: attempt)
        guard !record.truncated, record.bytes == bytes.count else {
            throw OperatorMessage(.storage, at: record.name, "the step's result could not be stored in full")
        }
        return (.object(["stored": .string(record.name)]), [record])
    }

    /// The output of a step that is done, wherever it was recorded.
    package func output(of state: StepState) throws -> JSONValue? {
        guard let output = state.output else { return nil }
        guard let name = output["stored"]?.stringValue,
            let record = state.outcome?.outputs.first(where: { $0.name == name })
        else { return output }
        return try JSONDecoder().decode(JSONValue.self, from: Data(try load(record)))
    }
}
