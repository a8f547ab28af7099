import Crypto
package import ClusterModel

/// One line of a journal.
package struct JournalRecord: Sendable, Hashable {
    package let run: RunID
    /// 1, 2, 3, … without a gap: the order of events.
    package let number: Int
    /// For people; never used to order or to measure.
    package let time: UTCMoment
    /// Time since the controller's boot; differences measure time while `boot` stays the same.
    package let uptime: Duration
    package let boot: String
    package let event: JournalEvent
    /// Hash of the record before, or the plan id.
    package let previous: ContentHash
    package let hash: ContentHash
    /// All fields as they stand in the file, those included that this release does not know; without `h`.
    package let fields: [String: JSONValue]
}

/// The frame of a line, the same in every version of the format.
enum RecordFrame {
    static let version = 1
    /// The longest line, newline included: such a line is written by one system call.
    static let maximumLength = 32 * 1024
    private static let beforeHash = Array(#","h":""#.utf8)
    private static let afterHash = Array(#""}"#.utf8)
    private static let length = beforeHash.count + ContentHash.length + afterHash.count

    /// The hash of a record: every byte of it and of what came before.
    static func hash(of object: some Collection<UInt8>, after previous: ContentHash, version: Int) -> ContentHash {
        var bytes = Array("rollbook.journal.v\(version)\n\(previous.text)".utf8)
        bytes += object
        return ContentHash(of: bytes)
    }

    /// The line, newline included, of a canonical object and its hash.
    static func line(of object: [UInt8], hash: ContentHash) -> [UInt8] {
        var line = object
        line.removeLast()
        line += beforeHash
        line += hash.text.utf8
        line += afterHash
        line.append(newline)
        return line
    }

    /// The canonical object and the hash of a line without its newline; nil when it is not framed like a record.
    static func open(_ line: ArraySlice<UInt8>) -> (object: [UInt8], hash: ContentHash)? {
        guard line.count > length + 1, line.first == UInt8(ascii: "{") else { return nil }
        let frame = line.suffix(length)
        guard frame.starts(with: beforeHash), frame.suffix(afterHash.count).elementsEqual(afterHash) else { return nil }
        let digits = frame.dropFirst(beforeHash.count).prefix(ContentHash.length)
        guard let hash = ContentHash(String(decoding: digits, as: UTF8.self)) else { return nil }
        var object = Array(line.dropLast(length))
        object.append(UInt8(ascii: "}"))
        return (object, hash)
    }
}

let newline = UInt8(ascii: "\n")

extension JournalRecord {
    /// Makes the record of `event` and its line.
    static func sealed(
        _ event: JournalEvent,
        run: RunID,
        number: Int,
        time: UTCMoment,
        uptime: Duration,
        boot: String,
        after previous: ContentHash
    ) -> (record: JournalRecord, line: [UInt8]) {
        var fields = event.fields
        fields["v"] = .integer(RecordFrame.version)
        fields["run"] = .string(run.text)
        fields["n"] = .integer(number)
        fields["t"] = .string(time.description)
        fields["mono"] = .integer(uptime.milliseconds)
        fields["boot"] = .string(boot)
        fields["type"] = .string(event.type)
        fields["prev"] = .hash(previous)
        var object: [UInt8] = []
        CanonicalJSON.append(fields, to: &object)
        let hash = RecordFrame.hash(of: object, after: previous, version: RecordFrame.version)
        let record = JournalRecord(
            run: run,
            number: number,
            time: time,
            uptime: .milliseconds(uptime.milliseconds),
            boot: boot,
            event: event,
            previous: previous,
            hash: hash,
            fields: fields
        )
        return (record, RecordFrame.line(of: object, hash: hash))
    }

    /// Reads a record of version 1 whose hash was found right.
    init(_ members: [String: JSONValue], hash: ContentHash) throws(MalformedRecord) {
        let fields = RecordFields(members)
        let type = try fields.string("type")
        guard let event = try JournalEvent(type: type, fields: fields) else {
            throw MalformedRecord(
                reason: "type '\(type.escapedOnOneLine)' is not one of version \(RecordFrame.version)"
            )
        }
        self.init(
            run: try fields.parsed("run") { RunID($0) },
            number: try fields.integer("n", atLeast: 1),
            time: try fields.parsed("t") { UTCMoment($0) },
            uptime: try fields.milliseconds("mono"),
            boot: try fields.string("boot"),
            event: event,
            previous: try fields.hash("prev"),
            hash: hash,
            fields: members
        )
    }
}
