import ClusterModel

/// Why a line is not the next record of a journal.
enum ChainBreak: Error, Sendable, Hashable {
    case damaged(String)
    case otherVersion(Int)
}

/// Follows a journal line by line: frame, hash, number, form and order of every record.
struct JournalChain {
    private(set) var state = RunState()
    private(set) var run: RunID?
    /// Hash of the last record.
    private(set) var head: ContentHash?

    /// Takes in one line, without its newline; after a throw the chain is as before.
    mutating func take(_ line: ArraySlice<UInt8>) throws(ChainBreak) -> JournalRecord {
        guard line.count < RecordFrame.maximumLength, let (object, hash) = RecordFrame.open(line) else {
            throw .damaged("is not a record")
        }
        let members = try verifiedMembers(of: object, hash: hash)
        let record: JournalRecord
        do { record = try JournalRecord(members, hash: hash) } catch { throw .damaged("is malformed: \(error.reason)") }
        if let run, record.run != run { throw .damaged("belongs to run \(record.run)") }
        if case .runBegin(let begin) = record.event, begin.plan != record.previous {
            throw .damaged("names two different plans")
        }
        do { try state.apply(record) } catch { throw .damaged("is out of order: \(error)") }
        run = record.run
        head = hash
        return record
    }

    /// Takes in a record that was made from this chain's own state, while it is being written.
    mutating func extend(by record: JournalRecord) throws(IllegalTransition) {
        try state.apply(record)
        run = record.run
        head = record.hash
    }

    /// The members of a record whose hash is right for its place.
    private func verifiedMembers(of object: [UInt8], hash: ContentHash) throws(ChainBreak) -> [String: JSONValue] {
        guard let head else { return try verifiedFirstMembers(of: object, hash: hash) }
        guard RecordFrame.hash(of: object, after: head, version: RecordFrame.version) == hash else {
            throw .damaged("does not match its hash")
        }
        let members = try parse(object)
        guard members["v"] == .integer(RecordFrame.version) else {
            throw .damaged("is of another version than the first")
        }
        guard members["prev"] == .hash(head) else { throw .damaged("does not name the record before it") }
        return members
    }

    /// The first record tells version and plan itself, so it is read before its hash is checked.
    private func verifiedFirstMembers(of object: [UInt8], hash: ContentHash) throws(ChainBreak) -> [String: JSONValue] {
        let members = try parse(object)
        guard let version = members["v"]?.integerValue.flatMap({ Int(exactly: $0) }),
            let previous = members["prev"]?.stringValue.flatMap({ ContentHash($0) }),
            RecordFrame.hash(of: object, after: previous, version: version) == hash
        else { throw .damaged("does not match its hash") }
        guard version == RecordFrame.version else { throw .otherVersion(version) }
        return members
    }

    private func parse(_ object: [UInt8]) throws(ChainBreak) -> [String: JSONValue] {
        let value: JSONValue
        do { value = try CanonicalJSON.value(from: object) } catch {
            throw .damaged(head == nil ? "does not match its hash" : "is not canonical JSON: \(error)")
        }
        guard let members = value.objectValue else { throw .damaged("is not an object") }
        return members
    }
}
