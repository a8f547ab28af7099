import ClusterModel
import Journal

/// Answers for machines: one canonical JSON value a line.
enum JSONAnswer {
    static func print(_ value: JSONValue, readerMayLeave: Bool = false) throws {
        let text = String(decoding: CanonicalJSON.bytes(of: value), as: UTF8.self)
        try Terminal.machineAnswer(text, readerMayLeave: readerMayLeave)
    }
}
