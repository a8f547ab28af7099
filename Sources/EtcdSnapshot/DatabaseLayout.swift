/// The frame of a bbolt database: its page size, its length in pages and where its tree begins.
struct DatabaseLayout {
    let meta: MetaPage
    /// Bytes that the pages take: page size times high water, checked to be there.
    let length: UInt64

    var pageSize: UInt64 { meta.pageSize }
    var highWater: UInt64 { meta.highWater }

    /// Reads both meta pages and takes the valid one of the later transaction, as bbolt does.
    ///
    /// With `exact` the pages have to fill the window's limit, as in a snapshot; a bare database may be longer.
    init(_ window: inout ByteWindow, exact: Bool) throws(SnapshotProblem) {
        let candidates = try Self.metaPages(&window)
        guard let meta = candidates.max(by: { $0.transaction < $1.transaction }) else {
            throw SnapshotProblem(.noValidMeta)
        }
        let (length, overflow) = meta.pageSize.multipliedReportingOverflow(by: meta.highWater)
        guard !overflow, length <= window.limit else {
            throw SnapshotProblem(.truncated(expected: overflow ? .max : length, actual: window.limit))
        }
        guard !exact || length == window.limit else {
            throw SnapshotProblem(.trailingBytes(expected: length, actual: window.limit))
        }
        self.meta = meta
        self.length = length
        try checkReference(meta.root)
        if let freelist = meta.freelist { try checkReference(freelist) }
    }

    /// Refuses a reference to a page that no tree can be on.
    func checkReference(_ page: UInt64) throws(SnapshotProblem) {
        guard page >= 2, page < highWater else {
            throw SnapshotProblem(.pageOutOfBounds(highWater: highWater.subtractingClamped(1)), page: page)
        }
    }

    /// Whether `head` or a later page begins as a bbolt database does, damaged or not.
    static func isDatabase(_ window: inout ByteWindow) throws(SnapshotProblem) -> Bool {
        for offset in [0] + MetaPage.pageSizes where window.limit >= offset + UInt64(MetaPage.length) {
            let index = try window.load(MetaPage.length, at: offset)
            if window.buffer.span.starts(with: MetaPage.magic, at: index + PageHeader.length) { return true }
        }
        return false
    }

    /// The valid meta pages: page 0, and page 1 at whatever page size it claims when page 0 is damaged.
    private static func metaPages(_ window: inout ByteWindow) throws(SnapshotProblem) -> [MetaPage] {
        var found: [MetaPage] = []
        for offset in [0] + MetaPage.pageSizes where window.limit >= offset + UInt64(MetaPage.length) {
            let index = try window.load(MetaPage.length, at: offset)
            guard let meta = MetaPage(window.buffer.span.extracting(index..<(index + MetaPage.length))) else {
                continue
            }
            let size = found.first?.pageSize ?? meta.pageSize
            if meta.pageSize == size, offset == 0 || offset == size { found.append(meta) }
        }
        return found
    }
}

extension UInt64 {
    /// The difference, or zero where it would be negative; for messages.
    func subtractingClamped(_ other: UInt64) -> UInt64 { self > other ? self - other : 0 }
}
