/// A range of bytes in the snapshot.
struct FileRange: Sendable, Hashable {
    let offset: UInt64
    let count: Int

    static let empty = FileRange(offset: 0, count: 0)
    var end: UInt64 { offset + UInt64(count) }
}

/// One key of a bucket, checked to lie in its page.
struct LeafEntry {
    let page: UInt64
    let index: Int
    let isBucket: Bool
    let key: FileRange
    let value: FileRange
}

/// Takes the entries of a bucket as the walk meets them.
protocol EntryVisitor {
    mutating func visit(_ entry: LeafEntry, _ window: inout ByteWindow) throws(SnapshotProblem)
}

/// Where the tree of a bucket begins: on a page of its own, or inside the value that describes the bucket.
enum BucketRoot: Sendable, Hashable {
    case page(UInt64)
    case inline(FileRange, page: UInt64)
}

/// Walks bbolt's B+ tree and checks every page on its way (bbolt tx_check.go, and stricter).
///
/// Guarantees towards a hostile file: no page is read twice, the elements of a page never overlap, the depth is bounded, so time is
/// linear in the file's size and memory is bounded.
struct TreeWalker {
    enum Order: Sendable { case ascending, descending }

    static let depthLimit = 32
    /// bbolt splits a branch so that it has few keys above the page size; a key has at most 32 KiB.
    static let branchLimit: UInt64 = 256 << 10

    let layout: DatabaseLayout
    let order: Order
    var window: ByteWindow
    private(set) var visited: PageBitmap
    private let free: PageBitmap?
    private var previousKey: [UInt8] = []
    private var table: [UInt8] = []

    init(_ layout: DatabaseLayout, freelist: Freelist?, window: ByteWindow, order: Order = .ascending) {
        self.layout = layout
        self.order = order
        self.window = window
        free = freelist?.free
        visited = PageBitmap(pages: layout.highWater)
        for page in freelist.map({ Array($0.pages) }) ?? [] { _ = visited.insert(page) }
    }

    /// Hands every entry of the bucket to `visitor`, in the walk's order.
    mutating func walk(_ root: BucketRoot, _ visitor: inout some EntryVisitor) throws(SnapshotProblem) {
        previousKey.removeAll(keepingCapacity: true)
        switch root {
        case .page(let page):
            try walk(page: page, depth: 1, KeyBounds(), &visitor)
        case .inline(let range, let page):
            let index = try window.load(PageHeader.length, at: range.offset)
            let header = PageHeader(window.buffer.span, at: index)
            guard header.flags == PageHeader.leaf, header.overflow == 0 else {
                throw SnapshotProblem(.bucketHeader, page: page)
            }
            let node = Node(page: page, count: Int(header.count), start: range.offset, end: range.end)
            try walk(leaf: node, KeyBounds(), &visitor)
        }
    }

    /// Hands every entry of a top-level bucket to `visitor`; a problem then names the bucket.
    mutating func walk(_ bucket: TopLevelBucket, _ visitor: inout some EntryVisitor) throws(SnapshotProblem) {
        do throws(SnapshotProblem) {
            try walk(bucket.root, &visitor)
        } catch {
            throw error.inBucket(bucket.name)
        }
    }

    /// The top-level buckets, in the order of their names.
    mutating func buckets() throws(SnapshotProblem) -> [TopLevelBucket] {
        var directory = BucketDirectory()
        try walk(.page(layout.meta.root), &directory)
        return directory.buckets
    }

    /// Checks that every page is in use or free; only meaningful after all buckets were walked.
    func checkAllAccounted(_ freelist: Freelist) throws(SnapshotProblem) {
        guard UInt64(visited.count + freelist.free.count) + 2 != layout.highWater else { return }
        for page in 2..<layout.highWater where !visited.contains(page) && !freelist.free.contains(page) {
            throw SnapshotProblem(.pageUnaccounted, page: page)
        }
    }

    private mutating func walk(
        page: UInt64,
        depth: Int,
        _ bounds: KeyBounds,
        _ visitor: inout some EntryVisitor
    ) throws(SnapshotProblem) {
        guard depth <= Self.depthLimit else {
            throw SnapshotProblem(.depthExceeded(limit: Self.depthLimit), page: page)
        }
        let (node, flags) = try claim(page)
        switch flags {
        case PageHeader.leaf:
            try walk(leaf: node, bounds, &visitor)
        case PageHeader.branch:
            let branch = try BranchPage(node, &window)
            try branch.check(bounds)
            for position in 0..<branch.count {
                let child = order == .ascending ? position : branch.count - 1 - position
                try walk(page: branch.page(child), depth: depth + 1, branch.bounds(of: child, within: bounds), &visitor)
            }
        default:
            throw SnapshotProblem(.pageFlags(found: flags), page: page)
        }
    }

    /// Reads a page's header and marks its pages as used, each once.
    private mutating func claim(_ page: UInt64) throws(SnapshotProblem) -> (Node, flags: UInt16) {
        try layout.checkReference(page)
        let start = page * layout.pageSize
        window.expect(through: start + layout.pageSize)
        let index = try window.load(PageHeader.length, at: start)
        let header = PageHeader(window.buffer.span, at: index)
        guard header.id == page else { throw SnapshotProblem(.pageIDMismatch(found: header.id), page: page) }
        let last = page + UInt64(header.overflow)
        try layout.checkReference(last)
        for part in page...last {
            if let free, free.contains(part) { throw SnapshotProblem(.pageInFreelist, page: part) }
            guard visited.insert(part) else { throw SnapshotProblem(.pageVisitedTwice, page: part) }
        }
        let end = (last + 1) * layout.pageSize
        window.expect(through: end)
        return (Node(page: page, count: Int(header.count), start: start, end: end), header.flags)
    }

    private mutating func walk(
        leaf node: Node,
        _ bounds: KeyBounds,
        _ visitor: inout some EntryVisitor
    ) throws(SnapshotProblem) {
        let elements = try LeafTable(node, &window, reusing: &table)
        defer { table = elements.bytes }
        guard node.count > 0 else { return }
        try check(elements.entry(0), isAtLeast: bounds.lower)
        try check(elements.entry(node.count - 1), isBelow: bounds.upper)
        for position in 0..<node.count {
            let entry = elements.entry(order == .ascending ? position : node.count - 1 - position)
            try advance(to: entry)
            try visitor.visit(entry, &window)
        }
    }

    /// Holds the walk to strictly rising keys over the whole bucket, or falling ones.
    private mutating func advance(to entry: LeafEntry) throws(SnapshotProblem) {
        let index = try window.load(entry.key.count, at: entry.key.offset)
        let key = index..<(index + entry.key.count)
        if !previousKey.isEmpty {
            let previous = previousKey.span
            let current = window.buffer.span.extracting(key)
            let rising = order == .ascending ? previous.precedes(current) : current.precedes(previous)
            guard rising else { throw SnapshotProblem(.keysOutOfOrder(index: entry.index), page: entry.page) }
        }
        previousKey.removeAll(keepingCapacity: true)
        previousKey.append(contentsOf: window.buffer[key])
    }

    private mutating func check(_ entry: LeafEntry, isAtLeast lower: [UInt8]) throws(SnapshotProblem) {
        guard !lower.isEmpty else { return }
        let index = try window.load(entry.key.count, at: entry.key.offset)
        guard !window.buffer.span.extracting(index..<(index + entry.key.count)).precedes(lower.span) else {
            throw SnapshotProblem(.keyOutsideBranch(index: entry.index), page: entry.page)
        }
    }

    private mutating func check(_ entry: LeafEntry, isBelow upper: [UInt8]?) throws(SnapshotProblem) {
        guard let upper else { return }
        let index = try window.load(entry.key.count, at: entry.key.offset)
        guard window.buffer.span.extracting(index..<(index + entry.key.count)).precedes(upper.span) else {
            throw SnapshotProblem(.keyOutsideBranch(index: entry.index), page: entry.page)
        }
    }
}
