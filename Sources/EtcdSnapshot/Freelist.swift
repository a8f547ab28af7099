/// The stored list of free pages: after the page header the page numbers, or their count first when it exceeds 65,534.
///
/// etcd runs bbolt with `NoFreelistSync`, so most snapshots have none; those of other writers may.
struct Freelist {
    /// The pages the list itself takes.
    let pages: ClosedRange<UInt64>
    let free: PageBitmap

    init(at page: UInt64, in layout: DatabaseLayout, _ window: inout ByteWindow) throws(SnapshotProblem) {
        let start = page * layout.pageSize
        let index = try window.load(PageHeader.length, at: start)
        let header = PageHeader(window.buffer.span, at: index)
        guard header.id == page else { throw SnapshotProblem(.pageIDMismatch(found: header.id), page: page) }
        guard header.flags == PageHeader.freelist else {
            throw SnapshotProblem(.pageFlags(found: header.flags), page: page)
        }
        let last = page + UInt64(header.overflow)
        try layout.checkReference(last)
        pages = page...last

        let end = (last + 1) * layout.pageSize
        window.expect(through: end)
        var cursor = start + UInt64(PageHeader.length)
        var count = UInt64(header.count)
        if header.count == .max {
            let index = try window.load(8, at: cursor)
            count = window.buffer.span.littleEndianUInt64(at: index)
            cursor += 8
        }
        guard count <= (end - cursor) / 8 else {
            throw SnapshotProblem(.freelistInvalid(.count(count)), page: page)
        }
        var free = PageBitmap(pages: layout.highWater)
        for _ in 0..<count {
            let index = try window.load(8, at: cursor)
            let id = window.buffer.span.littleEndianUInt64(at: index)
            guard id >= 2, id < layout.highWater, !pages.contains(id) else {
                throw SnapshotProblem(.freelistInvalid(.entryOutOfBounds(id)), page: page)
            }
            guard free.insert(id) else { throw SnapshotProblem(.freelistInvalid(.listedTwice(id)), page: page) }
            cursor += 8
        }
        self.free = free
    }
}
