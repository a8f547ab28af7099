package import ClusterModel
package import RunEngine

/// `controlplane.ready`: each master's own control plane works: its API server at its own address, the static pods as their manifests
/// have them, controller manager and scheduler at work; and all masters serve one cluster, through the VIP too.
///
/// `/readyz` alone proves little: it was 200 with a dead etcd and over an empty one. The uid of kube-system is one cluster's, so an API
/// server over another etcd is found out.
package struct ControlPlaneReadyGate: Gate {
    package static let signature = KindSignature(
        kind: "controlplane.ready",
        summary: "The masters' own control planes work and serve one cluster; after a batch, those of its masters",
        parameters: [Parameter("version", .kubernetesVersion, "all of it has this version")]
    )

    /// How long a component has to have run: less is a restart that is not over.
    private static let settled = 15
    /// Leases of controller manager and scheduler are renewed every 2 s and good for 15.
    private static let leaseSeconds: Int64 = 20
    private static let parts = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]

    package let version: String?

    package init(version: String? = nil) { self.version = version }

    package func facts(in cluster: Cluster) -> [FactRequest] {
        KubernetesAPI.facts(in: cluster)
            + cluster.hosts(in: .master).map { FactRequest(ControlPlaneState(of: $0, in: cluster), on: $0.name) }
    }

    package func evaluate(_ facts: any FactReader) async throws -> GateVerdict {
        try await evaluate(facts, after: facts.cluster.hosts.map(\.name))
    }

    package func evaluate(_ facts: any FactReader, after batch: [HostName]) async throws -> GateVerdict {
        let cluster = facts.cluster
        let masters = cluster.hosts(in: .master)
        let judged = masters.filter { batch.contains($0.name) }
        var states: [HostName: ControlPlaneState.Value] = [:]
        var problems: [String] = []
        var remarks: [String] = []
        for master in masters {
            do {
                states[master.name] = try await facts.read(ControlPlaneState(of: master, in: cluster), on: master.name)
            } catch {
                let text = "\(master.name): \(error.message.event)"
                if batch.contains(master.name) { problems.append(text) } else { remarks.append(text) }
            }
        }
        // Whose cluster it is comes first: nothing else matters when there are two.
        let served = masters.compactMap { master in
            states[master.name].flatMap { $0.cluster.isEmpty ? nil : (master.name, $0.cluster) }
        }
        if Set(served.map(\.1)).count > 1 {
            let list = served.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
            return .closed(
                OperatorMessage(
                    .refused,
                    "the API servers serve different clusters (uid of kube-system: \(list))",
                    next: "rollbook facts --only etcd.status"
                )
            )
        }
        let wanted = version.flatMap { KubernetesVersion($0) }
        for master in judged {
            guard let state = states[master.name] else { continue }
            problems += Self.problems(of: state, version: wanted).map { "\(master.name): \($0)" }
        }
        if !judged.isEmpty {
            let api = try await KubernetesAPI.chosen(
                facts,
                avoiding: judged.count == 1 ? judged.first?.name : nil,
                orItself: true
            )
            let nodes = try await facts.read(ClusterNodes(api), on: api.master.name)
            let pods = try await facts.read(StaticPods(api), on: api.master.name).pods
            for master in judged {
                guard let state = states[master.name] else { continue }
                let name = nodes.node(of: master)?.name ?? master.name.text
                problems += Self.problems(of: pods.filter { $0.node == name }, state, version: wanted)
                    .map { "\(master.name): \($0)" }
            }
            problems += ClusterNodes.components.sorted().compactMap { part in
                guard let renewed = nodes.leases[part] else { return "nobody leads as \(part)" }
                let age = nodes.clock.seconds - renewed.seconds
                return age > Self.leaseSeconds ? "no \(part) has renewed its lease for \(age) s" : nil
            }
        }
        guard problems.isEmpty else {
            return .closed(
                OperatorMessage(.refused, problems.joined(separator: "; "), next: "rollbook health")
            )
        }
        let at = wanted.map { " at \($0)" } ?? ""
        return .open(
            detail:
                "\(judged.count == 1 ? "1 master's control plane" : "\(judged.count) masters' control planes") ready\(at)",
            remarks: remarks
        )
    }

    /// What a master itself shows.
    private static func problems(of state: ControlPlaneState.Value, version: KubernetesVersion?) -> [String] {
        guard !state.version.isEmpty else {
            return ["its API server does not answer: \(state.readyz ?? "it does not tell its version")"]
        }
        var found: [String] = []
        if let version, state.version != version.description {
            found.append("its API server is \(state.version), not \(version)")
        }
        if let problem = state.readyz { found.append("/readyz: \(problem)") }
        if let problem = state.livez { found.append("/livez: \(problem)") }
        if state.cluster.isEmpty { found.append("nothing can be read through its API server") }
        if let problem = state.vip { found.append("through the VIP: \(problem)") }
        for part in parts {
            guard let image = state.images[part] else {
                found.append("no manifest of \(part)")
                continue
            }
            if let version, ProgramVersion(in: image)?.description != version.description {
                found.append("the manifest of \(part) has \(image)")
            }
            guard let age = state.ages[part] else {
                found.append("\(part) does not run")
                continue
            }
            if age < settled { found.append("\(part) was started \(age) s ago") }
        }
        return found
    }

    /// What its kubelet reports of the static pods.
    private static func problems(
        of pods: [StaticPods.Pod],
        _ state: ControlPlaneState.Value,
        version: KubernetesVersion?
    ) -> [String] {
        state.images.keys.sorted().compactMap { part in
            guard let pod = pods.first(where: { $0.component == part }) else { return "no pod of \(part) is reported" }
            if pod.image != state.images[part] { return "the pod of \(part) is still of \(pod.image)" }
            // An image may be reported by another name of the same one; another version is another one.
            if let running = ProgramVersion(in: pod.runningImage), running != ProgramVersion(in: pod.image) {
                return "\(part) still runs \(pod.runningImage)"
            }
            return pod.isReady ? nil : "the pod of \(part) is not Ready"
        }
    }
}
