import ClusterModel
import RemoteShell
import Synchronization

/// The user's keys: read from their files once, checked as OpenSSH checks them, and kept for the run.
final class KeyRing: Sendable {

    private let cache = Mutex<[SSHIdentity: LoginKey]>([:])

    init(agentSocketPath: String?) {}

    /// The keys to try for `host`, in the order of its identities.
    ///
    /// An identity that cannot be used is an error only when none is left.
    func keys(for host: Host) async throws(TransportError) -> [LoginKey] {
        var keys: [LoginKey] = []
        var first: LinkFault?
        for identity in host.ssh.identities {
            do throws(LinkFault) {
                keys += try load(identity)
            } catch {
                first = first ?? error
            }
        }
        if keys.isEmpty, let first { throw first.error(for: host.name) }
        return keys
    }

    private func load(_ identity: SSHIdentity) throws(LinkFault) -> [LoginKey] {
        if let known = cache.withLock({ $0[identity] }) { return [known] }
        switch identity {
        case .agent: return []
        case .file(let path, let passphraseFile):
            let key = try PrivateKeyFile.load(path, passphraseFile: passphraseFile)
            cache.withLock { $0[identity] = key }
            return [key]
        }
    }
}
