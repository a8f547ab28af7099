/// What a host does in the cluster; every host of an inventory has exactly one role.
package enum Role: String, Sendable, Hashable, Codable, CaseIterable {
    case master
    case worker
    case loadBalancer
    /// A member of an external etcd cluster.
    case etcd
}

/// How to become root on a host.
package enum Become: Sendable, Hashable {
    /// The login user is root already.
    case no
    /// `sudo -n`: never asks.
    case sudo
    /// `sudo -S` with the password from this controller-side file, on standard input only.
    case sudoWithPassword(file: String)
}

/// Where an SSH private key comes from.
package enum SSHIdentity: Sendable, Hashable {
    case file(path: String, passphraseFile: String?)
    case agent
}

/// One hop on the way to a host: a host of the inventory, or `user@address:port` written out.
package struct JumpHop: Sendable, Hashable, Codable {
    package let name: String
    package let address: String
    package let port: Int
    package let user: String

    package init(name: String, address: String, port: Int, user: String) {
        self.name = name
        self.address = address
        self.port = port
        self.user = user
    }
}

/// Everything needed to log in to a host, after defaults, overrides and `~/.ssh/config` were merged.
package struct SSHSettings: Sendable, Hashable {
    package var address: String
    package var port: Int
    package var user: String
    package var identities: [SSHIdentity]
    /// Known-hosts files in the order they are read.
    package var knownHosts: [String]
    /// The name looked up in known hosts instead of the address, as OpenSSH's `HostKeyAlias`.
    package var hostKeyAlias: String?
    /// Hops from the controller outwards; empty means a direct connection.
    package var jump: [JumpHop]
    package var become: Become
    /// Limit for TCP connect, and again for handshake and login.
    package var connectTimeout: Duration

    package init(
        address: String,
        port: Int = 22,
        user: String = "root",
        identities: [SSHIdentity] = [],
        knownHosts: [String] = [],
        hostKeyAlias: String? = nil,
        jump: [JumpHop] = [],
        become: Become = .no,
        connectTimeout: Duration = .seconds(10)
    ) {
        self.address = address
        self.port = port
        self.user = user
        self.identities = identities
        self.knownHosts = knownHosts
        self.hostKeyAlias = hostKeyAlias
        self.jump = jump
        self.become = become
        self.connectTimeout = connectTimeout
    }
}

/// One machine of the cluster.
package struct Host: Sendable, Hashable, Codable {
    package let name: HostName
    package let role: Role
    package let ssh: SSHSettings
    /// The address by which the other hosts of the cluster know it; differs from `ssh.address` behind NAT.
    package let clusterAddress: String
    package let labels: [String: String]

    package init(
        name: HostName,
        role: Role,
        ssh: SSHSettings,
        clusterAddress: String? = nil,
        labels: [String: String] = [:]
    ) {
        self.name = name
        self.role = role
        self.ssh = ssh
        self.clusterAddress = clusterAddress ?? ssh.address
        self.labels = labels
    }
}
