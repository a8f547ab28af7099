import CLibSSH2
import NIOCore
import RemoteShell

extension SSHSession {
    /// Begins on a carrier that is connected: version exchange, key exchange, host key, login.
    func start(on carrier: any Carrier) {
        guard !hasEnded else { return carrier.shut() }
        self.carrier = carrier
        lastReceived = loop.now
        let known = settings.hostKeys.knownKeyTypes(forHost: endpoint.knownName, port: endpoint.knownPort)
        let order = settings.scan.map { [$0] } ?? Methods.hostKeyOrder(known: known)
        do throws(LibraryFailure) {
            try Methods.apply(to: handle, hostKeys: order)
        } catch {
            return end(fault(for: error))
        }
        let limit = settings.timeLimit
        after(limit) { session in session.end(session.tooSlow(limit)) }
        pump()
    }

    func advanceGreeting(_ greeting: Greeting) throws(LibraryFailure) {
        switch greeting.state {
        case .notSSH(let reason):
            end(LinkFault(.notSSH, "the port answers but is not SSH: \(reason) (\(endpoint.text))", next: portHint))
        case .waiting:
            // Sends our own version line; the server's has not come.
            _ = try handle.handshake()
        case .done:
            phase = .keyExchange
            try advanceKeyExchange()
        }
    }

    func advanceKeyExchange() throws(LibraryFailure) {
        guard try handle.handshake() else { return }
        if settings.scan != nil { return becomeReady() }
        if let fault = hostKeyFault() { return end(fault) }
        phase = .login(Login(keys: settings.keys))
        try advanceLogin()
    }

    /// Judges the key the server proved to own.
    ///
    /// It comes before the first byte of a login.
    private func hostKeyFault() -> LinkFault? {
        let key = handle.hostKey()
        let place = "(\(endpoint.text))"
        let verdict = settings.hostKeys.verdict(
            forHost: endpoint.knownName,
            port: endpoint.knownPort,
            keyType: HostKey.type(of: key),
            key: key
        )
        switch verdict {
        case .trusted:
            return nil
        case .unknown(let offered):
            let fingerprint = offered.split(separator: " ").last.map(String.init) ?? offered
            return LinkFault(
                .hostKeyUnknown,
                "offers \(offered) which is not in known_hosts; Rollbook never adds keys by itself \(place)",
                next: "rollbook hosts trust \(endpoint.name) --fingerprint \(fingerprint)"
            )
        case .changed(let known, let offered):
            return LinkFault(
                .hostKeyChanged,
                "HOST KEY CHANGED (known \(known.joined(separator: ", ")), offered \(offered)) \(place)",
                next: "find out why before anything else; only then correct known_hosts"
            )
        case .revoked(let offered):
            return LinkFault(
                .hostKeyRevoked,
                "offers \(offered) which known_hosts marks as revoked \(place)",
                next: "do not log in; the machine, or somebody in between, uses a withdrawn key"
            )
        }
    }

    func advanceLogin() throws(LibraryFailure) {
        guard case .login(var login) = phase else { return }
        while let key = login.current {
            do throws(LibraryFailure) {
                guard try authenticate(with: key) else { return }
                return becomeReady()
            } catch {
                guard edge.disconnectText == nil, Login.refusals.contains(error.code) else { throw error }
                let agentFailed = if case .refused = edge.signature { true } else { false }
                edge.signature = nil
                login.refuse(key, by: error, agentFailed: agentFailed)
                phase = .login(login)
            }
        }
        end(login.fault(at: endpoint))
    }

    private func authenticate(with key: LoginKey) throws(LibraryFailure) -> Bool {
        switch key.secret {
        case .file(let bytes, let passphrase):
            return try handle.authenticate(
                user: endpoint.user,
                publicLine: key.publicLine,
                privateKey: bytes,
                passphrase: passphrase
            )
        case .ed25519(let secret):
            if try handle.authenticate(user: endpoint.user, publicKey: key.publicKey) { return true }
            guard case .wanted(let data) = edge.signature else { return false }
            edge.signature = secret.signature(of: data).map { .made($0) } ?? .refused
            return try handle.authenticate(user: endpoint.user, publicKey: key.publicKey)
        case .agent:
            let isAccepted = try handle.authenticate(user: endpoint.user, publicKey: key.publicKey)
            if case .wanted(let data) = edge.signature { requestSignature(of: data, by: key) }
            return isAccepted
        }
    }

    /// Passes what libssh2 wants signed to the agent, and goes on when its answer comes.
    private func requestSignature(of data: [UInt8], by key: LoginKey) {
        edge.signature = .underWay
        let bound = NIOLoopBound(self, eventLoop: loop)
        guard let agent = settings.agent else { return edge.signature = .refused }
        agent.sign(data, with: key.publicKey).whenComplete { result in
            let session = bound.value
            guard case .underWay = session.edge.signature else { return }
            session.edge.signature = (try? result.get()).map { .made($0) } ?? .refused
            session.pump()
        }
    }

    private func becomeReady() {
        phase = .ready
        timer?.cancel()
        watchLink()
        whenDecided?(nil)
        whenDecided = nil
    }

    private func tooSlow(_ limit: Duration) -> LinkFault {
        let phaseText =
            switch phase {
            case .greeting: "no SSH greeting"
            case .keyExchange: "the key exchange did not end"
            default: "the login did not end"
            }
        return LinkFault(
            .handshakeTimeout,
            "connected, but \(phaseText) within \(limit.text) (\(endpoint.text))",
            next: portHint
        )
    }

    var portHint: String { "ssh -v -p \(endpoint.port) \(endpoint.user)@\(endpoint.address)" }
}
