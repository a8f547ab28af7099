import ClusterModel

/// A journal that must not be used: the place and the reason.
package struct JournalDamage: Error, Sendable, Hashable {
    let cause: ChainBreak
    /// Number of the first record that is not good.
    let record: Int
    /// How many lines there are.
    let total: Int

    /// The words for a message: `record 17 of 240 does not match its hash`.
    var reason: String {
        switch cause {
        case .damaged(let reason): "record \(record) of \(total) \(reason)"
        case .otherVersion(let version): "it is of format version \(version)"
        }
    }
}

/// What the bytes of a journal hold: its verified records, and a torn end when there is one.
package struct JournalScan {
    package let records: [JournalRecord]
    let chain: JournalChain
    /// Where the last good record ends.
    package let goodLength: Int
    /// The bytes after it, which an interrupted write left behind; empty when the end is whole.
    package let torn: ArraySlice<UInt8>

    /// Reads a whole journal; throws on anything that is neither a good record nor a torn end.
    package init(_ bytes: [UInt8]) throws(JournalDamage) {
        var records: [JournalRecord] = []
        var chain = JournalChain()
        var start = 0
        while let end = bytes[start...].firstIndex(of: newline) {
            do throws(ChainBreak) {
                records.append(try chain.take(bytes[start..<end]))
            } catch {
                if end == bytes.count - 1, hasEmptySector(bytes[start...]) { break }
                throw JournalDamage(cause: error, record: records.count + 1, total: lines(in: bytes))
            }
            start = end + 1
        }
        let tail = bytes[start...]
        if !tail.isEmpty, tail.last != newline, let reason = whyNotTorn(tail, after: chain) {
            throw JournalDamage(cause: .damaged(reason), record: records.count + 1, total: lines(in: bytes))
        }
        self.records = records
        self.chain = chain
        goodLength = start
        torn = tail
    }
}

// The rules of "After a crash" in Format.md. They follow etcd's write-ahead log, whose decoder takes a last entry for
// torn when the file ends within it, or when one of its sectors is all zeros (server/storage/wal/decoder.go,
// `isTornEntry`).

/// Why an end without a newline is not what an interrupted write leaves; nil when it is.
private func whyNotTorn(_ tail: ArraySlice<UInt8>, after chain: JournalChain) -> String? {
    guard tail.count < RecordFrame.maximumLength else { return "is longer than a record can be" }
    // A whole record with something else where its newline was: the write was complete, so it is damage.
    var content = tail
    while content.last == 0 { content.removeLast() }
    let ends = content.indices.filter { content[$0] == UInt8(ascii: "}") }
    for end in ends where end + 1 < content.endIndex {
        var trial = chain
        if (try? trial.take(content[...end])) != nil { return "does not end in a newline" }
    }
    return nil
}

/// Whether one of the pieces of `line`, cut where the file's 512-byte sectors meet, was never written.
private func hasEmptySector(_ line: ArraySlice<UInt8>) -> Bool {
    var start = line.startIndex
    while start < line.endIndex {
        let end = min(line.endIndex, (start / 512 + 1) * 512)
        if line[start..<end].allSatisfy({ $0 == 0 }) { return true }
        start = end
    }
    return false
}

/// Lines, an unfinished one included.
private func lines(in bytes: [UInt8]) -> Int {
    bytes.count { $0 == newline } + (bytes.last == newline || bytes.isEmpty ? 0 : 1)
}
