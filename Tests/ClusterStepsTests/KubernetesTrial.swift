import ClusterModel
import RunEngine
import TestSupport

@testable import ClusterSteps

/// A cluster with etcd and Kubernetes in memory, and what the steps on nodes need.
struct KubernetesTrial {
    let engine: EngineTrial
    let kubernetes: SimulatedKubernetes
    let etcd: SimulatedEtcd

    init(masters: Int = 3, workers: Int = 2, vip: String? = nil) {
        let sample = Cluster.sample(masters: masters, workers: workers, loadBalancers: 0)
        let cluster = Cluster(id: sample.id, vip: vip, hosts: sample.hosts)
        engine = EngineTrial(cluster, registry: .shipped)
        kubernetes = SimulatedKubernetes(cluster, time: engine.time)
        etcd = SimulatedEtcd(cluster)
        for host in cluster.hosts(in: .master) {
            let own = host.name.text
            engine.hosts[own].responder = { [kubernetes, etcd] host, script, arguments in
                kubernetes.answer(&host, own, script, arguments) ?? etcd.answer(own, script, arguments)
            }
        }
    }

    /// Four pods of `demo/web` on the workers, two each.
    func deployWeb(_ budget: Int? = nil) {
        kubernetes.change { state in
            for number in 1...4 {
                state.pods.append(
                    SimulatedKubernetes.Pod(
                        namespace: "demo",
                        name: "web-\(number)",
                        node: number < 3 ? "worker1" : "worker2",
                        owner: "ReplicaSet/web",
                        labels: "app=web,"
                    )
                )
            }
            if let budget {
                state.budgets.append(SimulatedKubernetes.Budget(name: "web", labels: "app=web,", needed: budget))
            }
        }
    }

    func addPod(_ name: String, _ body: (inout SimulatedKubernetes.Pod) -> Void = { _ in }) {
        var pod = SimulatedKubernetes.Pod(namespace: "demo", name: name, node: "worker1", owner: "ReplicaSet/\(name)")
        body(&pod)
        kubernetes.change { $0.pods.append(pod) }
    }

    static func call(_ kind: String, _ parameters: [String: JSONValue] = [:]) -> StepCall {
        StepCall(
            kind: kind,
            parameters: parameters,
            location: SourceLocation(file: "r.yaml", line: 1, column: 1)
        )
    }

    /// What is planned for one step on a host.
    func decision(
        _ kind: String,
        _ parameters: [String: JSONValue] = [:],
        on host: String = "worker1"
    ) async throws -> PlannedStep.Outlook? {
        try await engine.plan(.toy([.toy(on: host, [Self.call(kind, parameters)])])).steps.first?.decision
    }

    func gate(_ kind: String, _ parameters: [String: JSONValue] = [:]) async throws -> PlannedGate? {
        try await engine.plan(.toy([.toy(on: "controller", require: [Self.call(kind, parameters)], [])]))
            .stages.first?.require.first
    }

    /// A gate's verdict after a batch.
    func verdict(_ gate: any Gate, after batch: [String]) async throws -> GateVerdict {
        let cache = FactCache(cluster: engine.cluster, connections: engine.hosts, parallel: 8, time: engine.time)
        return try await gate.evaluate(cache.reader(of: engine.cluster), after: batch.compactMap { HostName($0) })
    }
}

extension PlannedStep.Outlook {
    var changes: [PlannedChange] { if case .change(let changes) = self { changes } else { [] } }
    var noop: String? { if case .noop(let reason) = self { reason } else { nil } }
    var blocked: OperatorMessage? { if case .blocked(let message) = self { message } else { nil } }
    var isUnknown: Bool { if case .unknown = self { true } else { false } }
}

extension GateVerdict {
    var closed: OperatorMessage? { if case .closed(let message) = self { message } else { nil } }
    var detail: String? { if case .open(let detail, _) = self { detail } else { nil } }
    var remarks: [String] { if case .open(_, let remarks) = self { remarks } else { [] } }
}
