package import ClusterModel
package import Logging
import NIOCore
import NIOPosix
package import RemoteShell

/// Opens SSH connections to hosts: the one place where RemoteShell's port meets libssh2.
///
/// All sessions of all transports of a process live on one event loop, so one thread does all SSH.
package final class SSHTransport: Sendable {
    /// Lives as long as the process: nothing can be scheduled on a loop that was shut down.
    private static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    private let loop: any EventLoop
    private let pool: NIOLoopBoundBox<ConnectionPool>
    private let keyRing: KeyRing
    private let logger: Logger

    package init(options: SSHOptions, hostKeys: any HostKeyPolicy, logger: Logger) {
        let loop = Self.group.next()
        self.loop = loop
        self.logger = logger
        executor = LoopExecutor(loop)
        let pool = NIOLoopBoundBox.makeBoxSendingValue(
            ConnectionPool(on: loop, options: options, hostKeys: hostKeys),
            eventLoop: loop
        )
        self.pool = pool
        keyRing = KeyRing { loop.flatSubmit { pool.value.agentIdentities() } }
    }

    /// Runs tasks beside the connections; for those that do little between their awaits.
    package let executor: any TaskExecutor

    /// The version of libssh2 in use.
    package static var libraryVersion: String { LibSSH2.version }

    /// Returns the connection to `host`, opened when there is none or the last one was lost.
    ///
    /// Hosts behind the same jump hosts share the connections to them.
    package func connect(to host: Host) async throws(TransportError) -> any ExecTransport {
        let route = Route(to: host)
        let pool = pool
        let live = try await LoopReply<SSHConnection?>.wait(for: host.name, on: loop) { reply in
            reply.answer(.success(pool.value.ready(route).map { SSHConnection(to: host.name, session: $0) }))
        }
        if let live { return live }
        let keys = try await keyRing.keys(for: host)
        let limit = host.ssh.connectTimeout
        logger.debug("connecting", metadata: ["host": "\(host.name)", "address": "\(route.target.text)"])
        return try await LoopReply<SSHConnection>.wait(for: host.name, on: loop) { reply in
            let number = pool.value.open(route, keys: keys, limit: limit) { result in
                reply.answer(
                    result.map { SSHConnection(to: host.name, session: $0) }.mapError { $0.error(for: host.name) }
                )
            }
            reply.whenCancelled {
                pool.value.forget(number, of: route)
                reply.answer(.failure(TransportError(.cancelled, host: host.name, "stopped while connecting")))
            }
        }
    }

    /// Asks `host` for its host keys, one handshake for each kind of key; nobody is logged in and nothing is trusted.
    ///
    /// The jump hosts before it are logged in to as usual, with their keys checked.
    package func scan(_ host: Host) async throws(TransportError) -> [OfferedHostKey] {
        let route = Route(to: host)
        let keys = route.outer == nil ? [] : try await keyRing.keys(for: host)
        var offered: [OfferedHostKey] = []
        for algorithm in Methods.scanned {
            if let key = try await scan(host, route, keys: keys, for: algorithm) { offered.append(key) }
        }
        return offered
    }

    /// The key `host` has for one algorithm, or nil when it has none.
    private func scan(
        _ host: Host,
        _ route: Route,
        keys: [LoginKey],
        for algorithm: String
    ) async throws(TransportError)
        -> OfferedHostKey?
    {
        let (pool, limit) = (pool, host.ssh.connectTimeout)
        return try await LoopReply<OfferedHostKey?>.wait(for: host.name, on: loop) { reply in
            let attempt = ConnectionAttempt(route, keys: keys, limit: limit, scan: algorithm, pool: pool.value) {
                result in
                switch result {
                case .success(let session):
                    let key = session.handle.hostKey()
                    session.hangUp()
                    reply.answer(.success(OfferedHostKey(key: key)))
                case .failure(let fault) where fault.isLackOfCommonAlgorithm: reply.answer(.success(nil))
                case .failure(let fault): reply.answer(.failure(fault.error(for: host.name)))
                }
            }
            reply.whenCancelled { attempt.cancel(LinkFault(.cancelled, "stopped while asking for host keys")) }
            attempt.start()
        }
    }

    /// Ends all connections.
    ///
    /// Commands that still run fail with `lost`; on the hosts they are not touched.
    package func shutdown() async {
        let pool = pool
        try? await loop.submit { pool.value.closeAll() }.get()
    }
}
