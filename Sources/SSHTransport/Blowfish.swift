/// The Blowfish state that bcrypt's key derivation turns over and over (Schneier 1993), big-endian words throughout.
struct Blowfish: Sendable {
    private var subkeys: [UInt32]
    private var boxes: [UInt32]

    /// Starts from the digits of pi, as the cipher defines it.
    init() {
        subkeys = Array(Self.digits[..<18])
        boxes = Array(Self.digits[18...])
    }

    /// Mixes `key` into the subkeys, then replaces the whole state by the encryption of a stream, salted by `salt`.
    mutating func expand(key: [UInt32], salt: [UInt32]) {
        for index in 0..<18 { subkeys[index] ^= key[index % key.count] }
        var (left, right): (UInt32, UInt32) = (0, 0)
        var position = 0
        func next() -> UInt32 {
            defer { position += 1 }
            return salt.isEmpty ? 0 : salt[position % salt.count]
        }
        for index in stride(from: 0, to: 18, by: 2) {
            (left, right) = encipher(left ^ next(), right ^ next())
            (subkeys[index], subkeys[index + 1]) = (left, right)
        }
        for index in stride(from: 0, to: 1024, by: 2) {
            (left, right) = encipher(left ^ next(), right ^ next())
            (boxes[index], boxes[index + 1]) = (left, right)
        }
    }

    func encipher(_ first: UInt32, _ second: UInt32) -> (UInt32, UInt32) {
        var (left, right) = (first ^ subkeys[0], second)
        for round in stride(from: 1, to: 17, by: 2) {
            right ^= mix(left) ^ subkeys[round]
            left ^= mix(right) ^ subkeys[round + 1]
        }
        return (right ^ subkeys[17], left)
    }

    private func mix(_ word: UInt32) -> UInt32 {
        let high = boxes[Int(word >> 24)] &+ boxes[256 + Int(word >> 16 & 0xFF)]
        return (high ^ boxes[512 + Int(word >> 8 & 0xFF)]) &+ boxes[768 + Int(word & 0xFF)]
    }

    /// The first 1042 words of the fraction of pi, computed rather than copied: pi = 16 atan(1/5) - 4 atan(1/239).
    private static let digits: [UInt32] = {
        let guardWords = 2
        var pi = Fraction(words: 1042 + guardWords)
        pi.addArcTangent(ofOneOver: 5, times: 16, negative: false)
        pi.addArcTangent(ofOneOver: 239, times: 4, negative: true)
        return Array(pi.fraction.prefix(1042))
    }()
}

/// A fixed-point number: one whole word and a fraction of many, most significant first; arithmetic wraps.
private struct Fraction {
    private var words: [UInt32]

    init(words count: Int) { words = Array(repeating: 0, count: count + 1) }

    var fraction: ArraySlice<UInt32> { words.dropFirst() }

    /// Adds `factor * atan(1/x)` by its series, each term the last one divided by x² and by the odd numbers.
    mutating func addArcTangent(ofOneOver x: UInt32, times factor: UInt32, negative: Bool) {
        var power = Fraction(words: words.count - 1)
        power.words[0] = factor
        power.divide(by: x)
        var (odd, subtracts): (UInt32, Bool) = (1, negative)
        while power.words.contains(where: { $0 != 0 }) {
            var term = power
            term.divide(by: odd)
            if subtracts { subtract(term) } else { add(term) }
            power.divide(by: x * x)
            odd += 2
            subtracts.toggle()
        }
    }

    private mutating func divide(by divisor: UInt32) {
        var rest: UInt64 = 0
        for index in words.indices {
            let value = rest << 32 | UInt64(words[index])
            words[index] = UInt32(value / UInt64(divisor))
            rest = value % UInt64(divisor)
        }
    }

    private mutating func add(_ other: Fraction) {
        var carry: UInt64 = 0
        for index in words.indices.reversed() {
            let sum = UInt64(words[index]) + UInt64(other.words[index]) + carry
            words[index] = UInt32(truncatingIfNeeded: sum)
            carry = sum >> 32
        }
    }

    private mutating func subtract(_ other: Fraction) {
        var borrow: Int64 = 0
        for index in words.indices.reversed() {
            let difference = Int64(words[index]) - Int64(other.words[index]) - borrow
            words[index] = UInt32(truncatingIfNeeded: difference)
            borrow = difference < 0 ? 1 : 0
        }
    }
}
