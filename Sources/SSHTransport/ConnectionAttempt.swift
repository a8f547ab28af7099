import NIOCore
import RemoteShell

/// Opens one session: waits for the jump host and for its turn, connects, logs in, and tries again when turned away.
///
/// Confined to the pool's loop. `finish` is called exactly once.
final class ConnectionAttempt {
    /// Tries after the first when sshd drops the connection unheard, as it does above its `MaxStartups`.
    private static let retries = 4
    /// An opening through a jump host that takes longer does not hold up the others any more.
    private static let patience = TimeAmount.seconds(1)

    private let route: Route
    private let limit: Duration
    private let keys: [LoginKey]
    /// The one host key algorithm to ask for when only the key is wanted, not a login.
    private let scan: String?
    private let pool: ConnectionPool
    private let finish: (Result<SSHSession, LinkFault>) -> Void
    private var session: SSHSession?
    private var tries = 0
    private var isOver = false
    private var outerWaiter: Int?
    /// Gates this attempt is in, to be left when it is over.
    private var gates: [HandshakeGate] = []

    init(
        _ route: Route,
        keys: [LoginKey],
        limit: Duration,
        scan: String? = nil,
        pool: ConnectionPool,
        finish: @escaping (Result<SSHSession, LinkFault>) -> Void
    ) {
        self.route = route
        self.keys = keys
        self.limit = limit
        self.scan = scan
        self.pool = pool
        self.finish = finish
    }

    func start() {
        guard let outer = route.outer else { return enter([pool.gate], then: { $0.dial() }) }
        outerWaiter = pool.open(outer, keys: keys, limit: limit) { result in
            self.outerWaiter = nil
            switch result {
            case .success(let session):
                self.enter([self.pool.gate(behind: outer), self.pool.gate], then: { $0.tunnel(through: session) })
            case .failure(let fault): self.decide(.failure(fault.behind(outer.target)))
            }
        }
    }

    /// Gives up at once; `finish` is called with `fault`.
    func cancel(_ fault: LinkFault) {
        if let outer = route.outer, let outerWaiter { pool.forget(outerWaiter, of: outer) }
        if let session { session.end(fault) }
        decide(.failure(fault))
    }

    /// Waits for a place in each of `rest`.
    ///
    /// An attempt that still waits for its jump host takes no place.
    private func enter(_ rest: ArraySlice<HandshakeGate>, then work: @escaping (ConnectionAttempt) -> Void) {
        guard !isOver else { return }
        guard let gate = rest.first else { return work(self) }
        gate.enter {
            guard !self.isOver else { return gate.leave() }
            self.gates.append(gate)
            self.enter(rest.dropFirst(), then: work)
        }
    }

    private func dial() {
        guard !isOver, let session = makeSession({ $0.dial() }) else { return }
        let bound = NIOLoopBound(session, eventLoop: pool.loop)
        let limit = limit
        Dialer.connect(session, within: limit).whenComplete { result in
            switch result {
            case .success(let carrier): bound.value.start(on: carrier.value)
            case .failure(let error):
                bound.value.end(Dialer.fault(error, at: bound.value.endpoint, limit: limit))
            }
        }
    }

    private func tunnel(through outer: SSHSession) {
        guard !isOver, let session = makeSession({ $0.tunnel(through: outer) }) else { return }
        let channel = TunnelChannel(for: session, through: outer)
        let (limit, hop) = (limit, outer.endpoint.name)
        session.after(limit) { session in
            let place = session.endpoint.text
            session.end(
                LinkFault(
                    .connectTimeout,
                    "no answer within \(limit.text) through jump host \(hop) (\(place))"
                )
            )
        }
        outer.add(channel)
        guard !channel.wasOpened, let hopRoute = route.outer else { return }
        let bound = NIOLoopBound((self, channel, outer), eventLoop: pool.loop)
        pool.loop.scheduleTask(in: Self.patience) {
            let (attempt, channel, outer) = bound.value
            if !channel.wasOpened, !attempt.isOver { attempt.pool.relieve(hopRoute, of: outer) }
        }
    }

    private func makeSession(_ again: @escaping (ConnectionAttempt) -> Void) -> SSHSession? {
        do throws(LinkFault) {
            let session = try SSHSession(
                to: route.target,
                on: pool.loop,
                settings: pool.settings(keys: keys, limit: limit, scan: scan)
            )
            session.whenDecided = { [unowned session] fault in
                guard let fault else { return self.decide(.success(session)) }
                guard session.wasTurnedAway, self.tries < Self.retries else { return self.decide(.failure(fault)) }
                self.retry(again)
            }
            self.session = session
            return session
        } catch {
            decide(.failure(error))
            return nil
        }
    }

    /// Waits a little, each time twice as long and not the same for two hosts, then does `work` anew.
    private func retry(_ work: @escaping (ConnectionAttempt) -> Void) {
        tries += 1
        session = nil
        let spread = route.target.text.utf8.reduce(UInt64(tries)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 } >> 32 % 100
        let delay = TimeAmount.milliseconds((100 << Int64(tries)) * (50 + Int64(spread)) / 100)
        let bound = NIOLoopBound((self, work), eventLoop: pool.loop)
        pool.loop.scheduleTask(in: delay) { bound.value.1(bound.value.0) }
    }

    private func decide(_ result: Result<SSHSession, LinkFault>) {
        guard !isOver else { return }
        isOver = true
        for gate in gates { gate.leave() }
        gates = []
        finish(result)
    }
}
