/// Everything that can be wrong with a snapshot file.
///
/// The cases of a page carry no page number: ``SnapshotProblem`` says where.
package enum SnapshotFault: Sendable, Hashable {
    // The file as a whole
    /// The source could not be read; this says nothing about the snapshot.
    case unreadable(SnapshotReadFailure)
    /// The file changed between two readings.
    case changedWhileRead
    /// The surrounding task was cancelled.
    case cancelled
    /// More bytes than any etcd database has.
    case tooLarge(size: UInt64)
    /// Neither meta page has bbolt's magic number.
    case notSnapshot(size: UInt64, FileAppearance)
    /// A bbolt database of whole pages without a trailer: a copy of `member/snap/db`, or a lost trailer.
    case noTrailer(size: UInt64)
    /// A bbolt database that ends where no trailer can: a file that was cut, or one that something was appended to.
    case oddLength(size: UInt64)
    /// The SHA-256 at the end is not that of what comes before.
    case trailerMismatch(expected: String, actual: String)
    /// A magic number is there, yet neither meta page is valid.
    case noValidMeta
    /// The database says that it is longer than it is.
    case truncated(expected: UInt64, actual: UInt64)
    /// There is more between the last page and the trailer than a snapshot has.
    case trailingBytes(expected: UInt64, actual: UInt64)

    // Pages
    /// A reference to a page that does not exist, or to a meta page.
    case pageOutOfBounds(highWater: UInt64)
    case pageIDMismatch(found: UInt64)
    case pageFlags(found: UInt16)
    case pageVisitedTwice
    case pageInFreelist
    /// Neither in use nor free although the freelist is stored: `snapshot status` refuses such a file too.
    case pageUnaccounted
    case depthExceeded(limit: Int)
    case pageTooLarge(bytes: UInt64)
    case emptyBranch
    case freelistInvalid(FreelistFault)

    // Elements of a page
    case elementOutOfBounds(index: Int)
    case elementsOverlap(index: Int)
    case keyLength(index: Int, bytes: UInt64)
    case keysOutOfOrder(index: Int)
    /// A key that the branch above says is in another page.
    case keyOutsideBranch(index: Int)
    case elementFlags(index: Int, found: UInt32)

    // Buckets
    case tooManyBuckets(limit: Int)
    case bucketName
    /// A bucket in a bucket, which etcd never makes.
    case nestedBucket(index: Int)
    /// A plain value where only buckets are.
    case notABucket(index: Int)
    case bucketHeader

    // What etcd stores
    case revisionKey
    case revisionRecord(revision: Int64, RecordFault)
    case memberRecord

    package enum FreelistFault: Sendable, Hashable {
        case count(UInt64)
        case entryOutOfBounds(UInt64)
        case listedTwice(UInt64)
    }

    package enum RecordFault: Sendable, Hashable {
        case malformed
        case claimsRevision(Int64)
    }
}
