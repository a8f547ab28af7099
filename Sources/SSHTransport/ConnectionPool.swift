import NIOCore
import RemoteShell

/// All connections of a transport: one per route, opened once, shared by whoever asks, replaced when lost.
///
/// Confined to one event loop.
final class ConnectionPool {
    /// Somebody who waits for a connection.
    typealias Waiter = (Result<SSHSession, LinkFault>) -> Void

    private final class Entry {
        var attempt: ConnectionAttempt?
        var session: SSHSession?
        var waiters: [Int: Waiter] = [:]
        let keys: [LoginKey]
        let limit: Duration

        init(keys: [LoginKey], limit: Duration) {
            self.keys = keys
            self.limit = limit
        }
    }

    let loop: any EventLoop
    /// Handshakes under way over all hosts.
    let gate: HandshakeGate
    private let options: SSHOptions
    private let hostKeys: any HostKeyPolicy
    private let agent: AgentClient?
    private let room = ReadRoom()
    private var entries: [Route: Entry] = [:]
    private var gates: [Route: HandshakeGate] = [:]
    /// Sessions with jump hosts that still carry tunnels but open no new ones.
    private var retired: [SSHSession] = []
    private var lastWaiter = 0

    init(on loop: any EventLoop, options: SSHOptions, hostKeys: any HostKeyPolicy) {
        self.loop = loop
        self.options = options
        self.hostKeys = hostKeys
        gate = HandshakeGate(limit: options.maximumHandshakes)
        agent = options.agentSocketPath.map { AgentClient(path: $0, on: loop) }
    }

    /// Handshakes under way behind one jump host.
    func gate(behind hop: Route) -> HandshakeGate {
        let gate = gates[hop] ?? HandshakeGate(limit: options.perJumpHandshakes)
        gates[hop] = gate
        return gate
    }

    func agentIdentities() -> EventLoopFuture<[AgentMessage.Identity]> {
        agent?.identities()
            ?? loop.makeFailedFuture(
                LinkFault(
                    .authenticationFailed,
                    "there is no SSH agent: SSH_AUTH_SOCK is not set",
                    next: "eval $(ssh-agent); ssh-add"
                )
            )
    }

    func settings(keys: [LoginKey], limit: Duration, scan: String?) -> SessionSettings {
        SessionSettings(
            options: options,
            hostKeys: hostKeys,
            keys: keys,
            agent: agent,
            scan: scan,
            timeLimit: limit,
            room: room
        )
    }

    /// The live session of a route, if there is one.
    func ready(_ route: Route) -> SSHSession? {
        guard let session = entries[route]?.session, session.isReady else { return nil }
        return session
    }

    /// Answers with a session for `route`, opening it, and the jump hosts before it, where needed.
    ///
    /// Returns a number for `forget`. The waiter may be called before this returns.
    @discardableResult
    func open(_ route: Route, keys: [LoginKey], limit: Duration, _ waiter: @escaping Waiter) -> Int {
        lastWaiter += 1
        let number = lastWaiter
        if let session = ready(route) {
            waiter(.success(session))
            return number
        }
        if let entry = entries[route] {
            entry.waiters[number] = waiter
            return number
        }
        let entry = Entry(keys: keys, limit: limit)
        entry.waiters[number] = waiter
        entries[route] = entry
        let attempt = ConnectionAttempt(route, keys: keys, limit: limit, pool: self) { [self] result in
            settle(entry, of: route, result)
        }
        entry.attempt = attempt
        attempt.start()
        return number
    }

    /// Takes a waiter back; a connection nobody waits for any more is given up.
    func forget(_ number: Int, of route: Route) {
        guard let entry = entries[route], entry.waiters.removeValue(forKey: number) != nil, entry.waiters.isEmpty else {
            return
        }
        entry.attempt?.cancel(LinkFault(.cancelled, "stopped while connecting"))
    }

    /// Takes what waits behind an unanswered opening to a new connection with the same jump host.
    ///
    /// libssh2 has one opening under way per session, and a host that does not answer holds it for up to a minute.
    func relieve(_ hop: Route, of session: SSHSession) {
        let tunnels = session.takeWaiting()
        if let entry = entries[hop], entry.session === session {
            entries[hop] = nil
            retired.removeAll { $0.hasEnded }
            retired.append(session)
        }
        guard !tunnels.isEmpty else { return }
        open(hop, keys: session.settings.keys, limit: session.settings.timeLimit) { result in
            for tunnel in tunnels {
                switch result {
                case .success(let fresh): fresh.adopt(tunnel)
                case .failure(let fault): tunnel.sessionEnded(fault)
                }
            }
        }
    }

    /// Ends every connection.
    ///
    /// Those behind a jump host come first: their good-bye travels through it.
    func closeAll() {
        let shut = LinkFault(.cancelled, "the program stops using SSH")
        for (route, entry) in entries.sorted(by: { $0.key.endpoints.count > $1.key.endpoints.count }) {
            entry.session?.hangUp()
            entry.attempt?.cancel(shut)
            entries[route] = nil
        }
        agent?.close()
        for session in retired { session.hangUp() }
        retired = []
    }

    private func settle(_ entry: Entry, of route: Route, _ result: Result<SSHSession, LinkFault>) {
        entry.attempt = nil
        switch result {
        case .success(let session):
            entry.session = session
            session.whenEnded = { [weak self, unowned session] _ in
                guard let self, entries[route]?.session === session else { return }
                entries[route] = nil
            }
        case .failure:
            if entries[route] === entry { entries[route] = nil }
        }
        let waiters = entry.waiters.sorted { $0.key < $1.key }
        entry.waiters = [:]
        for (_, waiter) in waiters { waiter(result) }
    }
}
