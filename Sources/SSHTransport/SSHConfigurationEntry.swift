package import ClusterModel

/// What the client configuration sets for one host; nil is "not set", and the inventory wins over all of it.
package struct SSHConfigurationEntry: Sendable, Hashable {
    /// The name the entry was asked for.
    package let alias: String
    /// The name or address to connect to: `HostName` with its tokens replaced, else the alias.
    ///
    /// Names are in lower case, addresses as written: the zone of a link-local one is an interface's name.
    package private(set) var hostName: String
    package private(set) var user: String?
    package private(set) var port: Int?
    /// As written, tokens and all; a `none` among them suppresses the default files and stands for no file.
    package private(set) var identityFiles: [String] = []
    package private(set) var identitiesOnly: Bool?
    /// From the controller outwards; empty is `none`, a direct connection.
    package private(set) var proxyJump: [SSHConfigurationHop]?
    /// As written, tokens and all; `["none"]` is no file.
    package private(set) var userKnownHostsFiles: [String]?
    /// In lower case, as ssh looks it up.
    package private(set) var hostKeyAlias: String?
    /// A ProxyCommand that ssh would use for this host and Rollbook does not, with the place where it is set.
    package private(set) var unsupportedProxyCommand: Diagnostic?

    private var isHostNameSet = false
    private var isProxySet = false

    init(alias: String) {
        self.alias = alias
        hostName = Self.canonical(alias)
    }

    private static func canonical(_ host: String) -> String {
        host.contains(":") || host.contains("%") ? host : String(decoding: host.utf8.asciiLowercased, as: UTF8.self)
    }

    /// Takes a setting unless an earlier one decided; identity files add up.
    mutating func take(_ setting: SSHConfiguration.Setting, at location: SourceLocation) {
        switch setting {
        case .hostName(let template):
            guard !isHostNameSet else { return }
            isHostNameSet = true
            hostName = Self.canonical(SSHConfigurationTokens.hostName(template, alias: alias))
        case .user(let name): user = user ?? name
        case .port(let number): port = port ?? number
        case .identityFile(let path): if !identityFiles.contains(path) { identityFiles.append(path) }
        case .identitiesOnly(let only): identitiesOnly = identitiesOnly ?? only
        case .userKnownHostsFiles(let paths): userKnownHostsFiles = userKnownHostsFiles ?? paths
        case .hostKeyAlias(let name):
            hostKeyAlias = hostKeyAlias ?? String(decoding: name.utf8.asciiLowercased, as: UTF8.self)
        case .proxyJump(let hops):
            // Whichever of ProxyJump and ProxyCommand comes first switches the other off.
            guard !isProxySet else { return }
            isProxySet = true
            proxyJump = hops
        case .proxyCommand(let command):
            guard !isProxySet else { return }
            isProxySet = true
            if command.lowercased() == "none" {
                proxyJump = []
            } else {
                unsupportedProxyCommand = Diagnostic(
                    .warning,
                    at: location,
                    "ProxyCommand is not supported",
                    suggestion: "use ProxyJump for '\(alias)'"
                )
            }
        }
    }
}
