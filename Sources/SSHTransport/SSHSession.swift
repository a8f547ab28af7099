import CLibSSH2
import NIOCore
import RemoteShell

/// One SSH connection: drives libssh2 over whatever carries its bytes, and gives each of its channels its turns.
///
/// Confined to `loop`: created, used and released there only.
final class SSHSession {
    enum Phase {
        case greeting(Greeting)
        case keyExchange
        case login(Login)
        case ready
        case ended(LinkFault)
    }

    /// Bytes one session may take before the others of the loop get their turn.
    static let allowancePerTurn = 1024 * 1024
    /// Commands one session runs at once; more wait.
    ///
    /// sshd allows 10 (`MaxSessions`) unless told otherwise.
    static let commandsAtOnce = 8
    /// Bytes a pass may produce before they are handed to the carrier.
    static let outgoingLimit = 512 * 1024

    let endpoint: Endpoint
    let loop: any EventLoop
    let settings: SessionSettings
    let handle: SessionHandle
    var phase = Phase.greeting(Greeting())
    var carrier: (any Carrier)?
    /// Told once: nil when the login succeeded, else why there is no session.
    var whenDecided: ((LinkFault?) -> Void)?
    /// Told once when a session that was ready has ended.
    var whenEnded: ((LinkFault) -> Void)?
    var timer: Scheduled<Void>?
    var lastReceived = NIODeadline.uptimeNanoseconds(0)
    var lastSent = NIODeadline.uptimeNanoseconds(0)
    /// When the server was last asked for a sign of life, and how often in a row without any.
    var lastQuestion = NIODeadline.uptimeNanoseconds(0)
    var unanswered = 0

    /// A channel stopped producing only because this turn had produced enough.
    var hasMoreToSend = false

    private var channels: [any SessionChannel] = []
    private var waiting: [any SessionChannel] = []
    private var isPumping = false
    private var wantsPass = false
    private var turnIsScheduled = false

    init(to endpoint: Endpoint, on loop: any EventLoop, settings: SessionSettings) throws(LinkFault) {
        guard let handle = SessionHandle() else {
            throw LinkFault(.handshakeFailed, "libssh2 could not be initialised")
        }
        self.endpoint = endpoint
        self.loop = loop
        self.settings = settings
        self.handle = handle
    }

    var edge: SessionEdge { handle.edge }

    /// Nothing more can come, so what did come is taken without regard to limits.
    private(set) var carrierHasEnded = false

    /// The server closed the connection unheard, as sshd does above its `MaxStartups`.
    private(set) var wasTurnedAway = false

    var isReady: Bool {
        if case .ready = phase { true } else { false }
    }

    /// Whether a channel may produce more bytes for the peer in this pass.
    var hasRoom: Bool { edge.outgoing.readableBytes < Self.outgoingLimit && (carrier?.hasRoom ?? false) }

    // MARK: Bytes

    /// Takes bytes that arrived; `pump` acts on them.
    func receive(_ bytes: ByteBuffer) {
        lastReceived = loop.now
        guard case .greeting(var greeting) = phase else { return edge.append(bytes) }
        let rest = greeting.take(bytes.readableBytesView)
        phase = .greeting(greeting)
        edge.append(ByteBuffer(bytes: rest))
    }

    /// The carrier has ended: what came before still counts, then the session is over.
    func carrierEnded(_ reason: String) {
        carrierHasEnded = true
        pump()
        while edge.allowance == 0, edge.unread > 0, !hasEnded { runTurn() }
        if case .greeting(let greeting) = phase { wasTurnedAway = greeting.isEmptyOrThrottled }
        end(lossFault(reason))
    }

    /// Does everything that can be done now.
    ///
    /// Safe to call at any time on the loop, also from within itself.
    func pump() {
        if isPumping {
            wantsPass = true
        } else if !hasEnded {
            runTurn()
        }
    }

    /// Adds a channel; they are opened one after another, because libssh2 keeps one opening state per session.
    func add(_ channel: any SessionChannel) {
        if case .ended(let fault) = phase { return channel.sessionEnded(fault) }
        waiting.append(channel)
        pump()
    }

    /// Adds a channel that waited at another session.
    func adopt(_ channel: any SessionChannel) {
        channel.move(to: self)
        add(channel)
    }

    /// Ends the session with a good-bye to the server, as far as it can be sent without waiting.
    func hangUp() {
        if isReady {
            handle.disconnect()
            flush()
        }
        end(LinkFault(.lost, "the connection was closed here"))
    }

    /// Ends the session.
    ///
    /// The socket goes first, so that nothing of libssh2 can wait for it.
    func end(_ fault: LinkFault) {
        guard !hasEnded else { return }
        let wasReady = isReady
        phase = .ended(fault)
        timer?.cancel()
        carrier?.shut()
        carrier = nil
        edge.isOpen = false
        let orphans = channels + waiting
        channels = []
        waiting = []
        for channel in orphans { channel.sessionEnded(fault) }
        handle.free()
        whenDecided?(fault)
        whenDecided = nil
        if wasReady { whenEnded?(fault) }
        whenEnded = nil
    }

    var hasEnded: Bool {
        if case .ended = phase { true } else { false }
    }

    // MARK: Turns

    /// Repeats the pass over all channels until one consumed nothing: reading one channel takes the packets of all
    /// others off the link, and no event will come for those again.
    private func runTurn() {
        isPumping = true
        hasMoreToSend = false
        edge.allowance = Self.allowancePerTurn
        var consumed = edge.consumed
        repeat {
            consumed = edge.consumed
            wantsPass = false
            do throws(LibraryFailure) {
                try pass()
            } catch {
                end(fault(for: error))
            }
            flush()
        } while !hasEnded && (wantsPass || edge.consumed != consumed)
        isPumping = false
        guard !hasEnded else { return }
        carrier?.inputWasConsumed()
        // Unread bytes alone are no reason: without a channel libssh2 reads nothing, and they wait for the next one.
        if (edge.allowance == 0 && edge.unread > 0) || (hasMoreToSend && hasRoom) { scheduleTurn() }
    }

    /// Another turn soon, after the other sessions had theirs.
    func scheduleTurn() {
        guard !turnIsScheduled else { return }
        turnIsScheduled = true
        let bound = NIOLoopBound(self, eventLoop: loop)
        loop.execute {
            bound.value.turnIsScheduled = false
            bound.value.pump()
        }
    }

    private func flush() {
        guard edge.outgoing.readableBytes > 0, let carrier else { return }
        lastSent = loop.now
        var bytes = ByteBuffer()
        swap(&bytes, &edge.outgoing)
        carrier.transmit(bytes)
        guard edge.outgoing.capacity == 0 else { return }
        // Uses the memory again if the carrier is done with it already.
        bytes.clear(minimumCapacity: 0)
        edge.outgoing = bytes
    }

    private func pass() throws(LibraryFailure) {
        switch phase {
        case .greeting(let greeting): try advanceGreeting(greeting)
        case .keyExchange: try advanceKeyExchange()
        case .login: try advanceLogin()
        case .ready:
            try openNext()
            try advanceChannels()
        case .ended: break
        }
    }

    private func openNext() throws(LibraryFailure) {
        while let channel = waiting.first {
            // A tunnel is not a session to sshd, and `MaxSessions` does not count it.
            guard openingIsUnderWay || channel.tunnelTarget != nil || channels.count < Self.commandsAtOnce else {
                return
            }
            guard channel.isWanted || openingIsUnderWay else {
                waiting.removeFirst()
                continue
            }
            openingIsUnderWay = true
            do throws(LibraryFailure) {
                let window = settings.options.windowSize
                guard let opened = try handle.openChannel(window: window, tunnelTo: channel.tunnelTarget) else {
                    return
                }
                channels.append(channel)
                channel.opened(opened)
            } catch {
                guard !error.endsSession || error.code == LIBSSH2_ERROR_TIMEOUT else { throw error }
                channel.refused(error)
            }
            openingIsUnderWay = false
            waiting.removeFirst()
        }
    }

    /// libssh2 is between the request and the answer for the first of `waiting`: it cannot be dropped now.
    private var openingIsUnderWay = false

    /// Takes back what waits behind an opening that the server does not answer.
    func takeWaiting() -> [any SessionChannel] {
        defer { waiting.removeLast(max(0, waiting.count - 1)) }
        return Array(waiting.dropFirst())
    }

    private func advanceChannels() throws(LibraryFailure) {
        var isOver: [ObjectIdentifier] = []
        for channel in channels where try channel.advance() { isOver.append(ObjectIdentifier(channel)) }
        guard !isOver.isEmpty else { return }
        channels.removeAll { isOver.contains(ObjectIdentifier($0)) }
        // Their places are free for those that wait.
        if !waiting.isEmpty { wantsPass = true }
    }
}
