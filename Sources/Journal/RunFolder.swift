package import ClusterModel
package import SystemPackage

/// The folder of one run and the names in it.
package struct RunFolder: Sendable, Hashable {
    package let path: FilePath
    package let run: RunID

    package init(path: FilePath, run: RunID) {
        self.path = path
        self.run = run
    }

    package var plan: FilePath { path.appending("plan.json") }
    package var journal: FilePath { path.appending("journal.jsonl") }
    package var head: FilePath { path.appending("head.json") }
    package var outputs: FilePath { path.appending("out") }

    static let largestPlan = 256 << 20
    static let largestJournal = 1 << 30
}

/// The end of a journal as head.json remembers it.
struct JournalHead: Sendable, Hashable {
    let run: RunID
    let number: Int
    let hash: ContentHash
    let time: UTCMoment

    init(of record: JournalRecord) {
        run = record.run
        number = record.number
        hash = record.hash
        time = record.time
    }

    var bytes: [UInt8] {
        CanonicalJSON.bytes(
            of: .object([
                "v": .integer(RecordFrame.version), "run": .string(run.text), "n": .integer(number), "h": .hash(hash),
                "t": .string(time.description),
            ])
        ) + [newline]
    }

    init(_ bytes: [UInt8]) throws(MalformedRecord) {
        guard bytes.last == newline, let value = try? CanonicalJSON.value(from: bytes.dropLast()) else {
            throw MalformedRecord(reason: "it is not canonical JSON and a newline")
        }
        let fields = try RecordFields(value, as: "it")
        guard try fields.integer("v") == RecordFrame.version else {
            throw MalformedRecord(reason: "it has another version")
        }
        run = try fields.parsed("run") { RunID($0) }
        number = try fields.integer("n", atLeast: 1)
        hash = try fields.hash("h")
        time = try fields.parsed("t") { UTCMoment($0) }
    }
}
