import ClusterModel
import Journal

/// Answers for machines: one canonical JSON value a line.
enum JSONAnswer {
    static func print(_ value: JSONValue) throws {
        try Terminal.machineAnswer(String(decoding: CanonicalJSON.bytes(of: value), as: UTF8.self))
    }
}
