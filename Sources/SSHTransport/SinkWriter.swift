import NIOCore
import NIOPosix
import RemoteShell

/// Passes a stream on to a sink that may block, on another thread, in order and within bounds.
///
/// The loop never waits for a disk: it stops reading the channel while `hasRoom` is false, and the peer's window closes.
/// Confined to one event loop; only the sink is called elsewhere.
final class SinkWriter {
    /// Bytes that may wait for the sink; enough for it to be busy while the loop decrypts the next ones.
    private static let limit = 1024 * 1024

    private let sink: any ByteSink
    private let loop: any EventLoop
    /// Told after every write.
    private let progressed: () -> Void
    private var waiting: [[UInt8]] = []
    private var underWay = 0
    private var isWriting = false
    private var whenIdle: (() -> Void)?
    /// What the sink threw; it is not called again after that.
    private(set) var failure: (any Error)?

    init(to sink: any ByteSink, on loop: any EventLoop, progressed: @escaping () -> Void) {
        self.sink = sink
        self.loop = loop
        self.progressed = progressed
    }

    var hasRoom: Bool { underWay < Self.limit }

    func write(_ bytes: RawSpan) {
        guard failure == nil else { return }
        waiting.append(unsafe bytes.withUnsafeBytes { unsafe Array($0) })
        underWay += bytes.byteCount
        if !isWriting { writeNext() }
    }

    /// Runs `action` once no write is under way or waiting, which may be now.
    func afterLastWrite(_ action: @escaping () -> Void) {
        if isWriting { whenIdle = action } else { action() }
    }

    private func writeNext() {
        let (sink, parts) = (sink, waiting)
        waiting = []
        isWriting = true
        let bound = NIOLoopBound(self, eventLoop: loop)
        NIOThreadPool.singleton.runIfActive(eventLoop: loop) {
            for part in parts { try sink.write(unsafe part.span.bytes) }
        }
        .whenComplete { result in bound.value.wrote(parts, result) }
    }

    private func wrote(_ parts: [[UInt8]], _ result: Result<Void, any Error>) {
        isWriting = false
        underWay -= parts.reduce(0) { $0 + $1.count }
        if case .failure(let error) = result {
            failure = error
            waiting = []
            underWay = 0
        }
        if !waiting.isEmpty { writeNext() }
        progressed()
        guard !isWriting, let action = whenIdle else { return }
        whenIdle = nil
        action()
    }
}
