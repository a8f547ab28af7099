/// The first 16 bytes of every bbolt page: id u64, flags u16, element count u16, overflow u32 (bbolt internal/common/page.go).
struct PageHeader {
    static let length = 16

    let id: UInt64
    let flags: UInt16
    let count: UInt16
    /// How many further pages belong to this one.
    let overflow: UInt32

    static let branch: UInt16 = 0x01
    static let leaf: UInt16 = 0x02
    static let meta: UInt16 = 0x04
    static let freelist: UInt16 = 0x10

    /// Reads the header at `index`; sixteen bytes have to be there.
    init(_ bytes: Span<UInt8>, at index: Int) {
        id = bytes.littleEndianUInt64(at: index)
        flags = bytes.littleEndianUInt16(at: index + 8)
        count = bytes.littleEndianUInt16(at: index + 10)
        overflow = bytes.littleEndianUInt32(at: index + 12)
    }
}
