import Crypto
import RemoteShell
import Synchronization

/// Gives the bytes it was made with.
final class Bytes: ByteSource {
    private let rest: Mutex<ArraySlice<UInt8>>

    init(_ bytes: [UInt8]) { rest = Mutex(bytes[...]) }

    func read(upTo limit: Int) throws -> [UInt8] {
        rest.withLock { rest in
            defer { rest = rest.dropFirst(limit) }
            return Array(rest.prefix(limit))
        }
    }
}

/// Gives many bytes that repeat after a prime number of them, and knows their hash.
final class Pattern: ByteSource {
    private static let block = (0..<65_521).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    private let size: Int
    private let left: Mutex<Int>
    private let hash = Mutex(SHA256())

    init(size: Int) {
        self.size = size
        left = Mutex(size)
    }

    /// How much was asked for so far.
    var taken: Int { left.withLock { size - $0 } }

    func read(upTo limit: Int) throws -> [UInt8] {
        let bytes = left.withLock { left in
            let count = min(left, limit, Self.block.count)
            left -= count
            return Array(Self.block.prefix(count))
        }
        hash.withLock { $0.update(data: bytes) }
        return bytes
    }

    var digest: String { hash.withLock { hexadecimal($0.finalize()) } }
}

/// Remembers how much of an input was taken when the first output came.
final class Sampling: ByteSink {
    private let source: Pattern
    private let sample = Mutex<Int?>(nil)

    init(_ source: Pattern) { self.source = source }

    var taken: Int? { sample.withLock { $0 } }

    func write(_ bytes: RawSpan) throws {
        sample.withLock { if $0 == nil { $0 = source.taken } }
    }
}

/// Fails like a full disk, as a sink and as a source.
struct FullDisk: ByteSink, ByteSource {
    struct NoSpace: Error {}

    func write(_ bytes: RawSpan) throws { throw NoSpace() }

    func read(upTo limit: Int) throws -> [UInt8] { throw NoSpace() }
}

/// Tells that something came, and keeps it.
final class Notifier: ByteSink {
    private let signal: AsyncStream<Void>.Continuation
    private let collector = Collector()

    init(_ signal: AsyncStream<Void>.Continuation) { self.signal = signal }

    var text: String { collector.text }

    func write(_ bytes: RawSpan) throws {
        try collector.write(bytes)
        signal.yield()
    }
}

func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
}
