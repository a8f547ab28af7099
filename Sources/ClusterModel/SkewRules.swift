/// Whether a cluster may go to a release, from the versions that run in it: pure arithmetic.
///
/// Sources: <https://kubernetes.io/releases/version-skew-policy/>, kubeadm's own checks (one minor at a time, no downgrade), and etcd
/// "Upgrade 3.5 to 3.6" (every member at 3.5.26 or later first; kubeadm brings 3.6 from 1.34 on).
package struct SkewRules: Sendable, Hashable {
    /// Something with a version: an API server or a kubelet, by the name of its host or node.
    package struct Component: Sendable, Hashable {
        package let name: String
        package let version: KubernetesVersion

        package init(_ name: String, _ version: KubernetesVersion) {
            self.name = name
            self.version = version
        }
    }

    /// A member of etcd that kubeadm would upgrade, with its three numbers.
    package struct Member: Sendable, Hashable {
        package let name: String
        package let version: String

        package init(_ name: String, _ version: String) {
            self.name = name
            self.version = version
        }
    }

    package let apiServers: [Component]
    package let kubelets: [Component]
    /// What kubeadm has noted as the cluster's version; nil when it is not known.
    package let configured: KubernetesVersion?
    package let etcd: [Member]

    package init(
        apiServers: [Component],
        kubelets: [Component],
        configured: KubernetesVersion? = nil,
        etcd: [Member] = []
    ) {
        self.apiServers = apiServers
        self.kubelets = kubelets
        self.configured = configured
        self.etcd = etcd
    }

    private static let firstWithNewEtcd = 34
    private static let neededEtcd = (3, 5, 26)

    /// Why the cluster may not go to `target` now, each as a clause; empty when it may, or is there already.
    package func refusals(to target: KubernetesVersion) -> [String] {
        guard let newest = apiServers.map(\.version).max(), let oldest = apiServers.map(\.version).min() else {
            return ["no API server tells its version"]
        }
        guard Set((apiServers + kubelets).map(\.version.major) + [target.major]).count == 1 else {
            return ["\(target) is of another major release than what runs"]
        }
        return now(newest, oldest) + steps(to: target) + kubelets(at: target) + members(at: target)
    }

    /// What is wrong already.
    private func now(_ newest: KubernetesVersion, _ oldest: KubernetesVersion) -> [String] {
        var found: [String] = []
        if newest.minor - oldest.minor > 1 {
            found.append(
                "the API servers are \(newest.minor - oldest.minor) minor releases apart (\(list(apiServers)))"
            )
        }
        let ahead = kubelets.filter { $0.version.minor > oldest.minor }
        if !ahead.isEmpty {
            found.append(
                "a kubelet must not be newer than any API server: \(list(ahead)), and there is an API server of \(oldest)"
            )
        }
        return found
    }

    private func steps(to target: KubernetesVersion) -> [String] {
        var found: [String] = []
        let newer = apiServers.filter { $0.version > target }
        if !newer.isEmpty { found.append("\(target) would be a downgrade of the API server of \(list(newer))") }
        if let configured, configured > target, newer.isEmpty {
            found.append("\(target) would be a downgrade: kubeadm's configuration says \(configured)")
        }
        let far = apiServers.filter { target.minor - $0.version.minor > 1 }
        if let lowest = far.map(\.version).min() {
            found.append(
                "one minor release at a time: from \(list(far)) to \(target.minorText) goes by way of "
                    + "\(lowest.major).\(lowest.minor + 1)"
            )
        } else if let configured, target.minor - configured.minor > 1 {
            found.append("one minor release at a time: kubeadm's configuration says \(configured)")
        }
        return found
    }

    private func kubelets(at target: KubernetesVersion) -> [String] {
        var found: [String] = []
        let behind = kubelets.filter { target.minor - $0.version.minor > ($0.version.minor < 25 ? 2 : 3) }
        if !behind.isEmpty {
            found.append(
                "too old for an API server of \(target.minorText): the kubelet of \(list(behind)); upgrade it first"
            )
        }
        let newer = kubelets.filter { $0.version > target }
        if !newer.isEmpty { found.append("\(target) would be a downgrade of the kubelet of \(list(newer))") }
        return found
    }

    private func members(at target: KubernetesVersion) -> [String] {
        guard target.minor >= Self.firstWithNewEtcd else { return [] }
        // Its three numbers are written like those of a release of Kubernetes.
        let old = etcd.filter { member in
            KubernetesVersion(member.version).map { ($0.major, $0.minor, $0.patch) < Self.neededEtcd } ?? true
        }
        guard !old.isEmpty else { return [] }
        return [
            "Kubernetes \(target.minorText) brings etcd 3.6, which only members of 3.5.26 or later may go to: "
                + old.map { "\($0.name) has \($0.version.isEmpty ? "an unknown one" : $0.version)" }.joined(
                    separator: ", "
                )
        ]
    }

    /// `master1 1.31.14, master2 1.32.1`; of many the first five.
    private func list(_ components: [Component]) -> String {
        let shown = components.prefix(5).map { "\($0.name) \($0.version)" }.joined(separator: ", ")
        return components.count > 5 ? "\(shown) and \(components.count - 5) more" : shown
    }
}
