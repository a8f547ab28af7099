import NIOCore
import NIOPosix
import RemoteShell

/// Passes a stream on to a sink that may block, on another thread, in order and within bounds.
///
/// The loop never waits for a disk: it stops reading the channel while `hasRoom` is false, and the peer's window closes.
/// Confined to one event loop; only the sink is called elsewhere.
final class SinkWriter {
    /// Bytes that may wait for the sink; enough for it to be busy while the loop decrypts the next ones.
    private static let limit = 512 * 1024

    private let sink: any ByteSink
    private let loop: any EventLoop
    /// Told after every write.
    private let progressed: () -> Void
    /// What came since the write under way began; this and the bytes being written take turns in two buffers.
    private var waiting: [UInt8] = []
    private var spare: [UInt8] = []
    private var isWriting = false
    private var whenIdle: (() -> Void)?
    /// What the sink threw; it is not called again after that.
    private(set) var failure: (any Error)?

    init(to sink: any ByteSink, on loop: any EventLoop, progressed: @escaping () -> Void) {
        self.sink = sink
        self.loop = loop
        self.progressed = progressed
    }

    var hasRoom: Bool { waiting.count < Self.limit }

    func write(_ bytes: RawSpan) {
        guard failure == nil else { return }
        unsafe bytes.withUnsafeBytes { unsafe waiting.append(contentsOf: $0) }
        if !isWriting { writeNext() }
    }

    /// Runs `action` once no write is under way or waiting, which may be now.
    func afterLastWrite(_ action: @escaping () -> Void) {
        if isWriting { whenIdle = action } else { action() }
    }

    private func writeNext() {
        let part = waiting
        waiting = spare
        spare = []
        isWriting = true
        let sink = sink
        let bound = NIOLoopBound(self, eventLoop: loop)
        NIOThreadPool.singleton.runIfActive(eventLoop: loop) {
            try sink.write(unsafe part.span.bytes)
            return part
        }
        .whenComplete { result in bound.value.wrote(result) }
    }

    private func wrote(_ result: Result<[UInt8], any Error>) {
        isWriting = false
        switch result {
        case .success(let written):
            spare = written
            spare.removeAll(keepingCapacity: true)
        case .failure(let error):
            failure = error
            waiting = []
        }
        if !waiting.isEmpty { writeNext() }
        progressed()
        guard !isWriting, let action = whenIdle else { return }
        whenIdle = nil
        action()
    }
}
