/// Fixed-width integers out of bytes; bbolt stores little-endian, etcd's revisions and indexes are big-endian.
///
/// Callers check bounds first and turn a violation into an error; a mistake there traps and never reads outside.
extension Span where Element == UInt8 {
    func littleEndianUInt16(at index: Int) -> UInt16 {
        UInt16(self[index]) | UInt16(self[index + 1]) << 8
    }

    func littleEndianUInt32(at index: Int) -> UInt32 {
        // Bounds are checked by the call; it is marked unsafe only because other types have invalid bit patterns.
        UInt32(littleEndian: unsafe bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt32.self))
    }

    @inline(__always)
    func littleEndianUInt64(at index: Int) -> UInt64 {
        // As above: bounds are checked, and every bit pattern is an integer.
        UInt64(littleEndian: unsafe bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self))
    }

    func bigEndianUInt64(at index: Int) -> UInt64 {
        littleEndianUInt64(at: index).byteSwapped
    }

    /// Whether the bytes from `index` on begin with `prefix`.
    func starts(with prefix: [UInt8], at index: Int) -> Bool {
        guard index >= 0, index <= count, count - index >= prefix.count else { return false }
        for position in prefix.indices where self[index + position] != prefix[position] { return false }
        return true
    }
}

/// FNV-1a, 64 bit (draft-eastlake-fnv): the checksum of a bbolt meta page.
func fnv1a64(_ bytes: Span<UInt8>) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for index in bytes.indices { hash = (hash ^ UInt64(bytes[index])) &* 0x0000_0100_0000_01b3 }
    return hash
}
