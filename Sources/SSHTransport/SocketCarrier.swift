import NIOCore
import NIOPosix

/// Carries a session over a TCP connection.
///
/// Besides TCP_NODELAY, set at connect, TCP_QUICKACK is armed anew after every receive: the kernel's delayed
/// acknowledgement costs 40 ms at each first exchange otherwise.
final class SocketCarrier: ChannelInboundHandler, ChannelOutboundHandler, Carrier {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Unread bytes of a session above which its socket is not read.
    private static let unreadLimit = 4 * 1024 * 1024
    private static let quickAck = ChannelOptions.Types.SocketOption(
        level: .tcp,
        name: NIOBSDSocket.Option(rawValue: 12)
    )

    private let session: SSHSession
    private var context: ChannelHandlerContext?
    private var readIsHeld = false
    private var isOver = false

    init(for session: SSHSession) { self.session = session }

    // MARK: Carrier

    func transmit(_ bytes: ByteBuffer) {
        guard let context else { return }
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
    }

    var hasRoom: Bool { context?.channel.isWritable ?? false }

    func inputWasConsumed() {
        guard readIsHeld, session.edge.unread <= Self.unreadLimit else { return }
        readIsHeld = false
        context?.read()
    }

    func shut() {
        isOver = true
        context?.close(promise: nil)
    }

    // MARK: Channel handler

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func read(context: ChannelHandlerContext) {
        if session.edge.unread > Self.unreadLimit {
            readIsHeld = true
        } else {
            context.read()
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return }
        session.receive(unwrapInboundIn(data))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        guard !isOver else { return }
        try? context.channel.syncOptions?.setOption(Self.quickAck, value: 1)
        session.pump()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if !isOver, context.channel.isWritable { session.pump() }
    }

    func channelInactive(context: ChannelHandlerContext) { linkEnded("the server closed the connection") }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let reason = (error as? IOError).map { SystemError.text($0.errnoCode) } ?? "\(error)"
        linkEnded(reason)
        context.close(promise: nil)
    }

    private func linkEnded(_ reason: String) {
        guard !isOver else { return }
        isOver = true
        session.carrierEnded(reason)
    }
}
