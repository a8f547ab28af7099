/// What a verified snapshot holds, for a person who wants to know what is in it; no value is part of it.
///
/// Design: etcd stores changes by revision, not by key, so which keys live is only known from all of them. One walk from the newest
/// revision to the oldest meets the deciding change of each key first; a bounded set of 64-bit keyed hashes remembers the keys met
/// (``KeyFingerprints``: 8 bytes a key, some 17 MiB for a million). A snapshot with more than a million stored changes is walked once
/// for each million. Memory depends neither on the size of the file nor on that of its values.
package struct SnapshotInspection: Sendable, Hashable {
    /// A live key and how large its value is.
    package struct Key: Sendable, Hashable {
        /// The key, or its first 4 KiB.
        package let key: [UInt8]
        package let bytes: Int
        package let revision: Int64
        /// How often it was written since it was made.
        package let version: Int64
    }

    /// Stored changes, deletions among them.
    package private(set) var revisions = 0
    package private(set) var tombstones = 0
    /// The oldest change that is still there.
    package private(set) var oldest: Revision?
    package private(set) var newest: Revision?
    package private(set) var liveKeys = 0
    /// Bytes of the values of live keys.
    package private(set) var liveBytes: UInt64 = 0
    /// Bytes of the values of all stored changes.
    package private(set) var storedBytes: UInt64 = 0
    /// Live keys that end with a lease.
    package private(set) var leasedKeys = 0
    /// The live keys with the largest values, largest first.
    package private(set) var largest: [Key] = []
    package fileprivate(set) var registry = RegistrySummary()

    /// Longer keys are shown shortened, so that a list of them stays small.
    static let longestShownKey = 4_096
    private let top: Int

    fileprivate init(top: Int) { self.top = top }

    fileprivate mutating func add(stored change: StoredRevision) {
        revisions += 1
        if change.isTombstone { tombstones += 1 }
        storedBytes += UInt64(change.valueLength)
        if newest == nil { newest = change.revision }
        oldest = change.revision
    }

    fileprivate mutating func add(live change: StoredRevision) {
        liveKeys += 1
        liveBytes += UInt64(change.valueLength)
        if change.lease != 0 { leasedKeys += 1 }
        guard top > 0, largest.count < top || change.valueLength > (largest.last?.bytes ?? 0) else { return }
        let key = Key(
            key: Array(change.key.prefix(Self.longestShownKey)),
            bytes: change.valueLength,
            revision: change.revision.main,
            version: change.version
        )
        let place = largest.firstIndex { $0.bytes < key.bytes } ?? largest.count
        largest.insert(key, at: place)
        if largest.count > top { largest.removeLast() }
    }
}

extension SnapshotContents {
    /// Counts everything in the snapshot; `top` is how many of the largest keys are kept, `parts` how often to walk
    /// (nil: as the number of changes asks for).
    package func inspection(
        prefix: String = "/registry/",
        top: Int = 10,
        parts: Int? = nil
    ) throws(SnapshotProblem) -> SnapshotInspection {
        var inspection = SnapshotInspection(top: top)
        var registry = RegistrySummary()
        try visitLiveKeys {
            inspection.add(stored: $0)
        } live: { (change, window) throws(SnapshotProblem) in
            inspection.add(live: change)
            try registry.add(change, prefix: prefix, &window)
        }
        inspection.registry = registry
        return inspection
    }
}
