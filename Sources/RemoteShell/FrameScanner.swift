/// Tells a command's own output from the frame around it, byte stream in, byte stream out.
///
/// A pure value: it holds back only as many bytes as an end line can be long, whatever passes through.
package struct FrameScanner: Sendable {
    private enum State: Sendable { case awaitingBegin, inBody }

    private let beginLine: [UInt8]
    private let endPrefix: [UInt8]
    private var state = State.awaitingBegin
    /// Bytes that may still turn out to be part of the frame.
    private var held: [UInt8] = []

    /// The length of an end line with its newlines: the frame word, the nonce of 32 digits, a code of three digits.
    private static let longestEndLine = 5 + 32 + 12
    private static let noiseKept = 64 * 1024

    package init(nonce: String) {
        beginLine = Array("\nRB1 \(nonce) BEGIN\n".utf8)
        endPrefix = Array("\nRB1 \(nonce) rc=".utf8)
    }

    /// How a finished stream is to be read.
    package enum Ending: Sendable, Hashable {
        /// The command ended with this code; the last bytes of output come along.
        case ended(exitCode: Int, rest: [UInt8])
        /// The outer shell ended without the command having begun: `sudo` refused.
        case neverBegan(exitCode: Int)
        /// No end line: nothing is known.
        case unfinished(rest: [UInt8])
    }

    /// Takes bytes and gives those that are certainly the command's output to `emit`, in order, most of them uncopied.
    package mutating func scan(_ bytes: RawSpan, _ emit: (RawSpan) throws -> Void) rethrows {
        guard state == .awaitingBegin else { return try pass(bytes, emit) }
        unsafe bytes.withUnsafeBytes { unsafe held.append(contentsOf: $0) }
        guard let start = Self.position(of: beginLine, in: held) else {
            held.removeFirst(max(0, held.count - Self.noiseKept))
            return
        }
        state = .inBody
        let body = Array(held[(start + beginLine.count)...])
        held = []
        try pass(unsafe body.span.bytes, emit)
    }

    private mutating func pass(_ bytes: RawSpan, _ emit: (RawSpan) throws -> Void) rethrows {
        let certain = max(0, held.count + bytes.byteCount - Self.longestEndLine)
        let ofHeld = min(certain, held.count)
        if ofHeld > 0 {
            try emit(unsafe held.span.bytes.extracting(first: ofHeld))
            held.removeFirst(ofHeld)
        }
        if certain > ofHeld { try emit(bytes.extracting(first: certain - ofHeld)) }
        unsafe bytes.extracting(droppingFirst: certain - ofHeld).withUnsafeBytes {
            unsafe held.append(contentsOf: $0)
        }
    }

    /// What the bytes so far amount to if no more come.
    package var ending: Ending {
        guard let (start, code) = endLine else { return .unfinished(rest: state == .inBody ? held : []) }
        guard state == .inBody else { return .neverBegan(exitCode: code) }
        return .ended(exitCode: code, rest: Array(held[..<start]))
    }

    private var endLine: (start: Int, exitCode: Int)? {
        let window = max(0, held.count - Self.longestEndLine)
        guard let start = Self.position(of: endPrefix, in: Array(held[window...])).map({ $0 + window }) else {
            return nil
        }
        let rest = held[(start + endPrefix.count)...]
        let digits = rest.prefix { (0x30...0x39).contains($0) }
        guard (1...3).contains(digits.count), rest.dropFirst(digits.count).elementsEqual(" END\n".utf8) else {
            return nil
        }
        let code = digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
        return code <= 255 ? (start, code) : nil
    }

    private static func position(of needle: [UInt8], in hay: [UInt8]) -> Int? {
        guard hay.count >= needle.count else { return nil }
        return (0...(hay.count - needle.count)).first {
            hay[$0] == needle[0] && hay[$0..<($0 + needle.count)].elementsEqual(needle)
        }
    }
}
