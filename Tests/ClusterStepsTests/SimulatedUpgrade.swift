import ClusterModel
import RemoteShell
import RunEngine
import Synchronization
import TestSupport

@testable import ClusterSteps

/// What nodes do with the scripts of the upgrade steps, and the cluster's own record of its version.
///
/// A script is known by its very text. A node keeps its state in its values: versions of packages, of the kubelet that runs and of
/// the manifests, the minor of its repository.
final class SimulatedUpgrade: Sendable {
    /// Version in ConfigMap kubeadm-config.
    let record: Mutex<String>
    private let old: String
    private let cluster: Cluster
    private let state: String

    init(_ cluster: Cluster, from old: String = "1.31.14") {
        self.cluster = cluster
        self.old = old
        state = KubeadmState(paths: cluster.paths).command.script
        record = Mutex(old)
    }

    private static func text(_ parts: [StaticString]) -> String { RemoteCommand(parts).script }
    private static let packages = KubernetesPackages().command.script
    private static let repository = KubernetesRepository().command.script
    private static let functions: [StaticString] = [
        PackageManager.functions, RepositoryEntries.functions, RepositoryScript.functions,
    ]
    private static let configure = text(functions + [RepositoryScript.configure])
    private static let unconfigure = text(functions + [RepositoryScript.undo])
    private static let install = text([PackageManager.functions, PackageManager.install])
    private static let before = text([PackageManager.functions, PackageManager.before])
    private static let goBack = text([PackageManager.functions, RepositoryEntries.functions, UpgradeKubelet.goBack])
    private static let restart = text([KubernetesPackages.running, UpgradeKubelet.script])
    private static let upgrade = text([KubeadmScript.functions, KubeadmScript.upgrade])

    /// Does what a script asks of a node; nil for one that is no upgrade's.
    func answer(_ host: inout SimulatedHost, _ script: String, _ arguments: [String]) -> CommandResult? {
        switch script {
        case Self.packages: return CommandResult(text: packages(of: host))
        case Self.repository: return CommandResult(text: repository(of: host))
        case state: return CommandResult(text: kubeadmState(of: host))
        case Self.configure:
            host.values["minor"] = arguments[1]
            return CommandResult(text: "")
        case Self.unconfigure:
            host.values["minor"] = nil
            return CommandResult(text: "")
        case Self.install: return install(&host, Array(arguments.dropFirst()))
        case Self.before:
            let names = arguments.dropFirst().map { name in "was \(name) \(host.values["was-\(name)"] ?? old)-1.1\n" }
            return CommandResult(text: names.joined())
        case Self.goBack:
            for item in arguments.dropFirst() { set(&host, item) }
            return CommandResult(text: "")
        case Self.restart:
            if host.values["broken"] == arguments[0] {
                return CommandResult(
                    exitCode: 1,
                    text: "",
                    errorText: "the kubelet was restarted, but 3 min later it is ''\n"
                )
            }
            if host.values["running"] ?? old != arguments[0] { host.effects.append("restart \(arguments[0])") }
            host.values["running"] = arguments[0]
            return CommandResult(text: "")
        case Self.upgrade: return upgrade(&host, arguments)
        default: return nil
        }
    }

    private func set(_ host: inout SimulatedHost, _ item: String) {
        let parts = item.split(separator: "=").map(String.init)
        let name = parts[0].replacing("?", with: "")
        if host.values["was-\(name)"] == nil { host.values["was-\(name)"] = host.values[name] ?? old }
        host.values[name] = parts[1]
        if name == "kubeadm" { host.values["written"] = nil }
    }

    private func install(_ host: inout SimulatedHost, _ items: [String]) -> CommandResult {
        let minor = host.values["minor"] ?? "31"
        guard items.allSatisfy({ $0.contains("=1.\(minor).") }) else {
            return CommandResult(exitCode: 1, text: "", errorText: "it is not on offer\n")
        }
        for item in items { set(&host, item) }
        let said = items.map { item in
            let name = item.split(separator: "=")[0].replacing("?", with: "")
            return "was \(name) \(host.values["was-\(name)"] ?? old)-1.1\n"
        }
        return CommandResult(text: said.joined())
    }

    private func upgrade(_ host: inout SimulatedHost, _ arguments: [String]) -> CommandResult {
        let version = arguments[1]
        let isMaster = arguments[2] == "master"
        guard host.values["kubeadm"] == version else {
            return CommandResult(exitCode: 1, text: "", errorText: "kubeadm is not v\(version)\n")
        }
        let known = record.withLock { $0 }
        if !isMaster, known != version {
            return CommandResult(exitCode: 1, text: "", errorText: "its masters come first\n")
        }
        let command = isMaster && known != version ? "apply v\(version) --yes" : "node"
        if isMaster, host.values["pods"] ?? old != version { host.effects.append("upgrade \(command)") }
        if isMaster {
            host.values["pods"] = version
            record.withLock { $0 = version }
        }
        host.values["written"] = "yes"
        return CommandResult(text: "command kubeadm upgrade \(command)\n")
    }

    private func packages(of host: SimulatedHost) -> String {
        func version(_ name: String) -> String { host.values[name] ?? old }
        let rows = ["kubeadm", "kubelet", "kubectl"].map { "\($0) \(version($0))-1.1 held\n" }.joined()
        return
            "[manager]\napt-get\n[packages]\n\(rows)[kubeadm]\nv\(version("kubeadm"))\n[kubelet]\nKubernetes v\(version("kubelet"))\n"
            + "[running]\nKubernetes v\(version("running"))\n[current]\nyes\n[released]\n[end]\n"
    }

    private func repository(of host: SimulatedHost) -> String {
        let minor = host.values["minor"] ?? "31"
        return
            "[manager]\napt-get\n[entries]\n/k.list https://pkgs.k8s.io/core:/stable:/v1.\(minor)/deb/ \(minor) - -\n"
            + "[offered]\n1.\(minor).\(minor == "31" ? "14" : "13")-1.1\n[end]\n"
    }

    private func kubeadmState(of host: SimulatedHost) -> String {
        let isMaster = cluster.hosts(in: .master).contains { host.values["name"] == $0.name.text }
        let pods = KubeadmState.components.map { pod in
            "\(pod) registry.k8s.io/\(pod):\(pod == "etcd" ? "3.5.24-0" : "v\(host.values["pods"] ?? old)")\n"
        }
        let written = host.values["kubeadm"] == nil || host.values["written"] != nil ? "yes\n" : ""
        return
            "[images]\n\(isMaster ? pods.joined() : "")[restorable]\n[parked]\n[leftovers]\n[cut]\n[written]\n\(written)[begun]\n"
            + "[process]\n[free]\n99999999999\n[etcd]\n100\n[spare]\n0\n[end]\n"
    }

    /// What there is to see of every node in the end.
    func endState(_ trial: EngineTrial) -> [String] {
        cluster.hosts.filter { $0.role != .loadBalancer }.map { host in
            let values = trial.hosts[host.name.text].values
            let seen = ["minor", "kubeadm", "kubelet", "kubectl", "running", "pods"].map { values[$0] ?? "-" }
            return "\(host.name) \(seen.joined(separator: " "))"
        }
    }
}
