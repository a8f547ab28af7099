/// Random access to the bytes of a snapshot; the only thing the verifier knows of where a snapshot lies.
package protocol SnapshotBytes: Sendable {
    /// Length in bytes when the snapshot was opened.
    var size: UInt64 { get }

    /// Fills the first `count` bytes of `buffer`, which holds at least that many, with the bytes from `offset` on.
    ///
    /// It fills all of them or throws: a source that ended early has changed since it was opened.
    func read(_ count: Int, at offset: UInt64, into buffer: inout [UInt8]) throws(SnapshotReadFailure)

    /// Whether the source is still what was opened: the verifier reads it more than once.
    func isUnchanged() throws(SnapshotReadFailure) -> Bool
}

/// The source of a snapshot could not be read, for a reason that lies outside the snapshot.
package struct SnapshotReadFailure: Error, Sendable, Hashable {
    /// What failed, as a phrase that follows "cannot be read:".
    package let reason: String

    package init(reason: String) { self.reason = reason }
}
