import ClusterModel
import Manifests

/// What the fixtures are read with: a home, a user, a folder and a small `~/.ssh/config`.
extension InventoryContext {
    static let sample = InventoryContext(
        homeDirectory: "/home/op",
        user: "op",
        workingDirectory: "/srv/ops",
        defaultIdentityFiles: [],
        sshDefaults: SampleSSHConfig()
    )
}

/// `bastion` and `m1.example` have entries; `m1.example` is reached through `bastion`.
struct SampleSSHConfig: SSHDefaults {
    func entry(for alias: String) -> SSHDefaultsEntry {
        var entry = SSHDefaultsEntry()
        switch alias {
        case "bastion":
            entry.hostName = "203.0.113.9"
            entry.port = 2222
            entry.user = "jumper"
        case "m1.example":
            entry.hostName = "10.8.0.1"
            entry.identityFiles = ["/home/op/.ssh/work"]
            entry.knownHosts = ["/home/op/.ssh/known_work"]
            entry.hostKeyAlias = "m1"
            entry.proxyJump = ["bastion"]
        default: break
        }
        return entry
    }
}

/// Warnings or errors as shown, then the cluster as text.
func describe(inventory bytes: [UInt8], path: String) -> String {
    do {
        let inventory = try InventoryLoader.load(bytes, path: path, context: .sample)
        return (inventory.warnings.map(\.rendered) + describe(inventory.cluster) + describe(inventory.notify))
            .joined(separator: "\n") + "\n"
    } catch {
        return error.description + "\n"
    }
}

private func describe(_ cluster: Cluster) -> [String] {
    let networks = [cluster.networks.nodes, cluster.networks.pods, cluster.networks.services].map { $0 ?? "-" }
    let backup = cluster.backup
    let keep = backup.retention
    return [
        "cluster \(cluster.id) \(cluster.topology.rawValue) vip \(cluster.vip ?? "-") port \(cluster.apiPort)",
        "networks \(networks.joined(separator: " "))",
        "paths \(cluster.paths.etcdData) \(cluster.paths.pki) \(cluster.paths.haproxy)",
        "backup \(backup.snapshotFrom.rawValue) \(backup.encryption.rawValue) \(backup.recipients)"
            + " file \(backup.recipientsFile ?? "-") \(backup.whenDegraded.rawValue) every \(backup.interval.brief)"
            + " metrics \(backup.metricsFile ?? "-") ping \(backup.pingURL ?? "-")",
        "keep last \(keep.last) daily \(keep.daily) weekly \(keep.weekly) monthly \(keep.monthly) good \(keep.minGood)",
    ] + cluster.hosts.map(describe)
}

private func describe(_ policy: NotifyPolicy) -> [String] {
    func address(_ address: NotifyPolicy.Address) -> String {
        switch address {
        case .url(let url): "\(url.text) shown as \(url)"
        case .file(let path): "in \(path)"
        }
    }
    func filter(_ filter: NotifyPolicy.Filter) -> String {
        "on \(filter.on.map(\.rawValue).sorted()) of \(filter.runbooks.isEmpty ? "all" : "\(filter.runbooks)")"
    }
    return policy.webhooks.map {
        "webhook \($0.preset.rawValue) \(address($0.address)) secret \($0.secretFile ?? "-") \(filter($0.filter))"
    } + policy.commands.map { "command \($0.words) \(filter($0.filter))" }
        + policy.pings.map { "ping \(address($0.address)) \(filter($0.filter))" }
        + (policy.metricsFile.map { ["run metrics \($0)"] } ?? [])
}

private func describe(_ host: Host) -> String {
    let ssh = host.ssh
    let keys = ssh.identities.map { identity in
        switch identity {
        case .agent: "agent"
        case .file(let path, let passphrase): path + (passphrase.map { " (\($0))" } ?? "")
        }
    }
    let become =
        switch ssh.become {
        case .no: "no"
        case .sudo: "sudo"
        case .sudoWithPassword(let file): "sudo (\(file))"
        }
    let hops = ssh.jump.map { "\($0.name)=\($0.user)@\($0.address):\($0.port)" }
    let labels = host.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    return "\(host.role.rawValue) \(host.name) \(ssh.user)@\(ssh.address):\(ssh.port) as \(host.clusterAddress)"
        + " keys \(keys) known \(ssh.knownHosts) alias \(ssh.hostKeyAlias ?? "-") via \(hops) become \(become)"
        + " timeout \(ssh.connectTimeout.brief) labels \(labels)"
}
