import Glibc
import NIOCore
import NIOPosix
import RemoteShell
import Synchronization

/// A port whose queue of connections is full: what is sent to it is dropped, as by a firewall.
final class BlackHole: Sendable {
    let port: Int
    private let descriptors: [Int32]

    init() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        var fillers: [Int32] = []
        unsafe withUnsafeMutableBytes(of: &address) { bytes in
            guard let pointer = unsafe bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return }
            unsafe bind(listener, pointer, length)
            listen(listener, 0)
            unsafe getsockname(listener, pointer, &length)
            for _ in 0..<3 {
                let filler = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
                _ = unsafe connect(filler, pointer, length)
                fillers.append(filler)
            }
        }
        port = Int(UInt16(bigEndian: address.sin_port))
        descriptors = [listener] + fillers
    }

    deinit { for descriptor in descriptors { close(descriptor) } }
}

/// Things that answer on a port and are not an SSH server.
enum Impostor: String, CaseIterable, Sendable {
    case web, random, oldSSH, endlessBanner, longLine, silent, closing, brokenKeyExchange

    var kind: TransportError.Kind {
        switch self {
        case .web, .random, .oldSSH, .endlessBanner, .longLine: .notSSH
        case .silent: .handshakeTimeout
        case .closing, .brokenKeyExchange: .handshakeFailed
        }
    }

    var text: String {
        switch self {
        case .web: "it said 'HTTP/1.1 400 Bad Request'"
        case .random: "a line of more than"
        case .oldSSH: "it speaks only SSH-1.5-old"
        case .endlessBanner: "more than 255 lines came before any SSH version"
        case .longLine: "a line of more than 1024 bytes"
        case .silent: "no SSH greeting within 1 s"
        case .closing: "before the SSH greeting"
        case .brokenKeyExchange: "SSH handshake failed: the server broke the protocol"
        }
    }
}

/// A little TCP server on the loopback address.
final class ScriptedPeer: Sendable {
    let port: Int
    private let channel: any Channel

    convenience init(_ impostor: Impostor) async throws {
        var buffer = ByteBuffer()
        switch impostor {
        case .web: buffer.writeString("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<html>\r\n")
        case .random: buffer.writeBytes((0..<8192).map { UInt8(truncatingIfNeeded: $0 &* 167 % 251 | 0x80) })
        case .oldSSH: buffer.writeString("SSH-1.5-old\r\n")
        case .endlessBanner: for _ in 0..<4096 { buffer.writeString("please wait\r\n") }
        case .longLine: buffer.writeString(String(repeating: "a", count: 4096))
        case .silent, .closing: break
        case .brokenKeyExchange:
            buffer.writeString("SSH-2.0-broken\r\n")
            buffer.writeInteger(UInt32(0x7FFF_FFFF))
            buffer.writeRepeatingByte(0x55, count: 4096)
        }
        let (text, hangsUp) = (buffer, impostor == .web || impostor == .closing)
        try await self.init { _ in Speaker(text, hangsUp: hangsUp) }
    }

    /// Passes connections on to another server, after hanging up on the first ones.
    convenience init(forwardingTo target: TestServer, afterRefusing refusals: Int) async throws {
        let left = Mutex(refusals)
        try await self.init { _ in
            let refuses = left.withLock { left in
                defer { left -= 1 }
                return left > 0
            }
            return refuses
                ? Speaker(ByteBuffer(string: "Exceeded MaxStartups\r\n"), hangsUp: true) : Forwarder(to: target)
        }
    }

    private init(_ handler: @escaping @Sendable (any Channel) -> any ChannelHandler) async throws {
        channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(handler(channel))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = channel.localAddress?.port ?? 0
    }

    func stop() async { try? await channel.close().get() }
}

/// Says one thing and, when told so, hangs up.
private final class Speaker: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let text: ByteBuffer
    private let hangsUp: Bool

    init(_ text: ByteBuffer, hangsUp: Bool) {
        self.text = text
        self.hangsUp = hangsUp
    }

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(text), promise: nil)
        if hangsUp { context.close(promise: nil) }
    }
}

/// Passes bytes to a server and back; what comes before the server is reached is kept.
private final class Forwarder: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let target: TestServer
    private var other: (any Channel)?
    private var kept = ByteBuffer()

    init(to target: TestServer) { self.target = target }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        ClientBootstrap(group: context.eventLoop)
            .channelInitializer { other in
                other.eventLoop.makeCompletedFuture { try other.pipeline.syncOperations.addHandler(Relay(to: channel)) }
            }
            .connect(host: target.address, port: target.port)
            .whenSuccess { other in
                bound.value.other = other
                other.writeAndFlush(bound.value.kept, promise: nil)
            }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if let other {
            other.writeAndFlush(unwrapInboundIn(data), promise: nil)
        } else {
            kept.writeImmutableBuffer(unwrapInboundIn(data))
        }
    }

    func channelInactive(context: ChannelHandlerContext) { other?.close(promise: nil) }
}

/// The way back.
private final class Relay: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let other: any Channel

    init(to other: any Channel) { self.other = other }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        other.writeAndFlush(unwrapInboundIn(data), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { other.close(promise: nil) }
}
