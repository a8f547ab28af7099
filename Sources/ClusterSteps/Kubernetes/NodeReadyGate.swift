package import ClusterModel
package import RunEngine

/// `node.ready`: nodes are Ready, their kubelets renew their leases, and pods may be scheduled to them.
///
/// Ready alone stays true for 50 s after a kubelet died; the lease tells within 40.
package struct NodeReadyGate: Gate {
    package static let signature = KindSignature(
        kind: "node.ready",
        summary: "The nodes are Ready, with fresh leases and without a cordon of ours; after a batch, its nodes",
        parameters: [Parameter("version", .kubernetesVersion, "their kubelets have this version")]
    )

    package let version: String?

    package init(version: String? = nil) { self.version = version }

    package func facts(in cluster: Cluster) -> [FactRequest] { KubernetesAPI.facts(in: cluster) }

    package func evaluate(_ facts: any FactReader) async throws -> GateVerdict {
        try await evaluate(facts, after: facts.cluster.hosts.map(\.name))
    }

    package func evaluate(_ facts: any FactReader, after batch: [HostName]) async throws -> GateVerdict {
        let hosts = facts.cluster.hosts.filter { batch.contains($0.name) && ($0.role == .master || $0.role == .worker) }
        let api = try await KubernetesAPI.chosen(facts, avoiding: batch.count == 1 ? batch.first : nil, orItself: true)
        let seen = try await facts.read(ClusterNodes(api), on: api.master.name)
        let wanted = version.flatMap { KubernetesVersion($0) }
        var problems: [String] = []
        var remarks: [String] = []
        for host in hosts {
            guard let node = seen.node(of: host) else {
                problems.append("\(host.name) is no node of the cluster")
                continue
            }
            problems += node.problems(at: seen.clock, version: wanted).map { "\(host.name): \($0)" }
            if node.isCordoned, node.cordonedBy == nil { remarks.append("\(host.name) is cordoned by somebody else") }
        }
        guard problems.isEmpty else {
            return .closed(OperatorMessage(.refused, problems.joined(separator: "; "), next: "kubectl get nodes"))
        }
        let at = wanted.map { " at \($0)" } ?? ""
        return .open(detail: "\(hosts.count == 1 ? "1 node" : "\(hosts.count) nodes") Ready\(at)", remarks: remarks)
    }
}

extension NodeEntry {
    /// How long a kubelet's lease is good for; it renews it every 10 s.
    package static let leaseSeconds: Int64 = 40

    /// What keeps the node from being in order.
    func problems(at clock: UTCMoment, version wanted: KubernetesVersion?) -> [String] {
        var found: [String] = []
        if !isReady { found.append("not Ready (\(reason))") }
        if let wanted, version != wanted { found.append("its kubelet is \(kubelet), not \(wanted.tag)") }
        if let renewed {
            let age = clock.seconds - renewed.seconds
            if age > Self.leaseSeconds { found.append("its kubelet has not renewed its lease for \(age) s") }
        } else {
            found.append("its kubelet has no lease")
        }
        if isCordoned, let run = cordonedBy { found.append("still cordoned by run \(run)") }
        return found
    }
}
