import NIOCore
import RemoteShell

/// One command on one channel: sends its input, hands out its two streams, and knows how it ended.
///
/// Confined to the session's loop. `finish` is called exactly once.
final class ExecChannel: SessionChannel {
    private enum State {
        case waiting
        case requesting(ChannelHandle)
        case running(ChannelHandle)
        /// Answered already; the channel is being closed and what still comes is dropped.
        case closing(ChannelHandle)
        case over
    }

    /// Bytes asked of the source at a time.
    private static let chunkSize = 256 * 1024

    private let request: ExecRequest
    private unowned var session: SSHSession
    private let finish: (Result<ChannelEnd, ExecFault>) -> Void
    private var state = State.waiting
    private var isAnswered = false
    private var chunk: [UInt8] = []
    private var sent = 0
    private var inputIsOver = false
    private var deadline: Scheduled<Void>?
    private var idleTimer: Scheduled<Void>?
    private var lastActivity: NIODeadline
    /// The way to an output that may block.
    private var writer: SinkWriter?

    init(_ request: ExecRequest, on session: SSHSession, finish: @escaping (Result<ChannelEnd, ExecFault>) -> Void) {
        self.request = request
        self.session = session
        self.finish = finish
        lastActivity = session.loop.now
        guard request.output.mayBlock else { return }
        writer = SinkWriter(to: request.output, on: session.loop) { [weak self] in self?.outputWasWritten() }
    }

    /// Starts the clock of the command; the wait for a channel counts.
    func startTimers() {
        let bound = NIOLoopBound(self, eventLoop: session.loop)
        let limit = request.deadline
        deadline = session.loop.scheduleTask(in: TimeAmount(limit)) {
            bound.value.abandon(.deadline, "the command did not end within \(limit.text)")
        }
        if let idle = request.idleLimit { watchIdle(idle, in: TimeAmount(idle)) }
    }

    private func watchIdle(_ limit: Duration, in delay: TimeAmount) {
        let bound = NIOLoopBound(self, eventLoop: session.loop)
        idleTimer = session.loop.scheduleTask(in: delay) { bound.value.checkIdle(limit) }
    }

    private func checkIdle(_ limit: Duration) {
        let rest = TimeAmount(limit) - (session.loop.now - lastActivity)
        if rest > .nanoseconds(0) { return watchIdle(limit, in: rest) }
        abandon(.idle, "nothing came or went for \(limit.text)")
    }

    /// Gives the command up: answers at once, and closes the channel behind the caller's back.
    func abandon(_ kind: TransportError.Kind, _ event: String) {
        guard !isAnswered else { return }
        answer(.failure(ExecFault(kind, event, mayHaveStarted: mayHaveStarted)))
        switch state {
        case .requesting(let handle), .running(let handle): state = .closing(handle)
        case .waiting: state = .over
        case .closing, .over: break
        }
        session.pump()
    }

    private var mayHaveStarted: Bool {
        if case .waiting = state { false } else { true }
    }

    private func answer(_ result: Result<ChannelEnd, ExecFault>) {
        guard !isAnswered else { return }
        isAnswered = true
        deadline?.cancel()
        idleTimer?.cancel()
        guard let writer else { return finish(result) }
        writer.afterLastWrite { [finish] in
            guard case .success = result, let failure = writer.failure else { return finish(result) }
            finish(.failure(ExecFault(.localStream, Self.text(of: failure), mayHaveStarted: true)))
        }
    }

    // MARK: SessionChannel

    var tunnelTarget: [UInt8]? { nil }

    func move(to session: SSHSession) { self.session = session }

    var isWanted: Bool { !isAnswered }

    func opened(_ handle: ChannelHandle) {
        state = isAnswered ? .closing(handle) : .requesting(handle)
    }

    func refused(_ failure: LibraryFailure) {
        state = .over
        answer(
            .failure(
                ExecFault(.lost, "the server opened no channel: \(failure.message)", mayHaveStarted: false)
            )
        )
    }

    func sessionEnded(_ fault: LinkFault) {
        let started = mayHaveStarted
        state = .over
        answer(.failure(ExecFault(fault.kind, fault.event, mayHaveStarted: started)))
    }

    func advance() throws(LibraryFailure) -> Bool {
        do throws(LibraryFailure) {
            switch state {
            case .requesting(let handle):
                guard try handle.exec(Array(request.commandLine.utf8)) else { return false }
                state = .running(handle)
                return try run(handle)
            case .running(let handle): return try run(handle)
            case .closing(let handle): return try close(handle)
            case .waiting: return false
            case .over: return true
            }
        } catch  where !error.endsSession {
            abandon(.lost, "the server refused the command: \(error.message)")
            return false
        }
    }

    private func run(_ handle: ChannelHandle) throws(LibraryFailure) -> Bool {
        try feed(handle)
        if let writer {
            try drainOutput(of: handle, through: writer)
            // Standard error shares the window: reading it would open the window again for both.
            guard mayTake(writer) else { return false }
        } else {
            try drain(.output, of: handle, into: request.output)
        }
        try drain(.errorOutput, of: handle, into: request.errorOutput)
        if case .closing = state { return try close(handle) }
        guard handle.isAtEOF, try handle.isClosedByPeer() else { return false }
        let end = ChannelEnd(exitStatus: handle.exitStatus, signal: handle.exitSignal)
        state = .closing(handle)
        let isOver = try close(handle)
        answer(.success(end))
        return isOver
    }

    private func drain(
        _ stream: ChannelHandle.Stream,
        of handle: ChannelHandle,
        into sink: any ByteSink
    )
        throws(LibraryFailure)
    {
        var failure: (any Error)?
        while failure == nil {
            let more = try handle.read(stream, through: session.settings.room) { bytes in
                do { try sink.write(bytes) } catch { failure = error }
            }
            guard more else { break }
            lastActivity = session.loop.now
        }
        if let failure { outputFailed(failure) }
    }

    private func drainOutput(of handle: ChannelHandle, through writer: SinkWriter) throws(LibraryFailure) {
        while mayTake(writer) {
            guard try handle.read(.output, through: session.settings.room, to: { writer.write($0) }) else { return }
            lastActivity = session.loop.now
        }
    }

    private func mayTake(_ writer: SinkWriter) -> Bool { writer.hasRoom || session.carrierHasEnded }

    /// A blocking output has taken bytes, or has failed.
    private func outputWasWritten() {
        guard case .running = state else { return }
        lastActivity = session.loop.now
        if let failure = writer?.failure { return outputFailed(failure) }
        session.pump()
    }

    private func outputFailed(_ failure: any Error) {
        abandon(.localStream, Self.text(of: failure))
    }

    private static func text(of failure: any Error) -> String { "the output could not be stored here: \(failure)" }

    private func feed(_ handle: ChannelHandle) throws(LibraryFailure) {
        while !inputIsOver, session.hasRoom {
            if sent == chunk.count {
                guard request.input == nil || handle.sendWindow > 0 else { return }
                guard let next = nextChunk() else { return }
                guard !next.isEmpty else {
                    inputIsOver = try handle.sendEOF()
                    return
                }
                chunk = next
                sent = 0
            }
            let count = try handle.write(chunk[sent...])
            guard let count, count > 0 else { return }
            sent += count
            lastActivity = session.loop.now
        }
        if !inputIsOver { session.hasMoreToSend = true }
    }

    /// The source's next bytes; empty at its end, nil when it failed.
    private func nextChunk() -> [UInt8]? {
        guard let input = request.input else { return [] }
        do {
            return try input.read(upTo: Self.chunkSize)
        } catch {
            abandon(.localStream, "the input could not be read here: \(error)")
            return nil
        }
    }

    private func close(_ handle: ChannelHandle) throws(LibraryFailure) -> Bool {
        for stream in [ChannelHandle.Stream.output, .errorOutput] {
            while try handle.read(stream, through: session.settings.room, to: { _ in }) {}
        }
        guard handle.free() else { return false }
        state = .over
        return true
    }
}

/// Why a command has no end: for the host it ran on, made into a `TransportError` by its connection.
struct ExecFault: Error, Sendable, Hashable {
    let kind: TransportError.Kind
    let event: String
    let mayHaveStarted: Bool

    let next: String?

    init(_ kind: TransportError.Kind, _ event: String, next: String? = nil, mayHaveStarted: Bool) {
        self.kind = kind
        self.event = event
        self.mayHaveStarted = mayHaveStarted
        self.next = next
    }
}
