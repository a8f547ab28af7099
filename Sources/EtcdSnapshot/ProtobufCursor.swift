/// Reads the fields of a protobuf message that lies in the snapshot, without copying it (protobuf.dev/programming-guides/encoding).
///
/// Whatever does not fit ends the message as malformed; a message has at most ``fieldLimit`` fields.
struct ProtobufCursor {
    /// A hostile message could have a billion empty fields; the messages read here have less than twenty kinds.
    static let fieldLimit = 4_096

    enum Field {
        case varint(number: UInt64, UInt64)
        case bytes(number: UInt64, FileRange)
        /// A field of fixed width, which nothing read here uses.
        case skipped
    }

    private var at: UInt64
    private let end: UInt64
    private var fields = 0
    /// Set when the message broke off or broke a rule; `next` then returns nil.
    private(set) var isMalformed = false

    init(_ message: FileRange) {
        at = message.offset
        end = message.end
    }

    /// The next field, or nil at the end of the message or where it is malformed.
    mutating func next(_ window: inout ByteWindow) throws(SnapshotProblem) -> Field? {
        guard at < end, !isMalformed else { return nil }
        fields += 1
        guard fields <= Self.fieldLimit, let tag = try varint(&window) else { return malformed() }
        switch tag & 7 {
        case 0:
            guard let value = try varint(&window) else { return malformed() }
            return .varint(number: tag >> 3, value)
        case 2:
            guard let length = try varint(&window), length <= end - at, let count = Int(exactly: length) else {
                return malformed()
            }
            let range = FileRange(offset: at, count: count)
            at += length
            return .bytes(number: tag >> 3, range)
        case 1, 5:
            let width: UInt64 = tag & 7 == 1 ? 8 : 4
            guard width <= end - at else { return malformed() }
            at += width
            return .skipped
        default:
            return malformed()
        }
    }

    private mutating func malformed() -> Field? {
        isMalformed = true
        return nil
    }

    private mutating func varint(_ window: inout ByteWindow) throws(SnapshotProblem) -> UInt64? {
        let available = Int(min(10, end - at))
        let index = try window.load(available, at: at)
        let bytes = window.buffer.span
        var value: UInt64 = 0
        for position in 0..<available {
            let byte = bytes[index + position]
            // The tenth byte has room for one bit.
            if position == 9, byte > 1 { return nil }
            value |= UInt64(byte & 0x7f) << UInt64(7 * position)
            if byte & 0x80 == 0 {
                at += UInt64(position + 1)
                return value
            }
        }
        return nil
    }
}
