/// Base64 exactly as OpenSSH reads it (`b64_pton` of the C library), so that the same lines count as valid.
enum KnownHostsBase64 {
    /// The bytes that `text` stands for, or nil when it is not base64.
    ///
    /// White space between characters is skipped (a carriage return at the end of a line, say); padding is required
    /// and unused bits must be zero.
    static func decode(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3)
        var bits: UInt32 = 0
        var count = 0
        var padding = 0
        for character in text {
            let value = values[Int(character)]
            if value < 64, padding == 0 {
                bits = bits << 6 | UInt32(value)
                count += 1
                if count == 4 {
                    bytes.append(UInt8(truncatingIfNeeded: bits >> 16))
                    bytes.append(UInt8(truncatingIfNeeded: bits >> 8))
                    bytes.append(UInt8(truncatingIfNeeded: bits))
                    (bits, count) = (0, 0)
                }
            } else if value == pad {
                padding += 1
            } else if value != blank {
                return nil
            }
        }
        switch (count, padding) {
        case (0, 0):
            return bytes
        case (2, 2) where bits & 0x0F == 0:
            bytes.append(UInt8(truncatingIfNeeded: bits >> 4))
        case (3, 1) where bits & 0x03 == 0:
            bytes.append(UInt8(truncatingIfNeeded: bits >> 10))
            bytes.append(UInt8(truncatingIfNeeded: bits >> 2))
        default:
            return nil
        }
        return bytes
    }

    /// The base64 text of `bytes`, padded unless told otherwise.
    static func encode(_ bytes: some Sequence<UInt8>, padded: Bool = true) -> String {
        var text: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            count += 1
            if count == 3 {
                for shift in [18, 12, 6, 0] as [UInt32] { text.append(alphabet[Int(bits >> shift & 63)]) }
                (bits, count) = (0, 0)
            }
        }
        if count > 0 {
            bits <<= UInt32(8 * (3 - count))
            for shift in [18, 12, 6, 0].prefix(count + 1) as ArraySlice<UInt32> {
                text.append(alphabet[Int(bits >> shift & 63)])
            }
            if padded { text.append(contentsOf: repeatElement(UInt8(ascii: "="), count: 3 - count)) }
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let pad: UInt8 = 64
    private static let blank: UInt8 = 65
    private static let foreign: UInt8 = 66

    /// Of each byte: its value below 64, or what else it is.
    private static let values: [UInt8] = {
        var table = [UInt8](repeating: foreign, count: 256)
        for (value, character) in alphabet.enumerated() { table[Int(character)] = UInt8(value) }
        table[Int(UInt8(ascii: "="))] = pad
        for space in [0x20, 0x09, 0x0A, 0x0B, 0x0C, 0x0D] { table[space] = blank }
        return table
    }()
}
