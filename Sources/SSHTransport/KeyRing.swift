import ClusterModel
import FoundationEssentials
import NIOCore
import RemoteShell

/// The user's keys: files are read once, checked as OpenSSH checks them and kept for the run; the agent is asked each time.
actor KeyRing {
    /// What RSA keys need, said wherever one is met without it.
    private static let rsaNeeds = "RSA keys need libssh2 1.11 or later (this is \(LibSSH2.version)); use an ed25519 key"

    private let listAgent: @Sendable () -> EventLoopFuture<[AgentMessage.Identity]>
    /// Being an actor, it reads and decrypts a file once even when fifty hosts ask at the same time.
    private var cache: [SSHIdentity: LoginKey] = [:]

    init(listAgent: @escaping @Sendable () -> EventLoopFuture<[AgentMessage.Identity]>) { self.listAgent = listAgent }

    /// The keys to try for `host`, in the order of its identities.
    ///
    /// An identity that cannot be used is an error only when none is left.
    func keys(for host: Host) async throws(TransportError) -> [LoginKey] {
        var keys: [LoginKey] = []
        var first: LinkFault?
        for identity in host.ssh.identities {
            do throws(LinkFault) {
                switch identity {
                case .agent: keys += try await agentKeys()
                case .file(let path, let passphraseFile): keys.append(try fileKey(path, passphraseFile, identity))
                }
            } catch {
                first = first ?? error
            }
        }
        if keys.isEmpty {
            throw (first ?? Self.nothingNamed).error(for: host.name)
        }
        return keys
    }

    // MARK: Files

    private func fileKey(
        _ path: String,
        _ passphraseFile: String?,
        _ identity: SSHIdentity
    ) throws(LinkFault) -> LoginKey {
        if let known = cache[identity] { return known }
        let bytes = try SecretFile.read(path)
        guard let file = PrivateKeyFile(bytes) else {
            throw LinkFault(.authenticationFailed, "\(path) is not a private key", next: "name the file without .pub")
        }
        let publicKey = file.publicKey ?? Self.publicKey(beside: path)
        let isRSA = file.isRSA || publicKey.map { HostKey.type(of: $0) == "ssh-rsa" } ?? false
        guard LibSSH2.isModern || !isRSA else {
            throw LinkFault(.authenticationFailed, "\(Self.rsaNeeds) (\(path))", next: "ssh-keygen -t ed25519")
        }
        guard !file.isEncrypted || passphraseFile != nil else {
            throw LinkFault(
                .authenticationFailed,
                "key \(path) needs a passphrase",
                next: "name a passphraseFile for it in the inventory, or load it into an agent: ssh-add \(path)"
            )
        }
        let name = publicKey.map { "\(HostKey.type(of: $0)) \(HostKey.fingerprint(of: $0)) (\(path))" } ?? path
        var secret = LoginKey.Secret.file(bytes + [0], passphrase: nil)
        if file.isEncrypted, let passphraseFile {
            let passphrase = try Self.passphrase(in: passphraseFile)
            secret = .file(bytes + [0], passphrase: passphrase)
            switch file.container?.decrypted(with: passphrase) {
            case .plain(let plain):
                secret = .file(plain + [0], passphrase: nil)
                if let key = PrivateKeyFile(plain)?.container?.signingKey { secret = .ed25519(key) }
            case .wrongPassphrase: throw LinkFault(.authenticationFailed, "wrong passphrase for key \(name)")
            case .unsupported, nil: break
            }
        }
        if let key = file.container?.signingKey { secret = .ed25519(key) }
        let key = LoginKey(name: name, publicKey: publicKey, secret: secret)
        cache[identity] = key
        return key
    }

    /// The first line of the file; a passphrase has no line break.
    private static func passphrase(in path: String) throws(LinkFault) -> String {
        let line = try SecretFile.read(path).prefix { $0 != UInt8(ascii: "\n") && $0 != 0 }
        return String(decoding: line, as: UTF8.self)
    }

    private static func publicKey(beside path: String) -> [UInt8]? {
        (try? Data(contentsOf: URL(filePath: path + ".pub"))).flatMap { PrivateKeyFile.publicKey(inLine: Array($0)) }
    }

    // MARK: Agent

    private func agentKeys() async throws(LinkFault) -> [LoginKey] {
        let identities: [AgentMessage.Identity]
        do {
            identities = try await listAgent().get()
        } catch {
            throw error as? LinkFault ?? LinkFault(.authenticationFailed, "the SSH agent cannot be used: \(error)")
        }
        let usable = identities.filter { LibSSH2.isModern || HostKey.type(of: $0.publicKey) != "ssh-rsa" }
        guard !usable.isEmpty else {
            throw identities.isEmpty
                ? LinkFault(.authenticationFailed, "the SSH agent holds no keys", next: "ssh-add")
                : LinkFault(
                    .authenticationFailed,
                    "the SSH agent holds only RSA keys; \(Self.rsaNeeds)",
                    next: "ssh-add"
                )
        }
        return usable.map { identity in
            let type = HostKey.type(of: identity.publicKey)
            let name = "\(type) \(HostKey.fingerprint(of: identity.publicKey)) (agent, \(identity.comment))"
            return LoginKey(name: name, publicKey: identity.publicKey, secret: .agent)
        }
    }

    private static let nothingNamed = LinkFault(
        .authenticationFailed,
        "no SSH key is named for this host",
        next: "name one under ssh.identities in the inventory"
    )
}
