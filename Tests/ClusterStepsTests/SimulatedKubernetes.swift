import ClusterModel
import RemoteShell
import RunEngine
import Synchronization
import TestSupport

@testable import ClusterSteps

/// The Kubernetes of a cluster, as kubectl on any master shows it: nodes, pods that can be evicted and come back elsewhere, budgets.
///
/// It answers the scripts of facts and steps, each known by what only it contains, and moves the clock on where they would wait.
final class SimulatedKubernetes: Sendable {
    struct Node {
        let name: String
        let address: String
        var kubelet = "v1.31.14"
        var isReady = true
        var isCordoned = false
        var by = ""
        /// Seconds since its kubelet renewed its lease.
        var lease: Int64 = 5
    }

    struct Pod {
        let namespace: String
        var name: String
        var node: String
        var owner = ""
        var labels = ""
        var isLocal = false
        var isReady = true
        /// It is evicted, and does not end.
        var isStuck = false
        var isTerminating = false
        var age: Int64 = 86400
        var waiting = ""
    }

    struct Budget {
        let name: String
        let labels: String
        let needed: Int
    }

    /// One master's own control plane.
    struct Master {
        let name: String
        var version = "1.31.14"
        var image = "v1.31.14"
        /// What its kubelet reports of its static pods.
        var reported = "v1.31.14"
        var isReady = true
        var livez = "ok"
        var age = 600
        var uid = "0a7c0000-1111-4222-8333-444455556666"
        var vip = "ok"
        var podsReady = true
    }

    struct State {
        var nodes: [Node]
        var masters: [Master]
        var pods: [Pod] = []
        var budgets: [Budget] = []
        var webhooks = ""
        var configured = "v1.31.14"
        var etcdTag = ""
        var leaseAge: Int64 = 2
        /// Evicted pods come back and never get ready.
        var isFull = false
        /// Calls of `kubectl drain`, and by which master.
        var drains: [String] = []
        /// This master goes off during its next drain.
        var dying: String?
        var made = 0
    }

    private let state: Mutex<State>
    private let time: TestTime
    private let vip: String?

    init(_ cluster: Cluster, time: TestTime) {
        let nodes = cluster.hosts.filter { $0.role == .master || $0.role == .worker }
        let masters = cluster.hosts(in: .master)
        state = Mutex(
            State(
                nodes: nodes.map { Node(name: $0.name.text, address: $0.clusterAddress) },
                masters: masters.map { Master(name: $0.name.text) }
            )
        )
        self.time = time
        vip = cluster.vip
    }

    func change(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }
    var now: State { state.withLock { $0 } }

    func node(_ name: String, _ body: (inout Node) -> Void) {
        change { state in
            for index in state.nodes.indices where state.nodes[index].name == name { body(&state.nodes[index]) }
        }
    }

    func master(_ name: String, _ body: (inout Master) -> Void) {
        change { state in
            for index in state.masters.indices where state.masters[index].name == name { body(&state.masters[index]) }
        }
    }

    private var seconds: Int64 { time.now.seconds }

    /// What a script prints on a host; nil for one it does not know.
    func answer(_ host: inout SimulatedHost, _ own: String, _ script: String, _ arguments: [String]) -> CommandResult? {
        guard let master = now.masters.first(where: { $0.name == own }) else { return nil }
        if script.contains("/readyz\" 2>&1") {
            return text(
                "[manifest]\nyes\n[answer]\n" + (master.isReady ? "ok\n200\n" : "curl: (7) no\n000\n") + "[end]\n"
            )
        }
        guard script.contains("K() {") else { return nil }
        if script.contains("ask readyz") { return text(controlPlane(master)) }
        guard master.isReady else {
            return CommandResult(exitCode: 1, text: "", errorText: "The connection to the server was refused\n")
        }
        let values = Array(arguments.dropFirst(4))
        if script.contains("K drain") { return drain(&host, own, values) }
        if script.contains("K patch") { return patch(script, values) }
        if script.contains("K get nodes,leases") { return text(nodes()) }
        if script.contains("K get pods -A") {
            return text(pods(values.first?.split(separator: "=").last.map(String.init)))
        }
        if script.contains("K get poddisruptionbudgets") { return text(workloads()) }
        if script.contains("K get validatingwebhook") { return text(now.webhooks + "end\n") }
        if script.contains("configmap kubeadm-config") {
            let tag = now.etcdTag.isEmpty ? "" : "etcd:\n  local:\n    imageTag: \(now.etcdTag)\n"
            return text("apiVersion: kubeadm.k8s.io/v1beta4\n\(tag)kubernetesVersion: \(now.configured)\n\nend\n")
        }
        if script.contains("-l tier=control-plane") { return text(staticPods()) }
        return nil
    }

    /// What a fact prints on a master; nil for a fact that is none of Kubernetes.
    func planned(_ fact: String, about master: String) -> String? {
        switch fact {
        case ClusterConfiguration.name: "kubernetesVersion: \(now.configured)\nend\n"
        case ClusterNodes.name: nodes()
        case ClusterPods.name: pods(nil)
        case ClusterWebhooks.name: now.webhooks + "end\n"
        case ClusterWorkloads.name: workloads()
        case ControlPlaneState.name: now.masters.first { $0.name == master }.map(controlPlane) ?? "end\n"
        case StaticPods.name: staticPods()
        default: nil
        }
    }

    private func text(_ text: String) -> CommandResult { CommandResult(exitCode: 0, text: text) }
    private func moment(_ age: Int64) -> String { UTCMoment(seconds: seconds - age).description }

    private func nodes() -> String {
        var lines = now.nodes.map { node in
            [
                "node", node.name, node.kubelet, node.isReady ? "True KubeletReady" : "Unknown NodeStatusUnknown",
                node.isCordoned ? "cordoned" : "", node.by, "", "\(node.address) \(node.name) ",
            ]
            .joined(separator: "\t")
        }
        lines += now.nodes.map { "lease\tkube-node-lease\t\($0.name)\t\(moment($0.lease))" }
        lines += ClusterNodes.components.sorted().map { "lease\tkube-system\t\($0)\t\(moment(now.leaseAge))" }
        return lines.joined(separator: "\n") + "\nclock\t\(seconds)\nend\n"
    }

    private func pods(_ node: String?) -> String {
        now.pods.filter { node == nil || $0.node == node }.map { pod in
            [
                "pod", pod.namespace, pod.name, pod.node, pod.node.isEmpty ? "Pending" : "Running",
                pod.isTerminating ? "terminating" : "", pod.owner, "", pod.isLocal ? "local" : "",
                pod.isReady ? "True" : "False", moment(pod.age), pod.waiting, pod.labels,
            ]
            .joined(separator: "\t") + "\n"
        }
        .joined() + "end\n"
    }

    private static func ready(_ budget: Budget, _ state: State) -> (healthy: Int, expected: Int) {
        let covered = state.pods.filter { $0.labels == budget.labels && !$0.isTerminating }
        return (covered.count(where: \.isReady), covered.count)
    }

    private func workloads() -> String {
        let state = now
        let budgets = state.budgets.map { budget in
            let (healthy, expected) = Self.ready(budget, state)
            return "budget\tdemo\t\(budget.name)\t\(max(0, healthy - budget.needed))\t\(healthy)\t\(budget.needed)\t"
                + "\(expected)\tselects\t\(budget.labels)\t\n"
        }
        let owners = Set(state.pods.filter { $0.owner.hasPrefix("ReplicaSet/") }.map(\.owner)).sorted()
        return budgets.joined()
            + owners.map { owner in
                let own = state.pods.filter { $0.owner == owner && !$0.isTerminating }
                let name = owner.split(separator: "/")[1]
                return "workload\tReplicaSet\tdemo\t\(name)\t\(own.count)\t\(own.count(where: \.isReady))\n"
            }
            .joined() + "end\n"
    }

    private func staticPods() -> String {
        now.masters.flatMap { master in
            ["kube-apiserver", "kube-controller-manager", "kube-scheduler"].map { part in
                let image = "registry.k8s.io/\(part):\(master.reported)"
                return
                    "pod\t\(master.name)\t\(part)\t\(image) \t\(image) \t\(master.podsReady ? "True" : "False")\t0 \n"
            }
        }
        .joined() + "end\n"
    }

    private func controlPlane(_ master: Master) -> String {
        var lines: [String] = []
        for part in ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
            lines.append("image\t\(part)\tregistry.k8s.io/\(part):\(master.image)")
            lines.append("age\t\(part)\t\(master.age)")
        }
        func ask(_ what: String, _ answer: String) {
            lines.append("\(what)\t\(answer == "ok" ? "ok" : "no")\t\(answer)")
        }
        guard master.isReady else {
            for what in ["version", "readyz", "livez"] { ask(what, "The connection to the server was refused") }
            return lines.joined(separator: "\n") + "\nend\n"
        }
        lines.append("version\tok\t{ \"gitVersion\": \"v\(master.version)\" }")
        ask("readyz", "ok")
        ask("livez", master.livez)
        if vip != nil { ask("vip", master.vip) }
        lines.append("cluster\t\(master.uid)")
        return lines.joined(separator: "\n") + "\nend\n"
    }

    private func patch(_ script: String, _ values: [String]) -> CommandResult {
        state.withLock { state in
            guard let index = state.nodes.firstIndex(where: { $0.name == values[0] }) else {
                return CommandResult(
                    exitCode: 1,
                    text: "",
                    errorText: "Error from server (NotFound): nodes not found\n"
                )
            }
            defer { assert(state.nodes[index].name == values[0]) }
            let node = state.nodes[index]
            if script.contains("\"unschedulable\":true") {
                if node.isCordoned { return text("already \(node.by)\n") }
                state.nodes[index].isCordoned = true
                state.nodes[index].by = values[1]
                return text("cordoned\n")
            }
            if node.by.isEmpty { return text(node.isCordoned ? "kept\n" : "schedulable\n") }
            if !values[1].isEmpty, values[1] != node.by { return text("kept\n") }
            state.nodes[index].isCordoned = false
            state.nodes[index].by = ""
            return text(node.isCordoned ? "uncordoned\n" : "schedulable\n")
        }
    }

    /// As `kubectl drain` with its flags, for so many seconds.
    private func drain(_ host: inout SimulatedHost, _ own: String, _ values: [String]) -> CommandResult {
        let node = values[0]
        let seconds = Int(values[1]) ?? 0
        let dies = state.withLock { state in
            state.drains.append(own)
            return state.dying == own
        }
        if dies {
            host.isUp = false
            return CommandResult(exitCode: 255, text: "")
        }
        var said = ""
        var complaint = ""
        var waited = 0
        while true {
            let left = state.withLock { state -> [Pod] in
                let leaving = state.pods.filter { $0.node == node && !$0.owner.hasPrefix("DaemonSet/") }
                if let local = leaving.first(where: \.isLocal), !values.contains("--delete-emptydir-data") {
                    complaint =
                        "cannot delete Pods with local storage (use --delete-emptydir-data to override): demo/\(local.name)\n"
                    return leaving
                }
                if let bare = leaving.first(where: { $0.owner.isEmpty }), !values.contains("--force") {
                    complaint =
                        "cannot delete cannot delete Pods that declare no controller (use --force to override): demo/\(bare.name)\n"
                    return leaving
                }
                for pod in leaving { Self.evict(pod, &state) }
                return state.pods.filter { $0.node == node && !$0.owner.hasPrefix("DaemonSet/") }
            }
            if left.isEmpty {
                said = "node/\(node) drained\ndrain\t0\n"
                break
            }
            if complaint.isEmpty, waited < seconds {
                waited += 5
                time.advance(by: .seconds(5))
                continue
            }
            if complaint.isEmpty {
                complaint = left.map {
                    "error when evicting pods/\"\($0.name)\" -n \"demo\": global timeout reached: \(seconds)s\n"
                }
                .joined()
            }
            said = "drain\t1\n"
            break
        }
        return CommandResult(exitCode: 0, text: said + pods(node), errorText: complaint)
    }

    private static func evict(_ pod: Pod, _ state: inout State) {
        guard let index = state.pods.firstIndex(where: { $0.name == pod.name }) else { return }
        if pod.isStuck {
            state.pods[index].isTerminating = true
            return
        }
        for budget in state.budgets where budget.labels == pod.labels {
            guard ready(budget, state).healthy > budget.needed else { return }
        }
        state.pods.remove(at: index)
        guard !pod.owner.isEmpty else { return }
        state.made += 1
        var new = pod
        new.name = "\(pod.owner.split(separator: "/")[1])-new\(state.made)"
        new.node = state.isFull ? "" : state.nodes.first { !$0.isCordoned && $0.name.hasPrefix("worker") }?.name ?? ""
        new.isReady = !new.node.isEmpty
        new.age = 10
        state.pods.append(new)
    }
}
