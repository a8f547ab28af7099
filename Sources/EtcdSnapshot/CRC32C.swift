/// Running CRC-32C (Castagnoli, reflected polynomial 0x82F63B78): the hash that `snapshot status` prints.
///
/// Eight bytes at a time with eight tables ("slicing by 8", Kounavis and Berry 2005). Lookups need no bounds checks
/// because a table's length is part of its type and its index is one byte.
struct CRC32C {
    private typealias Table = InlineArray<256, UInt32>
    private static let tables = makeTables()
    private var state: UInt32 = .max

    /// The checksum of everything so far.
    var value: UInt32 { ~state }

    mutating func update(_ bytes: Span<UInt8>) {
        var crc = state
        var index = 0
        let wordsEnd = bytes.count & ~7
        while index < wordsEnd {
            let word = bytes.littleEndianUInt64(at: index) ^ UInt64(crc)
            let low =
                Self.tables[7][Int(UInt8(truncatingIfNeeded: word))]
                ^ Self.tables[6][Int(UInt8(truncatingIfNeeded: word >> 8))]
                ^ Self.tables[5][Int(UInt8(truncatingIfNeeded: word >> 16))]
                ^ Self.tables[4][Int(UInt8(truncatingIfNeeded: word >> 24))]
            let high =
                Self.tables[3][Int(UInt8(truncatingIfNeeded: word >> 32))]
                ^ Self.tables[2][Int(UInt8(truncatingIfNeeded: word >> 40))]
                ^ Self.tables[1][Int(UInt8(truncatingIfNeeded: word >> 48))]
                ^ Self.tables[0][Int(UInt8(truncatingIfNeeded: word >> 56))]
            crc = low ^ high
            index += 8
        }
        while index < bytes.count {
            crc = Self.tables[0][Int(UInt8(truncatingIfNeeded: crc) ^ bytes[index])] ^ (crc >> 8)
            index += 1
        }
        state = crc
    }

    private static func makeTables() -> InlineArray<8, InlineArray<256, UInt32>> {
        var tables = InlineArray<8, Table>(repeating: Table(repeating: 0))
        for byte in 0..<256 {
            var crc = UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ 0x82F6_3B78 : crc >> 1 }
            tables[0][byte] = crc
        }
        for slice in 1..<8 {
            for byte in 0..<256 {
                let previous = tables[slice - 1][byte]
                tables[slice][byte] = tables[0][Int(UInt8(truncatingIfNeeded: previous))] ^ (previous >> 8)
            }
        }
        return tables
    }
}
