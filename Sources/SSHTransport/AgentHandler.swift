import NIOCore
import RemoteShell

/// One connection to an agent: requests go out as they come, answers come back in the same order.
final class AgentHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// No answer of an agent is near this size.
    private static let maximumLength = 256 * 1024

    var whenClosed: (() -> Void)?
    private let loop: any EventLoop
    private var context: ChannelHandlerContext?
    private var received = ByteBuffer()
    private var waiting: [EventLoopPromise<[UInt8]>] = []

    init(on loop: any EventLoop) { self.loop = loop }

    func request(_ message: [UInt8], within limit: TimeAmount) -> EventLoopFuture<[UInt8]> {
        let promise = loop.makePromise(of: [UInt8].self)
        guard let context else {
            promise.fail(Self.gone)
            return promise.futureResult
        }
        waiting.append(promise)
        var framed = WireWriter()
        framed.string(message)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: framed.bytes)), promise: nil)
        let bound = NIOLoopBound(self, eventLoop: loop)
        let timer = loop.scheduleTask(in: limit) { bound.value.close() }
        promise.futureResult.whenComplete { _ in timer.cancel() }
        return promise.futureResult
    }

    func close() { context?.close(promise: nil) }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received.writeImmutableBuffer(unwrapInboundIn(data))
        while let length = received.getInteger(at: received.readerIndex, as: UInt32.self), !waiting.isEmpty {
            guard length <= Self.maximumLength else { return context.close(promise: nil) }
            guard received.readableBytes >= 4 + Int(length) else { return }
            received.moveReaderIndex(forwardBy: 4)
            waiting.removeFirst().succeed(received.readBytes(length: Int(length)) ?? [])
        }
        received.discardReadBytes()
    }

    func channelInactive(context: ChannelHandlerContext) {
        let promises = waiting
        waiting = []
        for promise in promises { promise.fail(Self.gone) }
        whenClosed?()
        whenClosed = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private static let gone = LinkFault(
        .authenticationFailed,
        "the SSH agent did not answer",
        next: "ssh-add -l shows whether it works"
    )
}
