import Manifests
import SSHTransport

/// `~/.ssh/config` as the inventory loader asks for it.
struct ClientConfiguration: SSHDefaults {
    private let configuration: SSHConfiguration
    private let surroundings: Surroundings

    init(_ configuration: SSHConfiguration, _ surroundings: Surroundings) {
        self.configuration = configuration
        self.surroundings = surroundings
    }

    func entry(for alias: String) -> SSHDefaultsEntry {
        let found = configuration.entry(for: alias)
        var entry = SSHDefaultsEntry()
        entry.hostName = found.hostName
        entry.port = found.port
        entry.user = found.user
        entry.hostKeyAlias = found.hostKeyAlias
        entry.identitiesOnly = found.identitiesOnly ?? false
        let tokens = SSHConfigurationTokens(
            home: surroundings.home,
            localUser: surroundings.user,
            remoteUser: found.user ?? surroundings.user,
            host: found.hostName,
            port: found.port ?? 22,
            alias: alias,
            hostKeyAlias: found.hostKeyAlias
        )
        entry.identityFiles = found.identityFiles.filter { $0 != "none" }.compactMap { try? tokens.expand($0) }
        entry.knownHosts = (found.userKnownHostsFiles ?? []).filter { $0 != "none" }.compactMap {
            try? tokens.expand($0)
        }
        entry.proxyJump = (found.proxyJump ?? []).map(\.text)
        return entry
    }
}
