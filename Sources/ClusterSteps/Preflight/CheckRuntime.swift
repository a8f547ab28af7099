package import ClusterModel
package import RunEngine

/// `preflight.runtime`: one container runtime answers, the kubelet means that one, both use one cgroup driver, and both are
/// started at the next boot.
///
/// A host without a kubelet is one that is yet to be made a node: there a missing runtime is a warning. Source: kubernetes.io
/// "Container runtimes"; kubeadm's `CRI` and `Service-kubelet`.
package struct CheckRuntime: LookingCheck {
    package static let check = CheckName.runtime
    package static let signature: KindSignature = looking("A container runtime that answers and suits the kubelet")

    /// From this minor on a kubelet takes the cgroup driver from a runtime that tells it (containerd 2.0, CRI-O 1.28).
    ///
    /// Source: feature `KubeletCgroupDriverFromCRI`, on by default since 1.31.
    static let firstThatAsks = 31
    static let containerdTells = ProgramVersion(2, 0, 0)

    package let fix: Bool?

    package func facts(on target: StepTarget) -> [FactRequest] { [FactRequest(ContainerRuntime(), on: target.name)] }

    /// External etcd runs without containers.
    package func concerns(_ host: Host, in cluster: Cluster) -> Bool { host.role == .master || host.role == .worker }

    package func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment {
        let state = try await facts.read(ContainerRuntime(), on: host.name)
        let used: ContainerRuntime.Socket
        switch Self.choose(state) {
        case .none(let finding, let remedy):
            return state.hasKubelet ? .fail(finding, remedy: remedy) : .warn("\(finding), and no kubelet is here yet")
        case .one(let socket): used = socket
        }
        if let complaint = used.complaint {
            let isDisabled = complaint.contains("unknown service runtime.v1")
            return .fail(
                "\(used.kind.spoken) does not answer at \(used.path): \(complaint)",
                remedy: isDisabled
                    ? "remove \"cri\" from disabled_plugins in /etc/containerd/config.toml && systemctl restart containerd"
                    : "systemctl status \(used.kind.unit); journalctl -u \(used.kind.unit) -n 50"
            )
        }
        if state.unitStates[used.kind.unit]?.isActive == false, !used.wasAsked {
            return .fail(
                "\(used.path) is there, but \(used.kind.unit) does not run",
                remedy: "systemctl enable --now \(used.kind.unit)"
            )
        }
        if let driver = used.driver, state.hasKubelet, driver != state.kubeletDriver, !Self.asks(state, used) {
            return .fail(
                "cgroup drivers differ: the kubelet's is \(state.kubeletDriver), that of \(used.kind.spoken) is \(driver)",
                remedy: Self.remedy(used.kind, state.kubeletDriver)
            )
        }
        let units = [used.kind.unit] + (state.hasKubelet ? ["kubelet"] : [])
        let forgotten = units.filter { state.unitStates[$0]?.isEnabled == false }
        guard forgotten.isEmpty else {
            return .fail(
                "\(forgotten.joined(separator: ", ")) would not be started at the next boot",
                remedy: "systemctl enable \(forgotten.joined(separator: " "))"
            )
        }
        let version = used.version.map { " \($0)" } ?? ""
        let driver = used.driver.map { ", cgroup driver \($0)" } ?? ""
        let said = "\(used.kind.spoken)\(version) at \(used.path)\(driver)"
        return used.wasAsked
            ? .ok("\(said), answers") : .warn("\(said): its socket is there; without crictl it cannot be asked")
    }

    private enum Choice {
        case none(String, remedy: String)
        case one(ContainerRuntime.Socket)
    }

    private static func choose(_ state: ContainerRuntime.Value) -> Choice {
        if let endpoint = state.endpoint {
            if let named = state.sockets.first(where: { $0.path == endpoint }) { return .one(named) }
            let unit = ContainerRuntime.Kind(path: endpoint)?.unit ?? "containerd"
            return .none(
                "the kubelet wants a runtime at \(endpoint), where none listens",
                remedy: state.unitStates[unit] == nil ? "install \(unit)" : "systemctl enable --now \(unit)"
            )
        }
        if let only = state.sockets.first, state.sockets.count == 1 { return .one(only) }
        guard !state.sockets.isEmpty else {
            let unit = ContainerRuntime.Kind.allCases.map(\.unit).first { state.unitStates[$0] != nil }
            return .none(
                "no container runtime listens (looked for containerd, CRI-O, cri-dockerd)",
                remedy: unit.map { "systemctl enable --now \($0)" } ?? "install containerd"
            )
        }
        let list = state.sockets.map(\.path).joined(separator: ", ")
        return .none(
            "several container runtimes listen (\(list)), and the kubelet does not say which is its own",
            remedy: "name it in criSocket of kubeadm's configuration, or stop the others"
        )
    }

    private static func asks(_ state: ContainerRuntime.Value, _ used: ContainerRuntime.Socket) -> Bool {
        guard let kubelet = state.kubelet, kubelet.minor >= firstThatAsks else { return false }
        switch used.kind {
        case .containerd: return used.version.map { $0 >= containerdTells } ?? false
        case .crio: return used.version.map { $0 >= ProgramVersion(1, 28, 0) } ?? false
        case .dockerd: return false
        }
    }

    private static func remedy(_ kind: ContainerRuntime.Kind, _ wanted: String) -> String {
        switch kind {
        case .containerd:
            "set SystemdCgroup = \(wanted == "systemd") of runtimes.runc.options in /etc/containerd/config.toml"
                + " && systemctl restart containerd"
        case .crio:
            "printf '[crio.runtime]\\ncgroup_manager = \"\(wanted)\"\\n' >/etc/crio/crio.conf.d/99-cgroup.conf"
                + " && systemctl restart crio"
        case .dockerd:
            "set \"exec-opts\": [\"native.cgroupdriver=\(wanted)\"] in /etc/docker/daemon.json, restart docker"
        }
    }
}
