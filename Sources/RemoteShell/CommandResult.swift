/// What a command did, proven by its own trailer: without one there is no result but an error.
package struct CommandResult: Sendable, Hashable {
    /// The command's own exit code (128 + n when a signal ended it).
    package let exitCode: Int
    package let output: CapturedBytes
    package let errorOutput: CapturedBytes

    package init(exitCode: Int, output: CapturedBytes, errorOutput: CapturedBytes = CapturedBytes([])) {
        self.exitCode = exitCode
        self.output = output
        self.errorOutput = errorOutput
    }

    package var succeeded: Bool { exitCode == 0 }
}

/// Captured bytes with a bound: the first and the last part of what came, and how much there was in all.
package struct CapturedBytes: Sendable, Hashable {
    /// Bytes kept from each end.
    package static let keptEachEnd = 256 * 1024

    package private(set) var head: [UInt8] = []
    package private(set) var tail: [UInt8] = []
    package private(set) var total = 0

    package init(_ bytes: [UInt8] = []) {
        head = Array(bytes.prefix(Self.keptEachEnd))
        tail = Array(bytes.dropFirst(Self.keptEachEnd).suffix(Self.keptEachEnd))
        total = bytes.count
    }

    package var isTruncated: Bool { total > head.count + tail.count }

    /// All bytes when nothing was cut; else the two ends with a line between them that says how much is missing.
    package var bytes: [UInt8] {
        guard isTruncated else { return head + tail }
        let missing = total - head.count - tail.count
        return head + Array("\n[… \(missing) bytes not kept …]\n".utf8) + tail
    }

    /// The bytes as text, invalid UTF-8 replaced; for people and for parsers of ASCII formats.
    package var text: String { String(decoding: bytes, as: UTF8.self) }

    package mutating func append(_ chunk: RawSpan) {
        total += chunk.byteCount
        let room = Self.keptEachEnd - head.count
        unsafe chunk.withUnsafeBytes { unsafe head.append(contentsOf: $0.prefix(room)) }
        guard chunk.byteCount > room else { return }
        let rest = chunk.extracting(droppingFirst: room).extracting(last: Self.keptEachEnd)
        unsafe rest.withUnsafeBytes { unsafe tail.append(contentsOf: $0) }
        if tail.count > 2 * Self.keptEachEnd { tail.removeFirst(tail.count - Self.keptEachEnd) }
    }

    /// Drops what the bound allows to be dropped; call once after the last `append`.
    package mutating func finish() {
        if tail.count > Self.keptEachEnd { tail.removeFirst(tail.count - Self.keptEachEnd) }
    }
}
