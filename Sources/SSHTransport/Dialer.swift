import Glibc
import NIOCore
import NIOPosix
import RemoteShell

/// Opens TCP connections, and says in one sentence why one cannot be opened.
enum Dialer {
    /// Connects to `endpoint` within `limit`, with `session` as the reader of what comes.
    ///
    /// An address is used as it is; a name is resolved off the loop, IPv6 and IPv4 tried 250 ms apart (RFC 8305).
    static func connect(_ session: SSHSession, within limit: Duration) -> EventLoopFuture<NIOLoopBound<SocketCarrier>> {
        let endpoint = session.endpoint
        let bound = NIOLoopBound(session, eventLoop: session.loop)
        let bootstrap = ClientBootstrap(group: session.loop)
            .connectTimeout(TimeAmount(limit))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(minimum: 4096, initial: 8192, maximum: 256 * 1024)
            )
            .channelOption(.writeBufferWaterMark, value: .init(low: 256 * 1024, high: 1024 * 1024))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(SocketCarrier(for: bound.value))
                }
            }
        let connected =
            if let address = try? SocketAddress(ipAddress: endpoint.address, port: endpoint.port) {
                bootstrap.connect(to: address)
            } else {
                bootstrap.connect(host: endpoint.address, port: endpoint.port)
            }
        return connected.flatMapThrowing { channel in
            NIOLoopBound(
                try channel.pipeline.syncOperations.handler(type: SocketCarrier.self),
                eventLoop: channel.eventLoop
            )
        }
    }

    static func fault(_ error: any Error, at endpoint: Endpoint, limit: Duration) -> LinkFault {
        let place = "(\(endpoint.text))"
        switch error {
        case ChannelError.connectTimeout:
            return LinkFault(.connectTimeout, "no answer within \(limit.text) \(place)", next: nil)
        case let error as NIOConnectionError where error.connectionErrors.isEmpty:
            return LinkFault(
                .nameNotResolved,
                "the name \(endpoint.address) cannot be resolved \(place)",
                next: "getent hosts \(endpoint.address)"
            )
        case let error as NIOConnectionError:
            // All addresses failed; the last one tried stands for them.
            return error.connectionErrors.last.map { fault($0.error, at: endpoint, limit: limit) }
                ?? LinkFault(.connectTimeout, "cannot connect \(place)")
        case let error as IOError:
            let kind: TransportError.Kind = error.errnoCode == ECONNREFUSED ? .refused : .connectTimeout
            return LinkFault(kind, "\(SystemError.text(error.errnoCode)) \(place)")
        default:
            return LinkFault(.connectTimeout, "cannot connect: \(error) \(place)")
        }
    }
}
