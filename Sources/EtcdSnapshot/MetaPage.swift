/// A bbolt meta page: where the tree begins and how long the database is (bbolt internal/common/meta.go).
///
/// After the page header: magic u32, version u32, page size u32, flags u32, root bucket (page u64, sequence u64),
/// freelist u64, high water u64, transaction u64, FNV-1a of the 56 bytes before u64.
struct MetaPage {
    static let magic: [UInt8] = [0xed, 0xda, 0x0c, 0xed]
    private static let version: UInt32 = 2
    private static let bodyLength = 64
    /// bbolt's mark for "the freelist is not stored", which is how etcd runs it.
    private static let noFreelist = UInt64.max
    static let length = PageHeader.length + bodyLength

    let pageSize: UInt64
    let root: UInt64
    let freelist: UInt64?
    /// One more than the highest page number.
    let highWater: UInt64
    let transaction: UInt64

    /// The meta page in `bytes`, or nil where that is damaged or is none.
    init?(_ bytes: Span<UInt8>) {
        guard bytes.count >= Self.length else { return nil }
        let header = PageHeader(bytes, at: 0)
        let body = bytes.extracting(PageHeader.length..<Self.length)
        guard header.flags == PageHeader.meta, header.id <= 1, body.starts(with: Self.magic, at: 0),
            body.littleEndianUInt32(at: 4) == Self.version,
            body.littleEndianUInt64(at: 56) == fnv1a64(body.extracting(0..<56))
        else { return nil }
        pageSize = UInt64(body.littleEndianUInt32(at: 8))
        root = body.littleEndianUInt64(at: 16)
        let list = body.littleEndianUInt64(at: 32)
        freelist = list == Self.noFreelist ? nil : list
        highWater = body.littleEndianUInt64(at: 40)
        transaction = body.littleEndianUInt64(at: 48)
        guard Self.pageSizes.contains(pageSize) else { return nil }
    }

    /// The page sizes of the systems etcd runs on; a server writes pages of its own system's size.
    static let pageSizes: [UInt64] = (10...16).map { 1 << $0 }
}
