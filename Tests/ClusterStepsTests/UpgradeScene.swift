import ClusterModel
import RemoteShell
import RunEngine
import Synchronization
import TestSupport

@testable import ClusterSteps

/// The Kubernetes of a world in which everything can be upgraded, and a watch over what an upgrade must never do.
///
/// What must never be is an incident: it stays, and is part of the end state.
final class UpgradeScene: Sendable {
    static let wanted = "1.32.13"
    static let old = "1.31.14"

    let kubernetes: SimulatedKubernetes
    private let nodes: SimulatedUpgrade
    private let etcd: SimulatedEtcd
    private let balancers: [String: SimulatedHAProxy]
    private let masters: [String]
    private let incidents = Mutex<[String]>([])

    init(_ cluster: Cluster, time: TestTime, _ etcd: SimulatedEtcd, _ balancers: [String: SimulatedHAProxy]) {
        kubernetes = SimulatedKubernetes(cluster, time: time)
        nodes = SimulatedUpgrade(cluster, from: Self.old)
        self.etcd = etcd
        self.balancers = balancers
        masters = cluster.hosts(in: .master).map(\.name.text)
        let workers = cluster.hosts(in: .worker).map(\.name.text)
        kubernetes.change { state in
            for (number, worker) in workers.enumerated() {
                for pod in ["web-\(number)a", "web-\(number)b"] {
                    state.pods.append(
                        SimulatedKubernetes.Pod(
                            namespace: "demo",
                            name: pod,
                            node: worker,
                            owner: "ReplicaSet/web",
                            labels: "app=web,"
                        )
                    )
                }
            }
            state.budgets.append(SimulatedKubernetes.Budget(name: "web", labels: "app=web,", needed: 1))
            // An operator's own cordon, which is nobody else's business.
            for index in state.nodes.indices where state.nodes[index].name == "master2" {
                state.nodes[index].isCordoned = true
            }
        }
    }

    /// Lets a host be at the version already: with `kubelet`, all of it, else its control plane only.
    func finish(_ names: [String], kubelet: Bool, in trial: EngineTrial) {
        for name in names {
            var values = trial.hosts[name].values
            values["minor"] = "32"
            values["kubeadm"] = Self.wanted
            values["written"] = "yes"
            if masters.contains(name) { values["pods"] = Self.wanted }
            if kubelet { for what in ["kubelet", "kubectl", "running"] { values[what] = Self.wanted } }
            trial.hosts[name].values = values
            if masters.contains(name) { nodes.record.withLock { $0 = Self.wanted } }
            follow(name, values)
        }
    }

    /// Answers the scripts of all that an upgrade does and asks; nil for any other.
    func answer(_ host: inout SimulatedHost, _ own: String, _ script: String, _ arguments: [String]) -> CommandResult? {
        if let answer = measured(&host, script, arguments) { return answer }
        let before = host.values
        if let answer = nodes.answer(&host, script, arguments) {
            let pods = host.values["pods"] != before["pods"]
            let isNewKubelet = host.values["running"] != before["running"] && host.values["running"] == Self.wanted
            if pods || isNewKubelet { judgeOutage(of: own) }
            follow(own, host.values)
            if isNewKubelet { judgeKubelet(of: own) }
            return answer
        }
        return kubernetes.answer(&host, own, script, arguments)
    }

    private static let measuring = AvailabilityScript.look.command("", kubernetes: "", server: "").script

    private func measured(_ host: inout SimulatedHost, _ script: String, _ arguments: [String]) -> CommandResult? {
        guard script == Self.measuring else { return nil }
        switch arguments[0] {
        case "start": host.values["measures"] = arguments[1]
        case "look": return CommandResult(exitCode: host.values["measures"] == arguments[1] ? 0 : 3, text: "")
        case "report":
            host.values["measures"] = nil
            return CommandResult(text: "seconds 600\nread 2900 0 210\nwrite 2890 1 950\n")
        default: host.values["measures"] = nil
        }
        return CommandResult(text: "")
    }

    /// What Kubernetes shows of a host.
    private func follow(_ own: String, _ values: [String: String]) {
        let pods = values["pods"] ?? Self.old
        kubernetes.master(own) { master in
            master.version = pods
            (master.image, master.reported) = ("v\(pods)", "v\(pods)")
        }
        kubernetes.node(own) { $0.kubelet = "v\(values["running"] ?? Self.old)" }
        let configured = nodes.record.withLock { $0 }
        kubernetes.change { $0.configured = "v\(configured)" }
    }

    private func note(_ incident: String) {
        incidents.withLock { if !$0.contains(incident) { $0.append(incident) } }
    }

    /// A master's API server and etcd stop for a moment: only where nobody is connected, and others can do without.
    private func judgeOutage(of own: String) {
        guard masters.contains(own), masters.count > 1 else { return }
        for (name, proxy) in balancers where proxy.now.servers.contains(where: { $0.name == own && $0.admin == 0 }) {
            note("\(own) went away while \(name) sent it clients")
        }
        let state = etcd.now
        if state.sites.contains(where: { $0.name == own && $0.data == state.leader }) {
            note("\(own) went away while its etcd was the leader")
        }
        let left = state.sites.count { $0.isRunning && !$0.isLost && $0.name != own }
        if left * 2 <= state.members.count { note("etcd had no quorum while \(own) was away") }
    }

    private func judgeKubelet(of own: String) {
        let state = kubernetes.now
        for master in state.masters where master.version != Self.wanted {
            note("\(own)'s kubelet is newer than the API server of \(master.name)")
        }
        if let node = state.nodes.first(where: { $0.name == own }), !node.isCordoned {
            note("\(own)'s kubelet was restarted while pods could come to it")
        }
        if state.pods.contains(where: { $0.node == own }) { note("\(own)'s kubelet was restarted under pods") }
    }

    /// After each call to a load balancer.
    func judgeBalancers() {
        for (name, proxy) in balancers {
            let away = proxy.now.servers.filter { $0.admin != 0 }.map(\.name)
            if away.count > 1 { note("\(away.joined(separator: " and ")) were away from \(name)") }
        }
    }

    /// What there is to see in the end.
    func lines(_ trial: EngineTrial) -> [String] {
        let state = kubernetes.now
        let nodes = state.nodes.map { node in
            let cordon =
                !node.isCordoned ? "schedulable" : node.by.isEmpty ? "cordoned by an operator" : "cordoned by a run"
            return "\(node.name): kubelet \(node.kubelet), \(cordon)"
        }
        let effects = state.nodes.map { node in
            let done = trial.hosts[node.name].effects.filter { $0.hasPrefix("restart") || $0.hasPrefix("upgrade") }
            return "\(node.name): did \(done.joined(separator: ", "))"
        }
        return nodes + effects + state.masters.map { "\($0.name): control plane \($0.version)" }
            + ["pods: \(state.pods.count(where: \.isReady)) of \(state.pods.count) ready"]
            + incidents.withLock { $0.map { "incident: \($0)" } }
    }

    /// What a run that is over must not leave.
    func leftovers(_ trial: EngineTrial) -> [String] {
        let marks = kubernetes.now.nodes.filter { !$0.by.isEmpty }.map { "\($0.name): the mark of a cordon is left" }
        let notes = balancers.sorted { $0.key < $1.key }.flatMap { name, proxy in
            proxy.now.servers.filter { $0.heldBy != nil || $0.admin != 0 }.map { "\(name): \($0.name) away is left" }
        }
        return marks + notes
            + masters.filter { trial.hosts[$0].values["measures"] != nil }.map { "\($0): what measures is left" }
    }
}
