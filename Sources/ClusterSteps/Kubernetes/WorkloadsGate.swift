package import ClusterModel
package import RunEngine

/// `kubernetes.workloads`: what has lost pods lately has them again.
///
/// Meant for after a batch: pods that were evicted run elsewhere. A workload closes it while replicas are missing and a pod of it is
/// younger than 20 minutes, or is not there at all; what has been broken for longer was so before, and is a remark.
package struct WorkloadsGate: Gate {
    package static let signature = KindSignature(
        kind: "kubernetes.workloads",
        summary: "Workloads that lost pods lately have them again",
        parameters: []
    )

    /// A pod that is not ready and older than this was not made because of what was just done.
    private static let young: Int64 = 1200

    package init() {}

    package func facts(in cluster: Cluster) -> [FactRequest] { KubernetesAPI.facts(in: cluster) }

    package func evaluate(_ facts: any FactReader) async throws -> GateVerdict {
        let api = try await KubernetesAPI.chosen(facts)
        return Self.verdict(
            try await facts.read(ClusterWorkloads(api), on: api.master.name).workloads,
            try await facts.read(ClusterPods(api), on: api.master.name).pods,
            at: try await facts.read(ClusterNodes(api), on: api.master.name).clock
        )
    }

    static func verdict(_ workloads: [WorkloadEntry], _ pods: [PodEntry], at clock: UTCMoment) -> GateVerdict {
        var unready: [WorkloadName: [PodEntry]] = [:]
        for pod in pods where !pod.isReady && !pod.isFinished {
            if let owner = pod.owner { unready[owner, default: []].append(pod) }
        }
        var waiting: [String] = []
        var remarks: [String] = []
        for entry in workloads.sorted(by: { $0.workload < $1.workload }) where entry.ready < entry.desired {
            let missing = unready[entry.workload] ?? []
            let text = "\(entry.workload) has \(entry.ready) of \(entry.desired) replicas ready"
            let why = missing.first.map { pod in
                ": \(pod.name) \(pod.waiting.isEmpty ? pod.phase : pod.waiting)\(pod.node.isEmpty ? ", on no node" : "")"
            }
            let isNew =
                missing.isEmpty
                || missing.contains { pod in
                    pod.isTerminating || pod.created.map { clock.seconds - $0.seconds < young } ?? true
                }
            if isNew { waiting.append(text + (why ?? "")) } else { remarks.append(text + (why ?? "")) }
        }
        guard waiting.isEmpty else {
            let more = waiting.count > 5 ? " and \(waiting.count - 5) more" : ""
            return .closed(
                OperatorMessage(
                    .refused,
                    waiting.prefix(5).joined(separator: "; ") + more,
                    next: "kubectl get pods -A --field-selector status.phase=Pending"
                )
            )
        }
        let wanting = workloads.count { $0.ready >= $0.desired }
        return .open(detail: "\(wanting) workloads have all their replicas", remarks: remarks)
    }
}
