import NIOCore
import NIOPosix
import RemoteShell

/// Talks to the SSH agent over its socket without ever blocking the loop, each answer within a time limit.
///
/// libssh2's own agent calls block on the agent's socket, and an agent that waits for a person would stop all hosts.
/// Confined to one event loop. The connection is opened when first needed and again after it was lost.
final class AgentClient {
    /// An agent may ask its owner to confirm (`ssh-add -c`).
    private static let timeLimit = TimeAmount.seconds(30)

    private let path: String
    private let loop: any EventLoop
    private var connection: EventLoopFuture<NIOLoopBound<AgentHandler>>?

    init(path: String, on loop: any EventLoop) {
        self.path = path
        self.loop = loop
    }

    /// The keys the agent holds, in its order.
    func identities() -> EventLoopFuture<[AgentMessage.Identity]> {
        request(AgentMessage.listRequest).flatMapThrowing { try AgentMessage.identities(in: $0) }
    }

    /// Signs `data`, which is what SSH user authentication signs; returns the signature without its algorithm name.
    func sign(_ data: [UInt8], with publicKey: [UInt8]) -> EventLoopFuture<[UInt8]> {
        request(AgentMessage.signRequest(data, with: publicKey)).flatMapThrowing { try AgentMessage.signature(in: $0) }
    }

    private func request(_ message: [UInt8]) -> EventLoopFuture<[UInt8]> {
        let path = path
        return connected().flatMapErrorThrowing { error in
            let reason = (error as? IOError).map { SystemError.text($0.errnoCode) } ?? "\(error)"
            throw LinkFault(
                .authenticationFailed,
                "the SSH agent cannot be reached (\(path)): \(reason)",
                next: "start it, or name a key file in the inventory"
            )
        }
        .flatMap { handler in handler.value.request(message, within: Self.timeLimit) }
    }

    private func connected() -> EventLoopFuture<NIOLoopBound<AgentHandler>> {
        if let connection { return connection }
        let loop = loop
        let opened = ClientBootstrap(group: loop)
            .connectTimeout(.seconds(5))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AgentHandler(on: loop))
                }
            }
            .connect(unixDomainSocketPath: path)
            .flatMapThrowing { channel in
                NIOLoopBound(try channel.pipeline.syncOperations.handler(type: AgentHandler.self), eventLoop: loop)
            }
        connection = opened
        let bound = NIOLoopBound(self, eventLoop: loop)
        opened.whenFailure { _ in bound.value.connection = nil }
        opened.whenSuccess { handler in handler.value.whenClosed = { bound.value.connection = nil } }
        return opened
    }

    /// Lets go of the agent's socket.
    func close() {
        connection?.whenSuccess { $0.value.close() }
        connection = nil
    }
}
