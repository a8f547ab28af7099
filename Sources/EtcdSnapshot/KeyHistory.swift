/// What a snapshot still knows of one key.
package struct KeyHistory: Sendable, Hashable {
    /// Bounds the lists; a key of a snapshot without compaction may have been written a million times.
    package static let listLimit = 8

    /// The change that was in force at the revision asked for; nil where nothing of the key is stored up to there.
    package fileprivate(set) var found: StoredRevision?
    /// Revisions at which the key changed, newest first; at most eight.
    package fileprivate(set) var kept: [Int64] = []
    /// Stored changes of the key.
    package fileprivate(set) var changes = 0
    /// Other keys that begin with the one asked for, as a help for a person; at most eight.
    package fileprivate(set) var longerKeys: [[UInt8]] = []
}

extension SnapshotContents {
    /// Looks for `key` in all stored changes, in one walk; with `revision` only for what was in force then.
    ///
    /// What is found is right for any revision: compaction removes a change only where a newer one of the same key is kept or the
    /// key was deleted. What is not found may have been compacted away, up to the report's `compactedRevision`.
    package func history(of key: [UInt8], at revision: Int64? = nil) throws(SnapshotProblem) -> KeyHistory {
        var history = KeyHistory()
        try visitRevisions(.descending) { (change, _) throws(SnapshotProblem) in
            guard change.key.starts(with: key) else { return }
            guard change.keyRange.count == key.count else {
                let shown = Array(change.key.prefix(SnapshotInspection.longestShownKey))
                guard history.longerKeys.count < KeyHistory.listLimit, !history.longerKeys.contains(shown) else {
                    return
                }
                history.longerKeys.append(shown)
                return
            }
            history.changes += 1
            if history.kept.count < KeyHistory.listLimit { history.kept.append(change.revision.main) }
            guard history.found == nil, change.revision.main <= revision ?? .max else { return }
            history.found = change
        }
        return history
    }
}
