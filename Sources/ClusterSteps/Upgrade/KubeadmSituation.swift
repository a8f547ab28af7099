package import ClusterModel

/// Where a host stands on its way to a version of the control plane, and what that calls for: the resume map.
///
/// Source of the states: `kubeadm upgrade` killed at each of them on a real cluster. kubeadm is the way out of every one, with the
/// same command; they differ in what has to be put in order before.
package enum KubeadmSituation: Sendable, Hashable {
    /// The package is to be installed; nothing of the version was begun.
    case packageIsOld
    /// kubeadm is there, every manifest is as before: not begun, or rolled back by kubeadm itself.
    case notBegun
    /// Cut off: some manifests are new, or all of them and what comes after is missing.
    case cutOff(new: [String])
    /// Cut off between kubeadm's two renames: these manifests are in its backup only.
    case manifestMissing([String])
    case done
    /// Nothing that kubeadm could mend.
    case hopeless(String)

    /// Judges a host; `hasEtcd` says whether etcd is one of its static pods.
    package static func of(
        _ state: KubeadmState.Value,
        kubeadm: KubernetesVersion?,
        wanted: KubernetesVersion,
        isMaster: Bool,
        hasEtcd: Bool
    ) -> KubeadmSituation {
        if let kubeadm, kubeadm > wanted {
            return .hopeless("kubeadm is \(kubeadm) already; going back to \(wanted) is not supported")
        }
        let isInstalled = kubeadm == wanted
        let isFinished = isInstalled && state.hasWrittenKubelet && !state.wasCutOff && state.begun.isEmpty
        guard isMaster else {
            if isFinished { return .done }
            return isInstalled ? (state.begun.isEmpty ? .notBegun : .cutOff(new: [])) : .packageIsOld
        }
        let pods = KubeadmState.components.filter { $0 != "etcd" }
        let needed = hasEtcd ? KubeadmState.components : pods
        let absent = needed.filter { state.images[$0] == nil }
        if let parked = absent.first(where: { state.parked.contains($0) }) {
            return .hopeless("\(parked) is parked by another run, which has to be finished or given up first")
        }
        if absent.count == needed.count {
            return .hopeless("it has no manifests, so it is no master that kubeadm made")
        }
        if let lost = absent.first(where: { !state.restorable.contains($0) }) {
            return .hopeless("the manifest of \(lost) is missing, and kubeadm kept no copy of it")
        }
        for pod in pods {
            guard let version = state.version(of: pod) else { continue }
            if version > wanted { return .hopeless("its \(pod) is \(version) already; going back is not supported") }
            if wanted.minors(ahead: version).map({ $0 > 1 }) ?? true {
                return .hopeless(
                    "its \(pod) is \(version): kubeadm goes one minor at a time, and \(wanted) is further away"
                )
            }
        }
        if !absent.isEmpty { return .manifestMissing(absent) }
        let new = pods.filter { state.version(of: $0) == wanted }
        if new.count == pods.count, isFinished { return .done }
        if !new.isEmpty || state.wasCutOff || (isInstalled && !state.begun.isEmpty) { return .cutOff(new: new) }
        return isInstalled ? .notBegun : .packageIsOld
    }

    /// What is said of it in a plan, before what is going to be done; nil where there is nothing to say.
    package var remark: String? {
        switch self {
        case .cutOff(let new) where new.isEmpty: "an earlier upgrade was cut off"
        case .cutOff(let new): "an earlier upgrade was cut off: new are \(new.joined(separator: ", "))"
        case .manifestMissing(let names):
            "an earlier upgrade was cut off while it replaced \(names.joined(separator: ", ")), which is put back first"
        case .packageIsOld, .notBegun, .done, .hopeless: nil
        }
    }
}
