import CLibSSH2
import NIOCore
import RemoteShell

/// A session's way through another session: a `direct-tcpip` channel of a jump host that carries the inner bytes.
final class TunnelChannel: SessionChannel, Carrier {
    private enum State {
        case waiting
        case open(ChannelHandle)
        case closing(ChannelHandle)
        case over
    }

    /// Bytes the inner session may have unread before the tunnel stops reading, which closes the outer window.
    private static let unreadLimit = 4 * 1024 * 1024
    /// Bytes that may wait for the outer session before the inner one stops producing.
    private static let pendingLimit = 512 * 1024

    let tunnelTarget: [UInt8]?
    private let inner: SSHSession
    private unowned var outer: SSHSession
    private var state = State.waiting
    private var pending: [UInt8] = []
    private var sent = 0
    private var isHeldBack = false

    init(for inner: SSHSession, through outer: SSHSession) {
        self.inner = inner
        self.outer = outer
        var target = WireWriter()
        target.string(inner.endpoint.address.utf8)
        target.uint32(inner.endpoint.port)
        // Where the connection comes from; servers only log it.
        target.string("127.0.0.1".utf8)
        target.uint32(0)
        tunnelTarget = target.bytes
    }

    /// Whether the jump host has answered, whatever its answer was.
    var wasOpened: Bool {
        if case .waiting = state { false } else { true }
    }

    // MARK: Carrier

    func transmit(_ bytes: ByteBuffer) {
        pending += bytes.readableBytesView
        outer.pump()
    }

    var hasRoom: Bool { pending.count - sent < Self.pendingLimit && outer.hasRoom }

    func inputWasConsumed() {
        guard isHeldBack, inner.edge.unread < Self.unreadLimit else { return }
        isHeldBack = false
        outer.pump()
    }

    func shut() {
        guard case .open(let handle) = state else { return }
        state = .closing(handle)
        outer.pump()
    }

    // MARK: SessionChannel

    func move(to session: SSHSession) { outer = session }

    var isWanted: Bool { !inner.hasEnded }

    func opened(_ handle: ChannelHandle) {
        guard isWanted else { return state = .closing(handle) }
        state = .open(handle)
        inner.start(on: self)
    }

    func refused(_ failure: LibraryFailure) {
        state = .over
        let (hop, target) = (outer.endpoint, inner.endpoint.text)
        let isForbidden = failure.message.contains("prohibited")
        inner.end(
            isForbidden
                ? LinkFault(
                    .handshakeFailed,
                    "jump host \(hop.name) does not allow a connection to \(target)",
                    next: "set AllowTcpForwarding yes in sshd_config of \(hop.name)"
                )
                : LinkFault(
                    .refused,
                    "jump host \(hop.name) cannot connect to \(target)",
                    next:
                        "ssh -p \(hop.port) \(hop.user)@\(hop.address) nc -vz \(inner.endpoint.address) \(inner.endpoint.port)"
                )
        )
    }

    func sessionEnded(_ fault: LinkFault) {
        state = .over
        inner.end(fault.behind(outer.endpoint))
    }

    func advance() throws(LibraryFailure) -> Bool {
        switch state {
        case .waiting: return false
        case .over: return true
        case .closing(let handle):
            try send(handle)
            while try handle.read(.output, through: outer.settings.room, to: { _ in }) {}
            guard handle.free() else { return false }
            state = .over
            return true
        case .open(let handle):
            try send(handle)
            try receive(handle)
            if inner.hasMoreToSend, hasRoom { inner.pump() }
            return false
        }
    }

    private func send(_ handle: ChannelHandle) throws(LibraryFailure) {
        while sent < pending.count, let count = try handle.write(pending[sent...]), count > 0 { sent += count }
        guard sent == pending.count else { return }
        pending.removeAll(keepingCapacity: true)
        sent = 0
    }

    private func receive(_ handle: ChannelHandle) throws(LibraryFailure) {
        while inner.edge.unread < Self.unreadLimit {
            let more = try handle.read(.output, through: outer.settings.room) { inner.receive(ByteBuffer(copying: $0)) }
            guard more else {
                inner.pump()
                if handle.isAtEOF {
                    inner.carrierEnded("the connection was closed behind jump host \(outer.endpoint.name)")
                }
                return
            }
        }
        isHeldBack = true
        inner.pump()
    }
}

extension ByteBuffer {
    init(copying bytes: RawSpan) {
        self = unsafe bytes.withUnsafeBytes { unsafe ByteBuffer(bytes: $0) }
    }
}
