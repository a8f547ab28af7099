/// The boundaries between which a crash must do no harm, in the order a backup passes them.
package enum Checkpoint: String, Sendable, Hashable, CaseIterable {
    case stagingCreated, fileCreated, fileWritten, fileSynced, fileNamed
    case sealStarted, sealWritten, sealNamed, plainRemoved
    case foldersSynced, manifestWritten, sumsWritten, stagingSynced, published, parentsSynced
    case movedToTrash, trashPartlyRemoved, trashRemoved
    case movedToBad, badReasonWritten
}

/// Called at every boundary; what it throws stops the work there, as a crash would: nothing is cleaned up.
package typealias CheckpointHook = @Sendable (Checkpoint) throws(BackupError) -> Void
