import Crypto

/// `bcrypt_pbkdf`, by which OpenSSH makes a key from a passphrase (OpenBSD's bcrypt_pbkdf(3)).
///
/// libssh2 has it too, but does it anew for every login, in the middle of the event loop: 165 ms for each host.
enum BcryptKeyDerivation {
    private static let blockLength = 32

    /// Returns `length` bytes.
    ///
    /// - Precondition: `rounds` is positive.
    static func derive(_ passphrase: [UInt8], salt: [UInt8], rounds: Int, length: Int) -> [UInt8] {
        let key = words(Array(SHA512.hash(data: passphrase)))
        let blocks = (length + blockLength - 1) / blockLength
        var result = Array(repeating: UInt8(0), count: length)
        for block in 0..<blocks {
            var writer = WireWriter()
            writer.uint32(block + 1)
            var last = hash(key, salt: words(Array(SHA512.hash(data: salt + writer.bytes))))
            var sum = last
            for _ in 1..<max(1, rounds) {
                last = hash(key, salt: words(Array(SHA512.hash(data: last))))
                for index in sum.indices { sum[index] ^= last[index] }
            }
            // The bytes of the blocks are interleaved, so that no part of the result comes cheaper than the whole.
            for (index, byte) in sum.enumerated() where index * blocks + block < length {
                result[index * blocks + block] = byte
            }
        }
        return result
    }

    private static func hash(_ key: [UInt32], salt: [UInt32]) -> [UInt8] {
        var state = Blowfish()
        state.expand(key: key, salt: salt)
        for _ in 0..<64 {
            state.expand(key: salt, salt: [])
            state.expand(key: key, salt: [])
        }
        var text = words(Array("OxychromaticBlowfishSwatDynamite".utf8))
        for _ in 0..<64 {
            for index in stride(from: 0, to: text.count, by: 2) {
                (text[index], text[index + 1]) = state.encipher(text[index], text[index + 1])
            }
        }
        return text.flatMap { word in [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: word >> $0) } }
    }

    private static func words(_ bytes: [UInt8]) -> [UInt32] {
        stride(from: 0, to: bytes.count, by: 4).map { start in
            bytes[start..<start + 4].reduce(0) { $0 << 8 | UInt32($1) }
        }
    }
}
