/// A bounded set of user keys, kept as 64-bit keyed hashes.
///
/// With more keys than fit, the caller walks the revisions once per partition; each key belongs to one. Two keys share a hash with
/// a chance of one in 10^7 for two million keys, and the count is then off by one. The hash is keyed by the process, so a file
/// can not be made to slow the set down.
struct KeyFingerprints {
    /// Keeps the set below 32 MiB, also while it grows.
    static let defaultLimit = 1_500_000

    private var members: Set<UInt64> = []
    private let limit: Int
    private let partition: UInt64
    private let partitions: UInt64
    /// False once the set was full; it is empty from then on.
    private(set) var isComplete = true

    init(partition: Int = 0, of partitions: Int = 1, limit: Int = defaultLimit) {
        self.limit = limit
        self.partition = UInt64(partition)
        self.partitions = UInt64(max(1, partitions))
    }

    /// How many walks are needed when there are at most `keys` different keys.
    static func partitions(forKeys keys: Int) -> Int { keys / (defaultLimit * 3 / 4) + 1 }

    var count: Int { members.count }
    /// How many of the keys were added as marked.
    var markedCount: Int { members.count { $0 & 1 == 1 } }

    /// The hash of a user key wherever it lies; its lowest bit is free for a mark.
    static func fingerprint(
        of key: FileRange,
        isMarked: Bool,
        _ window: inout ByteWindow
    ) throws(SnapshotProblem) -> UInt64 {
        var hasher = Hasher()
        var at = key.offset
        while at < key.end {
            let piece = Int(min(UInt64(ByteWindow.capacity), key.end - at))
            let index = try window.load(piece, at: at)
            hasher.combine(bytes: window.buffer.span.extracting(index..<(index + piece)))
            at += UInt64(piece)
        }
        hasher.combine(key.count)
        return UInt64(truncatingIfNeeded: hasher.finalize()) & ~1 | (isMarked ? 1 : 0)
    }

    /// Whether keys of this hash are counted in this walk.
    func covers(_ fingerprint: UInt64) -> Bool {
        partitions == 1 || (fingerprint >> 1) % partitions == partition
    }

    /// Adds a key; true if it is new.
    mutating func insert(_ fingerprint: UInt64) -> Bool {
        guard isComplete, covers(fingerprint) else { return false }
        guard partitions > 1 || members.count < limit else {
            isComplete = false
            members = []
            return false
        }
        return members.insert(fingerprint).inserted
    }

    mutating func remove(_ fingerprint: UInt64) {
        guard isComplete, covers(fingerprint) else { return }
        members.remove(fingerprint)
    }
}

extension Hasher {
    /// Feeds bytes eight at a time.
    fileprivate mutating func combine(bytes: Span<UInt8>) {
        var index = 0
        let wordsEnd = bytes.count & ~7
        while index < wordsEnd {
            combine(bytes.littleEndianUInt64(at: index))
            index += 8
        }
        while index < bytes.count {
            combine(bytes[index])
            index += 1
        }
    }
}
