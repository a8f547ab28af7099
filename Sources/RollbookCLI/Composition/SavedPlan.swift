import ClusterModel
import FoundationEssentials
import Journal
import Manifests
import RunEngine

/// A plan as a file: the plan's JSON object with its own id in it, so that an edit shows.
///
/// The id is the SHA-256 of the plan's bytes without the member `id`. It proves that the file is as it was written, not who
/// wrote it: somebody who executes another person's plan compares the id with the one they were told (`--expect`).
struct SavedPlan {
    let plan: Plan
    let id: String

    /// The file's text: one line.
    static func text(of plan: [UInt8], id: String) throws -> [UInt8] {
        guard case .object(var members) = try JSONDecoder().decode(JSONValue.self, from: Data(plan)) else {
            throw OperatorMessage(.fault, "a plan is no JSON object")
        }
        members["id"] = .string(id)
        return try encode(members) + [UInt8(ascii: "\n")]
    }

    /// Reads a file that `text(of:id:)` made.
    static func read(_ path: String) throws -> SavedPlan {
        let bytes = try ManifestFile.read(path)
        guard case .object(var members)? = try? JSONDecoder().decode(JSONValue.self, from: Data(bytes)),
            let id = members.removeValue(forKey: "id")?.stringValue
        else {
            throw OperatorMessage(
                .integrity,
                at: path,
                "this is no plan, or a part of it is missing",
                state: "Nothing was sent",
                next: "make one: rollbook plan RUNBOOK --out FILE"
            )
        }
        let content = try encode(members)
        guard ContentHash(of: content).text == id, try text(of: content, id: id) == bytes else {
            throw OperatorMessage(
                .integrity,
                at: path,
                "it was altered after it was written",
                state: "Nothing was sent",
                next: "plan again: rollbook plan RUNBOOK --out FILE"
            )
        }
        return SavedPlan(plan: try Plan.read(content, from: path), id: id)
    }

    private static func encode(_ members: [String: JSONValue]) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(JSONValue.object(members)))
    }
}
