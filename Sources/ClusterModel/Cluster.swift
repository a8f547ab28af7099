/// Where etcd runs: as a static pod on every master, or on hosts of its own.
package enum EtcdTopology: String, Sendable, Hashable, Codable, CaseIterable { case stacked, external }

/// Files and folders on the hosts, with kubeadm's and Debian's defaults.
package struct ClusterPaths: Sendable, Hashable, Codable {
    package var etcdData = "/var/lib/etcd"
    package var pki = "/etc/kubernetes/pki"
    package var kubernetes = "/etc/kubernetes"
    package var haproxy = "/etc/haproxy/haproxy.cfg"
    package var keepalived = "/etc/keepalived/keepalived.conf"
    package var nginx = "/etc/nginx/nginx.conf"

    package init() {}
}

/// What the nightly backup takes, keeps and tells.
package struct BackupPolicy: Sendable, Hashable {
    package enum SnapshotSource: String, Sendable, Hashable, Codable, CaseIterable { case all, one }
    package enum Encryption: String, Sendable, Hashable, Codable, CaseIterable { case none, optional, required }
    /// What to do with a cluster that works but is not whole (a member down, a host unreachable).
    package enum WhenDegraded: String, Sendable, Hashable, Codable, CaseIterable { case store, refuse }

    package var snapshotFrom: SnapshotSource = .all
    package var encryption: Encryption = .none
    /// age recipients (`age1…` or an SSH public key); public, so they may stand in the inventory.
    package var recipients: [String] = []
    /// File on the controller with further recipients, one a line, read when a backup begins; or nil.
    package var recipientsFile: String?
    package var whenDegraded: WhenDegraded = .store
    package var retention = RetentionPolicy()
    /// File for node_exporter's textfile collector on the controller, or nil.
    package var metricsFile: String?
    /// Dead-man URL told of start, success and failure, or nil.
    package var pingURL: String?
    /// How often backups are expected, used to doubt the clock and by `backups status`.
    package var interval: Duration = .seconds(86400)

    package init() {}
}

/// Grandfather-father-son counts; the newest good backup and `minGood` good ones stay whatever the counts say.
package struct RetentionPolicy: Sendable, Hashable, Codable {
    package var last = 3
    package var daily = 7
    package var weekly = 5
    package var monthly = 12
    package var minGood = 3

    package init() {}
}

/// The three address ranges of a cluster, as CIDR texts that were checked when the inventory was read.
package struct ClusterNetworks: Sendable, Hashable, Codable {
    package var nodes: String?
    package var pods: String?
    package var services: String?

    package init() {}
}

/// One cluster: the typed form of an inventory file.
///
/// Hosts keep the order of the file, always.
package struct Cluster: Sendable, Hashable, Codable {
    package let id: ClusterID
    package let topology: EtcdTopology
    package let vip: String?
    package let apiPort: Int
    package let networks: ClusterNetworks
    package let paths: ClusterPaths
    package private(set) var backup: BackupPolicy
    /// What is wanted of checks, where it is not the usual; nil for nothing special.
    package let preflight: [CheckName: CheckPolicy]?
    package let hosts: [Host]

    package init(
        id: ClusterID,
        topology: EtcdTopology = .stacked,
        vip: String? = nil,
        apiPort: Int = 6443,
        networks: ClusterNetworks = ClusterNetworks(),
        paths: ClusterPaths = ClusterPaths(),
        backup: BackupPolicy = BackupPolicy(),
        preflight: [CheckName: CheckPolicy]? = nil,
        hosts: [Host]
    ) {
        self.id = id
        self.topology = topology
        self.vip = vip
        self.apiPort = apiPort
        self.networks = networks
        self.paths = paths
        self.backup = backup
        self.preflight = preflight
        self.hosts = hosts
    }

    package func hosts(in role: Role) -> [Host] { hosts.filter { $0.role == role } }

    /// The hosts that run etcd members: the masters when stacked, the etcd hosts when external.
    package var etcdHosts: [Host] { hosts(in: topology == .stacked ? .master : .etcd) }

    package func policy(of check: CheckName) -> CheckPolicy { preflight?[check] ?? CheckPolicy() }

    package func host(named name: HostName) -> Host? { hosts.first { $0.name == name } }

    /// The cluster as a plan holds it: without the ping URL, which is a capability; whoever resumes a run has the inventory.
    package var asPlanned: Cluster {
        var cluster = self
        cluster.backup.pingURL = nil
        return cluster
    }
}
