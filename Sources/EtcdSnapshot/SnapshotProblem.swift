/// Why a snapshot was refused: what is wrong and where.
package struct SnapshotProblem: Error, Sendable, Hashable {
    package let fault: SnapshotFault
    /// The page it was found in, where it belongs to one.
    package let page: UInt64?
    /// The top-level bucket it was found in, where it belongs to one.
    package let bucket: String?

    package init(_ fault: SnapshotFault, page: UInt64? = nil, bucket: String? = nil) {
        self.fault = fault
        self.page = page
        self.bucket = bucket
    }

    /// The same problem with the bucket it was met in.
    func inBucket(_ name: String) -> Self { Self(fault, page: page, bucket: bucket ?? name) }

    /// Whether this speaks of the file; false where it could not be read to the end, so that a retry may succeed.
    package var condemnsTheFile: Bool {
        switch fault {
        case .unreadable, .changedWhileRead, .cancelled: false
        default: true
        }
    }
}

extension SnapshotProblem: CustomStringConvertible {
    /// One sentence for a person, without the name of the file; a bucket's name is quoted as it stands in the file.
    package var description: String {
        var place = page.map { "page \($0)" } ?? ""
        if let bucket { place += "\(place.isEmpty ? "" : " of ")bucket \"\(bucket)\"" }
        return place.isEmpty ? fault.sentence : "\(place): \(fault.sentence)"
    }
}

extension SnapshotFault {
    /// What is wrong, without the place.
    var sentence: String {
        switch self {
        case .unreadable(let failure): "the snapshot cannot be read: \(failure.reason)"
        case .changedWhileRead: "the snapshot changed while it was verified; verify it again when nothing writes to it"
        case .cancelled: "the verification was cancelled"
        case .tooLarge(let size): "the file is \(size) bytes, more than any etcd database"
        case .notSnapshot(let size, let appearance):
            "the file (\(size) bytes) is not an etcd snapshot; it looks like \(appearance.phrase)"
        case .noTrailer(let size):
            """
            the snapshot is \(size) bytes; trailer missing: this is a bare database, such as a copy of member/snap/db, \
            and nothing proves that it is intact
            """
        case .oddLength(let size):
            """
            the snapshot is \(size) bytes; trailer missing: no snapshot ends there, so the file was cut or something \
            was appended to it
            """
        case .trailerMismatch(let expected, let actual):
            "the contents were altered or cut: their SHA-256 is \(actual), the trailer says \(expected)"
        case .noValidMeta: "both meta pages of the database are damaged"
        case .truncated(let expected, let actual):
            "the database is cut: it needs \(expected) bytes, \(actual) are there"
        case .trailingBytes(let expected, let actual):
            "the database is \(expected) bytes long, yet \(actual) bytes stand before the trailer"
        default: structuralSentence
        }
    }

    private var structuralSentence: String {
        switch self {
        case .pageOutOfBounds(let highWater): "referred to, but the database has data pages 2 to \(highWater) only"
        case .pageIDMismatch(let found): "says that it is page \(found)"
        case .pageFlags(let found): "has the flags 0x\(String(found, radix: 16)), neither a branch nor a leaf"
        case .pageVisitedTwice: "is referred to twice"
        case .pageInFreelist: "is in use and in the list of free pages"
        case .pageUnaccounted: "is neither in use nor in the list of free pages"
        case .depthExceeded(let limit): "lies more than \(limit) levels deep"
        case .pageTooLarge(let bytes): "is a branch of \(bytes) bytes, more than bbolt writes"
        case .emptyBranch: "is a branch without children"
        case .freelistInvalid(let fault): fault.sentence
        case .elementOutOfBounds(let index): "element \(index) lies outside the page"
        case .elementsOverlap(let index): "element \(index) overlaps the one before"
        case .keyLength(let index, let bytes): "element \(index) has a key of \(bytes) bytes; bbolt allows 1 to 32768"
        case .keysOutOfOrder(let index): "the key of element \(index) is not above the one before"
        case .keyOutsideBranch(let index): "the key of element \(index) belongs to another page"
        case .elementFlags(let index, let found): "element \(index) has the unknown flags 0x\(String(found, radix: 16))"
        case .tooManyBuckets(let limit): "there are more than \(limit) buckets"
        case .bucketName: "a bucket has a name that etcd does not use: too long, or not text"
        case .nestedBucket(let index): "element \(index) is a bucket in a bucket, which etcd never makes"
        case .notABucket(let index): "element \(index) of the root is not a bucket"
        case .bucketHeader: "the header of the bucket is damaged"
        case .revisionKey: "a key is not a revision (8 bytes, '_', 8 bytes, and 't' for a deletion)"
        case .revisionRecord(let revision, .malformed): "the record of revision \(revision) is not a key and its value"
        case .revisionRecord(let revision, .claimsRevision(let other)):
            "the record of revision \(revision) says that it is of revision \(other)"
        case .memberRecord: "the record of a member cannot be read"
        default: "damaged"
        }
    }
}

extension SnapshotFault.FreelistFault {
    fileprivate var sentence: String {
        switch self {
        case .count(let count): "the list of free pages claims \(count) entries, more than it has room for"
        case .entryOutOfBounds(let id): "the list of free pages names page \(id), which does not exist"
        case .listedTwice(let id): "the list of free pages names page \(id) twice"
        }
    }
}
