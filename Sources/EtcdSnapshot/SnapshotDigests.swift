import Crypto
import FoundationEssentials

/// The SHA-256 sums of a snapshot, computed in one sequential pass.
struct SnapshotDigests {
    private static let pieceLength = 256 << 10

    /// Of the database without the trailer.
    let body: String
    /// Of the whole file.
    let file: String
    /// What the last 32 bytes say in hexadecimal; nil where the file has no trailer.
    let trailer: String?

    init(_ source: any SnapshotBytes, bodySize: UInt64) throws(SnapshotProblem) {
        var hasher = SHA256()
        var buffer = [UInt8](repeating: 0, count: Self.pieceLength)
        var at: UInt64 = 0
        while at < bodySize {
            if Task.isCancelled { throw SnapshotProblem(.cancelled) }
            let count = Int(min(UInt64(buffer.count), bodySize - at))
            try Self.read(source, count, at, &buffer)
            hasher.update(data: buffer[..<count])
            at += UInt64(count)
        }
        body = hasher.finalize().hexadecimal
        guard source.size > bodySize else {
            trailer = nil
            file = body
            return
        }
        let count = Int(min(source.size - bodySize, UInt64(buffer.count)))
        try Self.read(source, count, bodySize, &buffer)
        // The state after the body goes on with the trailer: the whole file is not read again.
        hasher.update(data: buffer[..<count])
        file = hasher.finalize().hexadecimal
        trailer = buffer[..<count].hexadecimal
    }

    private static func read(
        _ source: any SnapshotBytes,
        _ count: Int,
        _ at: UInt64,
        _ buffer: inout [UInt8]
    ) throws(SnapshotProblem) {
        do throws(SnapshotReadFailure) {
            try source.read(count, at: at, into: &buffer)
        } catch {
            throw SnapshotProblem(.unreadable(error))
        }
    }
}

extension Sequence<UInt8> {
    /// Two lower-case digits for each byte.
    fileprivate var hexadecimal: String {
        var text = ""
        for byte in self {
            text += byte < 16 ? "0\(String(byte, radix: 16))" : String(byte, radix: 16)
        }
        return text
    }
}
