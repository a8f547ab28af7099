import CLibSSH2
import FoundationEssentials
import RemoteShell

/// A key to try: what it is called in messages, and how it signs.
struct LoginKey: Sendable, Hashable {
    enum Secret: Sendable, Hashable {
        /// The bytes of the file and a zero byte.
        case file([UInt8], passphrase: String?)
        /// Signs here; what `file` does, without libssh2 reading the file for every login.
        case ed25519(Ed25519Key)
        case agent
    }

    /// `ssh-ed25519 SHA256:… (/root/.ssh/id_ed25519)`.
    let name: String
    /// The public key blob; empty when the file does not show it without its secret.
    let publicKey: [UInt8]
    /// The public key as a line of authorized_keys, or nil when it is not known.
    let publicLine: String?
    let secret: Secret

    init(name: String, publicKey: [UInt8]?, secret: Secret) {
        self.name = name
        self.publicKey = publicKey ?? []
        publicLine = publicKey.map { "\(HostKey.type(of: $0)) \(Data($0).base64EncodedString())" }
        self.secret = secret
    }
}

/// The state of a login: keys still to try, and what became of those that were tried.
struct Login: Sendable, Hashable {
    /// Keys offered to one host at most, so that no lockout or `MaxAuthTries` is ever reached.
    static let maximumKeys = 2
    /// Failures that concern one key only; the next one may do.
    static let refusals = [
        LIBSSH2_ERROR_AUTHENTICATION_FAILED, LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED, LIBSSH2_ERROR_FILE,
        LIBSSH2_ERROR_KEYFILE_AUTH_FAILED, LIBSSH2_ERROR_METHOD_NONE,
    ]

    private var remaining: ArraySlice<LoginKey>
    private var refused: [String] = []
    private var problems: [String] = []

    init(keys: [LoginKey]) { remaining = keys.prefix(Self.maximumKeys) }

    var current: LoginKey? { remaining.first }

    mutating func refuse(_ key: LoginKey, by failure: LibraryFailure, agentFailed: Bool) {
        remaining = remaining.dropFirst()
        if agentFailed { return problems.append("the SSH agent did not sign with key \(key.name)") }
        switch failure.code {
        case LIBSSH2_ERROR_FILE, LIBSSH2_ERROR_KEYFILE_AUTH_FAILED, LIBSSH2_ERROR_METHOD_NONE:
            if case .file(_, .some) = key.secret {
                problems.append("wrong passphrase for key \(key.name)")
            } else {
                problems.append("libssh2 cannot read key \(key.name)")
            }
        default:
            refused.append(key.name)
        }
    }

    /// Why no key served, as one sentence.
    func fault(at endpoint: Endpoint) -> LinkFault {
        var parts = problems
        if !refused.isEmpty {
            let keys = refused.joined(separator: " and ")
            parts.append("the server refused user \(endpoint.user) with \(refused.count == 1 ? "key" : "keys") \(keys)")
        }
        if parts.isEmpty { parts = ["there is no key to log in with as \(endpoint.user)"] }
        return LinkFault(
            .authenticationFailed,
            "\(parts.joined(separator: "; ")) (\(endpoint.text))",
            next: refused.isEmpty
                ? nil
                : "add the public key to authorized_keys of \(endpoint.user) on \(endpoint.name), or name another key"
        )
    }
}
