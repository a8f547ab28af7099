/// An IPv4 or IPv6 address, compared and printed by value: `10.1.1.5`, `fd00::5`.
///
/// Only unambiguous texts are read: no leading zeros in IPv4 (inet_aton takes `010` as eight), no zone (`%eth0`) in IPv6.
/// Printing follows RFC 5952: lower case, the longest run of zero groups shortened.
package struct IPAddress: Sendable, Hashable, Comparable, CustomStringConvertible {
    package enum Family: Sendable, Hashable {
        case v4, v6

        /// Bits of an address: 32 or 128.
        package var width: Int { self == .v4 ? 32 : 128 }
    }

    package let family: Family
    /// The address as a number, in its low `family.width` bits.
    package let value: UInt128

    /// Keeps the low `family.width` bits of `value`.
    package init(family: Family, value: UInt128) {
        self.family = family
        self.value = family == .v4 ? value & 0xFFFF_FFFF : value
    }

    /// Returns nil when `text` is not exactly one address.
    package init?(_ text: String) {
        if text.utf8.contains(UInt8(ascii: ":")) {
            guard let value = sixteenBytes(text) else { return nil }
            self.init(family: .v6, value: value)
        } else {
            guard let value = fourBytes(text[...]) else { return nil }
            self.init(family: .v4, value: UInt128(value))
        }
    }

    package var description: String {
        switch family {
        case .v4: (0..<4).map { String((value >> UInt128(24 - 8 * $0)) & 0xFF) }.joined(separator: ".")
        case .v6: shortened((0..<8).map { UInt16(truncatingIfNeeded: value >> UInt128(112 - 16 * $0)) })
        }
    }

    /// IPv4 before IPv6, then by number.
    package static func < (left: IPAddress, right: IPAddress) -> Bool {
        left.family == right.family ? left.value < right.value : left.family == .v4
    }
}

/// Four decimal numbers without leading zeros, joined by dots.
private func fourBytes(_ text: Substring) -> UInt32? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var value: UInt32 = 0
    for part in parts {
        guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            part == "0" || !part.hasPrefix("0"), let byte = UInt8(part)
        else { return nil }
        value = value << 8 | UInt32(byte)
    }
    return value
}

/// RFC 4291 section 2.2: eight groups, one `::` for one or more zero groups, an IPv4 address for the last two.
private func sixteenBytes(_ text: String) -> UInt128? {
    guard let gap = gap(in: text) else {
        guard let all = groups(of: text[...], mayEndInIPv4: true), all.count == 8 else { return nil }
        return number(all)
    }
    let tailText = text[text.index(gap, offsetBy: 2)...]
    guard let head = groups(of: text[..<gap], mayEndInIPv4: false),
        let tail = groups(of: tailText, mayEndInIPv4: true), head.count + tail.count <= 7
    else { return nil }
    return number(head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail)
}

/// Where the first `::` is; a second one makes an empty group, which `groups` refuses.
private func gap(in text: String) -> String.Index? {
    zip(text.indices, text.indices.dropFirst()).first { text[$0] == ":" && text[$1] == ":" }?.0
}

private func groups(of text: Substring, mayEndInIPv4: Bool) -> [UInt16]? {
    guard !text.isEmpty else { return [] }
    let pieces = text.split(separator: ":", omittingEmptySubsequences: false)
    var read: [UInt16] = []
    for (index, piece) in pieces.enumerated() {
        if mayEndInIPv4, index == pieces.count - 1, piece.contains(".") {
            guard let four = fourBytes(piece) else { return nil }
            read += [UInt16(four >> 16), UInt16(four & 0xFFFF)]
        } else {
            guard (1...4).contains(piece.utf8.count), piece.utf8.allSatisfy(isHexadecimal),
                let group = UInt16(piece, radix: 16)
            else { return nil }
            read.append(group)
        }
    }
    return read
}

private func number(_ groups: [UInt16]) -> UInt128 { groups.reduce(0) { $0 << 16 | UInt128($1) } }

private func isHexadecimal(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte | 0x20)
}

/// RFC 5952 section 4: the first of the longest runs of at least two zero groups becomes `::`.
private func shortened(_ groups: [UInt16]) -> String {
    var best = 0..<0
    var start = 0
    for (index, group) in groups.enumerated() {
        if group != 0 {
            start = index + 1
        } else if index + 1 - start > best.count {
            best = start..<index + 1
        }
    }
    func text(_ slice: ArraySlice<UInt16>) -> String { slice.map { String($0, radix: 16) }.joined(separator: ":") }
    guard best.count > 1 else { return text(groups[...]) }
    return text(groups[..<best.lowerBound]) + "::" + text(groups[best.upperBound...])
}
