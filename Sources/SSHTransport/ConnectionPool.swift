import NIOCore
import RemoteShell

/// All connections of a transport: one per route, opened once, shared by whoever asks, replaced when lost.
///
/// Confined to one event loop.
final class ConnectionPool {
    /// Somebody who waits for a connection.
    typealias Waiter = (Result<SSHSession, LinkFault>) -> Void

    private final class Entry {
        var session: SSHSession?
        var waiters: [Int: Waiter] = [:]
        let gate: HandshakeGate

        init(perJump: Int) { gate = HandshakeGate(limit: perJump) }
    }

    private let loop: any EventLoop
    private let options: SSHOptions
    private let hostKeys: any HostKeyPolicy
    private let room = ReadRoom()
    private let gate: HandshakeGate
    private var entries: [Route: Entry] = [:]
    private var nextWaiter = 0

    init(on loop: any EventLoop, options: SSHOptions, hostKeys: any HostKeyPolicy) {
        self.loop = loop
        self.options = options
        self.hostKeys = hostKeys
        gate = HandshakeGate(limit: options.maximumHandshakes)
    }

    /// The live session of a route, if there is one.
    func ready(_ route: Route) -> SSHSession? {
        guard let session = entries[route]?.session, session.isReady else { return nil }
        return session
    }

    /// Answers with a session for `route`, opening it, and the jump hosts before it, where needed.
    ///
    /// Returns a number for `forget`.
    @discardableResult
    func open(_ route: Route, keys: [LoginKey], limit: Duration, _ waiter: @escaping Waiter) -> Int {
        nextWaiter += 1
        let number = nextWaiter
        if let session = ready(route) {
            waiter(.success(session))
            return number
        }
        if let entry = entries[route] {
            entry.waiters[number] = waiter
            return number
        }
        let entry = Entry(perJump: options.perJumpHandshakes)
        entry.waiters[number] = waiter
        entries[route] = entry
        establish(route, keys: keys, limit: limit)
        return number
    }

    /// Takes a waiter back; a connection nobody waits for any more is given up.
    func forget(_ number: Int, of route: Route) {
        guard let entry = entries[route] else { return }
        entry.waiters[number] = nil
        guard entry.waiters.isEmpty, !(entry.session?.isReady ?? false) else { return }
        entries[route] = nil
        entry.session?.end(LinkFault(.cancelled, "stopped while connecting"))
    }

    func close(_ route: Route) {
        entries[route]?.session?.hangUp()
    }

    func closeAll() {
        // The innermost first: a good-bye travels through the jump hosts.
        for route in entries.keys.sorted(by: { $0.endpoints.count > $1.endpoints.count }) { close(route) }
        for (route, entry) in entries {
            entries[route] = nil
            entry.session?.end(LinkFault(.lost, "the transport was shut down"))
            settle(entry, .failure(LinkFault(.cancelled, "the transport was shut down")))
        }
    }

    // MARK: Opening

    private func establish(_ route: Route, keys: [LoginKey], limit: Duration) {
        guard let outer = route.outer else { return admit(route, keys: keys, limit: limit, through: nil) }
        open(outer, keys: keys, limit: limit) { [weak self] result in
            switch result {
            case .success(let session): self?.admit(route, keys: keys, limit: limit, through: session)
            case .failure(let fault): self?.fail(route, fault.behind(outer.target))
            }
        }
    }

    /// Waits for a place among the handshakes, then begins. A route that waits for its jump host takes no place.
    private func admit(_ route: Route, keys: [LoginKey], limit: Duration, through outer: SSHSession?) {
        let gates = [gate] + (route.outer.flatMap { entries[$0]?.gate }.map { [$0] } ?? [])
        func enter(_ rest: ArraySlice<HandshakeGate>) {
            guard let first = rest.last else {
                return begin(route, keys: keys, limit: limit, through: outer) { for gate in gates { gate.leave() } }
            }
            first.enter { enter(rest.dropLast()) }
        }
        enter(gates[...])
    }

    private func begin(
        _ route: Route,
        keys: [LoginKey],
        limit: Duration,
        through outer: SSHSession?,
        whenDecided: @escaping () -> Void
    ) {
        guard let entry = entries[route], entry.session == nil else { return whenDecided() }
        let settings = SessionSettings(
            options: options,
            hostKeys: hostKeys,
            keys: keys,
            timeLimit: limit,
            room: room
        )
        do throws(LinkFault) {
            let session = try SSHSession(to: route.target, on: loop, settings: settings)
            entry.session = session
            session.whenDecided = { [weak self] fault in
                whenDecided()
                if let fault { self?.fail(route, fault) } else { self?.settle(entry, .success(session)) }
            }
            session.whenEnded = { [weak self, weak session] _ in
                guard let self, entries[route]?.session === session else { return }
                entries[route] = nil
            }
            if let outer { tunnel(session, through: outer, within: limit) } else { dial(session, within: limit) }
        } catch {
            whenDecided()
            fail(route, error)
        }
    }

    private func dial(_ session: SSHSession, within limit: Duration) {
        let bound = NIOLoopBound(session, eventLoop: loop)
        Dialer.connect(session, within: limit).map { NIOLoopBound($0, eventLoop: bound.value.loop) }
            .whenComplete { result in
                switch result {
                case .success(let carrier): bound.value.start(on: carrier.value)
                case .failure(let error):
                    bound.value.end(Dialer.fault(error, at: bound.value.endpoint, limit: limit))
                }
            }
    }

    private func tunnel(_ session: SSHSession, through outer: SSHSession, within limit: Duration) {
        session.end(LinkFault(.handshakeFailed, "no tunnels yet"))
    }

    private func fail(_ route: Route, _ fault: LinkFault) {
        guard let entry = entries.removeValue(forKey: route) else { return }
        settle(entry, .failure(fault))
    }

    private func settle(_ entry: Entry, _ result: Result<SSHSession, LinkFault>) {
        let waiters = entry.waiters.sorted { $0.key < $1.key }
        entry.waiters = [:]
        for (_, waiter) in waiters { waiter(result) }
    }
}
