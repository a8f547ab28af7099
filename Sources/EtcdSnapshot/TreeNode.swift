/// A page, or an inline bucket, as far as its header tells: where its elements are.
struct Node {
    let page: UInt64
    let count: Int
    let start: UInt64
    let end: UInt64

    static let elementLength = 16
    static let longestKey: UInt64 = 32_768

    /// Where the data of the elements begins, after the table; it has to lie within the page.
    func tableEnd() throws(SnapshotProblem) -> UInt64 {
        let length = UInt64(PageHeader.length + count * Self.elementLength)
        guard length <= end - start else {
            let fitting = (end - start).subtractingClamped(UInt64(PageHeader.length)) / UInt64(Self.elementLength)
            throw SnapshotProblem(.elementOutOfBounds(index: Int(clamping: fitting)), page: page)
        }
        return start + length
    }

    /// Checks one element's data against the page and the element before, and returns where the key begins.
    ///
    /// `floor` is the end of the data before and is moved past this element. bbolt writes data in the order of the elements, and
    /// holding a file to that keeps one value from being read many times.
    func place(
        _ index: Int,
        position: UInt32,
        key: UInt32,
        value: UInt32,
        _ floor: inout UInt64
    ) throws(SnapshotProblem) -> UInt64 {
        let element = start + UInt64(PageHeader.length + index * Self.elementLength)
        let data = element + UInt64(position)
        let dataEnd = data + UInt64(key) + UInt64(value)
        guard dataEnd <= end else { throw SnapshotProblem(.elementOutOfBounds(index: index), page: page) }
        guard data >= floor else { throw SnapshotProblem(.elementsOverlap(index: index), page: page) }
        guard key >= 1, UInt64(key) <= Self.longestKey else {
            throw SnapshotProblem(.keyLength(index: index, bytes: UInt64(key)), page: page)
        }
        floor = dataEnd
        return data
    }
}

/// The keys that a page may have by the branches above it: from `lower`, which may be empty, to below `upper`.
struct KeyBounds {
    var lower: [UInt8] = []
    var upper: [UInt8]?
}

/// The element table of a leaf, checked as a whole: flags u32, position u32, key size u32, value size u32 for each.
struct LeafTable {
    let bytes: [UInt8]
    private let node: Node

    init(_ node: Node, _ window: inout ByteWindow, reusing storage: inout [UInt8]) throws(SnapshotProblem) {
        var floor = try node.tableEnd()
        var bytes: [UInt8] = []
        swap(&bytes, &storage)
        let tableLength = node.count * Node.elementLength
        try window.copy(tableLength, at: node.start + UInt64(PageHeader.length), into: &bytes)
        let table = bytes.span
        for index in 0..<node.count {
            let at = index * Node.elementLength
            let flags = table.littleEndianUInt32(at: at)
            guard flags <= 1 else {
                throw SnapshotProblem(.elementFlags(index: index, found: flags), page: node.page)
            }
            _ = try node.place(
                index,
                position: table.littleEndianUInt32(at: at + 4),
                key: table.littleEndianUInt32(at: at + 8),
                value: table.littleEndianUInt32(at: at + 12),
                &floor
            )
        }
        self.node = node
        self.bytes = bytes
    }

    func entry(_ index: Int) -> LeafEntry {
        let table = bytes.span
        let at = index * Node.elementLength
        let key = FileRange(
            offset: node.start + UInt64(PageHeader.length + at) + UInt64(table.littleEndianUInt32(at: at + 4)),
            count: Int(table.littleEndianUInt32(at: at + 8))
        )
        return LeafEntry(
            page: node.page,
            index: index,
            isBucket: table.littleEndianUInt32(at: at) == 1,
            key: key,
            value: FileRange(offset: key.end, count: Int(table.littleEndianUInt32(at: at + 12)))
        )
    }
}

/// A branch page in memory: position u32, key size u32, child page u64 for each element.
struct BranchPage {
    let count: Int
    private let id: UInt64
    private let bytes: [UInt8]
    private let keys: [Range<Int>]

    init(_ node: Node, _ window: inout ByteWindow) throws(SnapshotProblem) {
        guard node.count > 0 else { throw SnapshotProblem(.emptyBranch, page: node.page) }
        guard node.end - node.start <= TreeWalker.branchLimit else {
            throw SnapshotProblem(.pageTooLarge(bytes: node.end - node.start), page: node.page)
        }
        var floor = try node.tableEnd()
        var bytes: [UInt8] = []
        try window.copy(Int(node.end - node.start), at: node.start, into: &bytes)
        var keys: [Range<Int>] = []
        keys.reserveCapacity(node.count)
        for index in 0..<node.count {
            let at = PageHeader.length + index * Node.elementLength
            let length = bytes.span.littleEndianUInt32(at: at + 4)
            let key = try node.place(
                index,
                position: bytes.span.littleEndianUInt32(at: at),
                key: length,
                value: 0,
                &floor
            )
            let start = Int(key - node.start)
            keys.append(start..<(start + Int(length)))
        }
        count = node.count
        id = node.page
        self.bytes = bytes
        self.keys = keys
    }

    func page(_ index: Int) -> UInt64 {
        bytes.span.littleEndianUInt64(at: PageHeader.length + index * Node.elementLength + 8)
    }

    /// What the child at `index` may have as keys.
    func bounds(of index: Int, within outer: KeyBounds) -> KeyBounds {
        KeyBounds(
            lower: Array(bytes[keys[index]]),
            upper: index + 1 < count ? Array(bytes[keys[index + 1]]) : outer.upper
        )
    }

    /// Checks that the keys rise and lie within what the branch above allows.
    func check(_ bounds: KeyBounds) throws(SnapshotProblem) {
        let all = bytes.span
        if all.extracting(keys[0]).precedes(bounds.lower.span) {
            throw SnapshotProblem(.keyOutsideBranch(index: 0), page: id)
        }
        for index in 1..<max(1, count) where !all.extracting(keys[index - 1]).precedes(all.extracting(keys[index])) {
            throw SnapshotProblem(.keysOutOfOrder(index: index), page: id)
        }
        if let upper = bounds.upper, !all.extracting(keys[count - 1]).precedes(upper.span) {
            throw SnapshotProblem(.keyOutsideBranch(index: count - 1), page: id)
        }
    }
}

extension Span where Element == UInt8 {
    /// Whether these bytes sort before `other`, compared as unsigned bytes, the shorter first.
    func precedes(_ other: Span<UInt8>) -> Bool {
        let common = Swift.min(count, other.count)
        for index in 0..<common where self[index] != other[index] { return self[index] < other[index] }
        return count < other.count
    }
}
