/// A range of addresses with a common prefix, such as `10.244.0.0/16`: the first address has no host bits set.
package struct CIDR: Sendable, Hashable, CustomStringConvertible {
    package let first: IPAddress
    package let prefixLength: Int

    /// Why a text is no range of addresses.
    package enum Problem: Error, Hashable {
        /// There is no `/`, or more than one.
        case noPrefix
        case badAddress(String)
        /// Not a canonical whole number, or longer than the family's addresses.
        case badPrefix(String)
        /// The address is inside of the range rather than its first; the range that was probably meant.
        case hostBitsSet(network: CIDR)
    }

    /// Reads `address/length`; refuses host bits rather than dropping them, since one of both parts is then a mistake.
    package init(_ text: String) throws(Problem) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw .noPrefix }
        guard let address = IPAddress(String(parts[0])) else { throw .badAddress(String(parts[0])) }
        let digits = parts[1]
        guard !digits.isEmpty, digits.utf8.count <= 3, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            digits == "0" || !digits.hasPrefix("0"), let length = Int(digits), length <= address.family.width
        else { throw .badPrefix(String(digits)) }
        self.init(containing: address, prefixLength: length)
        guard first == address else { throw .hostBitsSet(network: self) }
    }

    /// The range of this prefix length that `address` is in; a length out of range is cut to the family's.
    package init(containing address: IPAddress, prefixLength: Int) {
        self.prefixLength = min(max(0, prefixLength), address.family.width)
        let mask = CIDR.hostMask(address.family, self.prefixLength)
        first = IPAddress(family: address.family, value: address.value & ~mask)
    }

    /// The last address of the range; in IPv4 the broadcast address.
    package var last: IPAddress {
        IPAddress(family: first.family, value: first.value | CIDR.hostMask(first.family, prefixLength))
    }

    package func contains(_ address: IPAddress) -> Bool {
        address.family == first.family && (first...last).contains(address)
    }

    /// Whether any address is in both ranges; IPv4 and IPv6 never overlap.
    package func overlaps(_ other: CIDR) -> Bool { contains(other.first) || other.contains(first) }

    package var description: String { "\(first)/\(prefixLength)" }

    private static func hostMask(_ family: IPAddress.Family, _ prefixLength: Int) -> UInt128 {
        let hostBits = family.width - prefixLength
        return hostBits == 128 ? UInt128.max : (1 << UInt128(hostBits)) - 1
    }
}
