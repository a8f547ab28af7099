/// The part of a snapshot that is in memory: one bounded buffer over the database part of the file.
///
/// All reading of the tree goes through it, so memory does not grow with the file, with a page or with a value.
struct ByteWindow {
    /// The most bytes that can be looked at in one piece.
    static let capacity = 256 << 10

    /// End of what may be read: the database without the trailer.
    let limit: UInt64
    private(set) var buffer: [UInt8]
    private let source: any SnapshotBytes
    private var start: UInt64 = 0
    private var filled = 0
    /// How far a read may go beyond what was asked for.
    private var horizon: UInt64 = 0

    init(over source: any SnapshotBytes, limit: UInt64) {
        self.source = source
        self.limit = limit
        buffer = [UInt8](repeating: 0, count: Self.capacity)
    }

    /// Announces that the bytes up to `end` will be wanted next, so that one read can bring them all.
    mutating func expect(through end: UInt64) {
        horizon = min(end, limit)
    }

    /// Makes `count` bytes at `offset` present and returns their index in `buffer`; it holds until the next call.
    ///
    /// - Throws: ``SnapshotFault/truncated(expected:actual:)`` beyond the limit, or why the source could not be read.
    mutating func load(_ count: Int, at offset: UInt64) throws(SnapshotProblem) -> Int {
        if offset >= start, let index = Int(exactly: offset - start), index <= filled, filled - index >= count {
            return index
        }
        guard count <= Self.capacity, offset <= limit, limit - offset >= UInt64(count) else {
            throw SnapshotProblem(.truncated(expected: offset.addingClamped(UInt64(count)), actual: limit))
        }
        try refill(count, at: offset)
        return 0
    }

    private mutating func refill(_ count: Int, at offset: UInt64) throws(SnapshotProblem) {
        // One check per read keeps a verification of gigabytes cancellable without costing anything.
        if Task.isCancelled { throw SnapshotProblem(.cancelled) }
        let wanted = max(offset + UInt64(count), horizon) - offset
        let length = Int(min(wanted, UInt64(Self.capacity)))
        filled = 0
        do throws(SnapshotReadFailure) {
            try source.read(length, at: offset, into: &buffer)
        } catch {
            throw SnapshotProblem(.unreadable(error))
        }
        start = offset
        filled = length
    }

    /// A copy of `count` bytes at `offset`, which may be more than the window holds.
    mutating func copy(_ count: Int, at offset: UInt64, into target: inout [UInt8]) throws(SnapshotProblem) {
        target.removeAll(keepingCapacity: true)
        target.reserveCapacity(count)
        var done = 0
        while done < count {
            let piece = min(count - done, Self.capacity)
            let index = try load(piece, at: offset + UInt64(done))
            target.append(contentsOf: buffer[index..<(index + piece)])
            done += piece
        }
    }
}

extension UInt64 {
    /// The sum, or the largest value where it does not fit: for comparing and for messages, never for addressing.
    func addingClamped(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
