package import ClusterModel

/// What draining a node means for its pods, by the rules of `kubectl drain`: pure.
///
/// Source: kubectl's filters of package `drain`: DaemonSets' pods and mirror pods stay, finished pods may always go, a pod with an
/// `emptyDir` or without a controller only when that was allowed.
package struct DrainOutlook: Sendable {
    /// What would be evicted, in order of namespace and name.
    package let evicted: [PodEntry]
    /// Of those: nothing makes them anew.
    package let unmanaged: [PodEntry]
    /// Of those: data in them is lost.
    package let local: [PodEntry]
    /// Budgets that hold some of them back now, with these.
    package let held: [(budget: DisruptionBudget, pods: [PodEntry])]

    package init(_ pods: [PodEntry], budgets: [DisruptionBudget]) {
        let leaving = pods.filter(Self.leaves).sorted { $0.id < $1.id }
        evicted = leaving
        unmanaged = leaving.filter { $0.owner == nil && !$0.isFinished }
        local = leaving.filter { $0.hasLocalData && !$0.isFinished }
        held = budgets.filter { $0.allowed == 0 }.compactMap { budget in
            let covered = leaving.filter { !$0.isFinished && !$0.isTerminating && budget.covers($0) }
            return covered.isEmpty ? nil : (budget, covered)
        }
    }

    private static func leaves(_ pod: PodEntry) -> Bool {
        if pod.isMirror { return false }
        return pod.owner?.kind != "DaemonSet" || pod.isFinished
    }

    /// Budgets that will never let their pods go, however long one waits.
    package var heldForGood: [(budget: DisruptionBudget, pods: [PodEntry])] {
        held.filter(\.budget.isExhaustedForGood)
    }

    /// Why a drain is bound to fail, or nil.
    package func obstacle(deleteLocalData: Bool, allowUnmanaged: Bool) -> OperatorMessage? {
        if !local.isEmpty, !deleteLocalData {
            return OperatorMessage(
                .refused,
                "pods would lose the data in their emptyDir volumes: \(Self.list(local))",
                state: "Nothing was changed",
                next: "if that may be lost: deleteLocalData: true"
            )
        }
        if !unmanaged.isEmpty, !allowUnmanaged {
            return OperatorMessage(
                .refused,
                "nothing would make these pods anew: \(Self.list(unmanaged))",
                state: "Nothing was changed",
                next: "delete them, or if they may be gone for good: allowUnmanaged: true"
            )
        }
        guard let first = heldForGood.first else { return nil }
        return OperatorMessage(
            .refused,
            "\(Self.list(first.pods)) cannot be evicted: the budget \(first.budget.words)",
            state: "Nothing was changed",
            next: "more replicas, or a budget that lets one go: kubectl -n \(first.budget.namespace) "
                + "edit pdb \(first.budget.name)"
        )
    }

    /// What the plan says, in one line.
    package var summary: String {
        guard !evicted.isEmpty else { return "no pod has to leave" }
        var text = "evict \(evicted.count == 1 ? "1 pod" : "\(evicted.count) pods"): \(Self.list(evicted))"
        if !unmanaged.isEmpty { text += "; nothing makes anew: \(Self.list(unmanaged))" }
        if !local.isEmpty { text += "; local data is lost of: \(Self.list(local))" }
        for (budget, _) in held { text += "; waits for the budget \(budget.words)" }
        return text
    }

    /// `a/b, c/d and 3 more`: ten at most.
    package static func list(_ pods: [PodEntry]) -> String {
        let shown = pods.prefix(10).map(\.id).joined(separator: ", ")
        return pods.count > 10 ? "\(shown) and \(pods.count - 10) more" : shown
    }

    /// Why pods are still there: those that budgets hold back by budget, then those that are on their way, then the rest.
    package var culprits: String {
        var named: Set<String> = []
        var parts: [String] = []
        for (budget, pods) in held {
            named.formUnion(pods.map(\.id))
            parts.append("\(Self.list(pods)) (the budget \(budget.words))")
        }
        let dying = evicted.filter { $0.isTerminating && !named.contains($0.id) }
        if !dying.isEmpty { parts.append("\(Self.list(dying)) (still ending)") }
        let rest = evicted.filter { !$0.isTerminating && !named.contains($0.id) }
        if !rest.isEmpty { parts.append(Self.list(rest)) }
        return parts.joined(separator: "; ")
    }
}
