package import ClusterModel
package import RunEngine

/// `upgrade.ready`: the cluster, as it runs now, may go to a version, and nothing in it is bound to stop that half-way.
package struct UpgradeReadyGate: Gate {
    package static let signature = KindSignature(
        kind: "upgrade.ready",
        summary: "The running cluster may go to this version, and nothing in it is bound to stop the upgrade half-way",
        parameters: [
            Parameter("version", .kubernetesVersion, required: true, "where to"),
            Parameter("deleteLocalData", .boolean, "as node.drain will be told"),
            Parameter("allowUnmanaged", .boolean, "as node.drain will be told"),
        ]
    )

    package let version: String
    package let deleteLocalData: Bool?
    package let allowUnmanaged: Bool?

    package init(version: String, deleteLocalData: Bool? = nil, allowUnmanaged: Bool? = nil) {
        self.version = version
        self.deleteLocalData = deleteLocalData
        self.allowUnmanaged = allowUnmanaged
    }

    package func facts(in cluster: Cluster) -> [FactRequest] {
        KubernetesAPI.facts(in: cluster)
            + cluster.hosts(in: .master).map { FactRequest(ControlPlaneState(of: $0, in: cluster), on: $0.name) }
            + cluster.etcdHosts.map { FactRequest(EtcdStatus(pki: cluster.paths.pki), on: $0.name) }
    }

    package func evaluate(_ facts: any FactReader) async throws -> GateVerdict {
        guard let target = KubernetesVersion(version) else {
            return .closed(OperatorMessage(.invalidInput, "'\(version)' is no version of Kubernetes"))
        }
        let cluster = facts.cluster
        let api = try await KubernetesAPI.chosen(facts)
        let nodes = try await facts.read(ClusterNodes(api), on: api.master.name)
        let configured = try await facts.read(ClusterConfiguration(api), on: api.master.name)
        var findings = Findings()
        let servers = await findings.judgeMasters(facts)
        let kubelets = nodes.nodes.compactMap { node in node.version.map { SkewRules.Component(node.name, $0) } }
        for node in nodes.nodes where node.version == nil {
            findings.refuse("the kubelet of \(node.name) has a version nobody understands: \(node.kubelet)")
        }
        let skew = SkewRules(
            apiServers: servers,
            kubelets: kubelets,
            configured: configured.version,
            etcd: cluster.topology == .stacked ? await Self.etcd(facts) : []
        )
        for refusal in skew.refusals(to: target) { findings.refuse(refusal) }
        if let tag = configured.etcdImageTag {
            findings.remark("kubeadm is told to use etcd's image \(tag), and will keep it")
        }
        findings.judgeNodes(nodes, cluster)
        try await judgePods(facts, api, nodes, upgrading: target, &findings)
        await findings.judgeWebhooks(facts, api)
        guard let first = findings.refusals.first else {
            return .open(
                detail: "from \(configured.kubernetesVersion) to \(target.tag): \(servers.count) API servers, "
                    + "\(kubelets.count) kubelets",
                remarks: findings.remarks
            )
        }
        return .closed(
            OperatorMessage(
                .refused,
                ([first.text] + findings.refusals.dropFirst().map(\.text)).joined(separator: "; "),
                state: "Nothing was changed",
                next: findings.refusals.lazy.compactMap(\.next).first ?? "rollbook health"
            )
        )
    }

    private static func etcd(_ facts: any FactReader) async -> [SkewRules.Member] {
        await EtcdHealth.read(facts).statuses.map { SkewRules.Member($0.host.text, $0.status.version) }
    }

    /// What draining the nodes that are still to be upgraded would meet.
    private func judgePods(
        _ facts: any FactReader,
        _ api: KubernetesAPI,
        _ nodes: ClusterNodes.Value,
        upgrading target: KubernetesVersion,
        _ findings: inout Findings
    ) async throws {
        let pods = try await facts.read(ClusterPods(api), on: api.master.name)
        let budgets = try await facts.read(ClusterWorkloads(api), on: api.master.name).budgets
        for host in facts.cluster.hosts {
            guard let node = nodes.node(of: host), node.version != target else { continue }
            let outlook = DrainOutlook(pods.pods(on: node.name), budgets: budgets)
            if let obstacle = outlook.obstacle(
                deleteLocalData: deleteLocalData ?? false,
                allowUnmanaged: allowUnmanaged ?? false
            ) {
                findings.refuse("\(host.name): \(obstacle.event)", next: obstacle.next)
            } else {
                for (budget, pods) in outlook.held {
                    findings.remark(
                        "\(host.name): \(DrainOutlook.list(pods)) would have to wait: the budget \(budget.words)"
                    )
                }
                if !outlook.unmanaged.isEmpty {
                    findings.remark("\(host.name): nothing makes anew: \(DrainOutlook.list(outlook.unmanaged))")
                }
                if !outlook.local.isEmpty {
                    findings.remark("\(host.name): local data will be lost of: \(DrainOutlook.list(outlook.local))")
                }
            }
        }
    }

    /// What was found, refusals with the next command where there is one.
    private struct Findings {
        private(set) var refusals: [(text: String, next: String?)] = []
        private(set) var remarks: [String] = []

        mutating func refuse(_ text: String, next: String? = nil) { refusals.append((text, next)) }
        mutating func remark(_ text: String) { remarks.append(text) }

        /// The versions of the API servers; every one has to answer and to be ready.
        mutating func judgeMasters(_ facts: any FactReader) async -> [SkewRules.Component] {
            var servers: [SkewRules.Component] = []
            var clusters: Set<String> = []
            for master in facts.cluster.hosts(in: .master) {
                do {
                    let state = try await facts.read(ControlPlaneState(of: master, in: facts.cluster), on: master.name)
                    guard let version = KubernetesVersion(state.version) else {
                        refuse("\(master.name): its API server does not answer")
                        continue
                    }
                    servers.append(SkewRules.Component(master.name.text, version))
                    if let problem = state.readyz { refuse("\(master.name): /readyz: \(problem)") }
                    if let problem = state.livez { refuse("\(master.name): /livez: \(problem)") }
                    if let problem = state.vip { refuse("\(master.name): through the VIP: \(problem)") }
                    if !state.cluster.isEmpty { clusters.insert(state.cluster) }
                } catch {
                    refuse("\(master.name): \(error.message.event)", next: error.message.next)
                }
            }
            if clusters.count > 1 { refuse("the API servers serve \(clusters.count) different clusters: split brain") }
            return servers
        }

        mutating func judgeNodes(_ nodes: ClusterNodes.Value, _ cluster: Cluster) {
            let hosts = cluster.hosts.filter { $0.role == .master || $0.role == .worker }
            for host in hosts where nodes.node(of: host) == nil { refuse("\(host.name) is no node of the cluster") }
            let known = Set(hosts.compactMap { nodes.node(of: $0)?.name })
            for node in nodes.nodes {
                if !node.isReady {
                    refuse("\(node.name) is not Ready (\(node.reason))", next: "kubectl describe node \(node.name)")
                }
                if !known.contains(node.name) { remark("\(node.name) is in no inventory, and is not upgraded") }
                switch (node.isCordoned, node.cordonedBy) {
                case (true, nil): remark("\(node.name) is cordoned by somebody else, and stays so")
                case (true, let run?): remark("\(node.name) is still cordoned by run \(run)")
                case (false, let run?): remark("\(node.name) bears the mark of run \(run), but is not cordoned")
                case (false, nil): break
                }
            }
        }

        mutating func judgeWebhooks(_ facts: any FactReader, _ api: KubernetesAPI) async {
            do {
                for webhook in try await facts.read(ClusterWebhooks(api), on: api.master.name).failing
                where webhook.endpoints < 2 {
                    let count = webhook.endpoints == 0 ? "nothing" : "one pod"
                    remark(
                        "\(count) answers the webhook \(webhook.name) (\(webhook.service)), and requests fail while nothing does"
                    )
                }
            } catch { remark("webhooks were not looked at: \(error.message.event)") }
        }
    }
}
