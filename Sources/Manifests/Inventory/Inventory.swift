package import ClusterModel

/// A valid inventory file: the cluster it names, what is doubtful about it, and which bytes it was.
package struct Inventory: Sendable, Hashable {
    /// The file's path as it was given, for messages.
    package let path: String
    package let cluster: Cluster
    /// Who is told of runs.
    package let notify: NotifyPolicy
    /// What a person should look at; none of it keeps the inventory from being used.
    package let warnings: [Diagnostic]
    /// `sha256:…` of the file's bytes; plans bind it.
    package let digest: String

    package init(
        path: String,
        cluster: Cluster,
        notify: NotifyPolicy = NotifyPolicy(),
        warnings: [Diagnostic],
        digest: String
    ) {
        self.path = path
        self.cluster = cluster
        self.notify = notify
        self.warnings = warnings
        self.digest = digest
    }
}

/// What an inventory takes from its surroundings; given by the caller, so that loading is a pure function.
package struct InventoryContext: Sendable {
    /// What `~` stands for, absolute.
    package var homeDirectory: String
    /// The login name used when neither the inventory nor `~/.ssh/config` names one, as OpenSSH does.
    package var user: String
    /// What a relative path of the inventory file itself is relative to, absolute.
    package var workingDirectory: String
    /// Private keys offered when nothing names one: those of OpenSSH's defaults that exist.
    package var defaultIdentityFiles: [String]
    package var sshDefaults: any SSHDefaults

    package init(
        homeDirectory: String,
        user: String,
        workingDirectory: String,
        defaultIdentityFiles: [String] = [],
        sshDefaults: any SSHDefaults = NoSSHDefaults()
    ) {
        self.homeDirectory = homeDirectory
        self.user = user
        self.workingDirectory = workingDirectory
        self.defaultIdentityFiles = defaultIdentityFiles
        self.sshDefaults = sshDefaults
    }
}

/// What `~/.ssh/config` says; the inventory wins over it.
package protocol SSHDefaults: Sendable {
    /// The settings for a host as a person would name it to `ssh`; empty when nothing matches.
    func entry(for alias: String) -> SSHDefaultsEntry
}

/// The settings of `~/.ssh/config` for one host, with `~` and tokens resolved.
package struct SSHDefaultsEntry: Sendable, Hashable {
    package var hostName: String?
    package var port: Int?
    package var user: String?
    package var identityFiles: [String] = []
    package var identitiesOnly = false
    package var knownHosts: [String] = []
    package var hostKeyAlias: String?
    /// Hops as written, `[user@]host[:port]`; empty for none.
    package var proxyJump: [String] = []

    package init() {}
}

/// No `~/.ssh/config`.
package struct NoSSHDefaults: SSHDefaults {
    package init() {}

    package func entry(for alias: String) -> SSHDefaultsEntry { SSHDefaultsEntry() }
}
