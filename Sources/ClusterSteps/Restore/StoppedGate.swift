package import ClusterModel
package import RunEngine

/// `etcd.stopped`: no etcd and no API server runs anywhere, and none will be started.
///
/// Restoring one member while another still runs makes two clusters.
package struct StoppedGate: Gate {
    package static let signature = KindSignature(
        kind: "etcd.stopped",
        summary: "Every etcd and every API server is stopped, and stays so",
        parameters: []
    )

    package init() {}

    package func facts(in cluster: Cluster) -> [FactRequest] {
        cluster.etcdHosts.map { FactRequest(EtcdInstallation(paths: cluster.paths), on: $0.name) }
            + cluster.hosts(in: .master).map { FactRequest(ControlPlanePods(paths: cluster.paths), on: $0.name) }
    }

    package func evaluate(_ facts: any FactReader) async throws -> GateVerdict {
        var running: [String] = []
        for host in facts.cluster.etcdHosts {
            let found = try await facts.read(EtcdInstallation(paths: facts.cluster.paths), on: host.name)
            if found.isRunning || !found.isParked { running.append("etcd on \(host.name)") }
        }
        for host in facts.cluster.hosts(in: .master) {
            let found = try await facts.read(ControlPlanePods(paths: facts.cluster.paths), on: host.name)
            if !found.running.isEmpty || !found.placed.isEmpty {
                running.append("\((found.running + found.placed).min() ?? "") on \(host.name)")
            }
        }
        guard running.isEmpty else {
            return .closed(OperatorMessage(.refused, "not stopped: \(running.joined(separator: ", "))"))
        }
        return .open(
            detail: "stopped: etcd on \(facts.cluster.etcdHosts.count) hosts, the control plane on "
                + "\(facts.cluster.hosts(in: .master).count)",
            remarks: []
        )
    }
}
