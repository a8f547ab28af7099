package import ClusterModel
package import RemoteShell
import RunEngine

/// A node as the API server has it.
package struct NodeEntry: Codable, Sendable, Hashable {
    package let name: String
    package let kubelet: String
    package let isReady: Bool
    /// Why it is ready or not, in Kubernetes' word.
    package let reason: String
    package let isCordoned: Bool
    /// The run that cordoned it, by our own annotation; nil when nobody of ours did.
    package let cordonedBy: String?
    package let taints: [String]
    package let addresses: [String]
    /// When its kubelet last renewed its lease; nil when it has none.
    package let renewed: UTCMoment?

    package var version: KubernetesVersion? { KubernetesVersion(kubelet) }
}

/// All nodes, their leases and those of the control plane, and what time it is where the API server runs.
///
/// One call of kubectl; images and labels stay where they are, so that hundreds of nodes are some tens of KiB.
package struct ClusterNodes: Fact {
    package static let name = "kubernetes.nodes"
    /// Set on a node together with the cordon, so that another run, or giving this one up, can tell whose it is.
    package static let annotation = "rollbook.io/cordoned-by"

    private let api: KubernetesAPI

    package init(_ api: KubernetesAPI) { self.api = api }

    package struct Value: Codable, Sendable, Hashable {
        package let nodes: [NodeEntry]
        /// Leases of controller manager and scheduler by name.
        package let leases: [String: UTCMoment]
        /// By the clock of the master that was asked.
        package let clock: UTCMoment

        /// The node of a host: of its name, or else with its address.
        package func node(of host: Host) -> NodeEntry? {
            nodes.first { $0.name == host.name.text } ?? nodes.first { $0.addresses.contains(host.clusterAddress) }
        }

        /// Like `node(of:)`, for whom there must be one.
        package func entry(of host: Host) throws(OperatorMessage) -> NodeEntry {
            if let node = node(of: host) { return node }
            throw OperatorMessage(
                .refused,
                at: host.name.text,
                "it is no node of the cluster: none has its name or its address \(host.clusterAddress)",
                state: "Nothing was changed",
                next: "kubectl get nodes -o wide"
            )
        }
    }

    package var command: RemoteCommand { api.command(Self.script, limit: .seconds(9)) }

    private static let script: StaticString = #"""
        K get nodes,leases.coordination.k8s.io -A -o go-template='{{range .items}}{{if eq .kind "Node"}}node{{"\t" -}}
        {{.metadata.name}}{{"\t"}}{{.status.nodeInfo.kubeletVersion}}{{"\t" -}}
        {{range .status.conditions}}{{if eq .type "Ready"}}{{.status}} {{.reason}}{{end}}{{end}}{{"\t" -}}
        {{if .spec.unschedulable}}cordoned{{end}}{{"\t" -}}
        {{with .metadata.annotations}}{{with index . "rollbook.io/cordoned-by"}}{{.}}{{end}}{{end}}{{"\t" -}}
        {{range .spec.taints}}{{.key}}{{with .value}}={{.}}{{end}}:{{.effect}} {{end}}{{"\t" -}}
        {{range .status.addresses}}{{.address}} {{end}}{{"\n" -}}
        {{else}}lease{{"\t"}}{{.metadata.namespace}}{{"\t"}}{{.metadata.name}}{{"\t" -}}
        {{with .spec.renewTime}}{{.}}{{end}}{{"\n"}}{{end}}{{end}}' || exit
        printf 'clock\t%s\n' "$(date -u +%s)"; echo end
        """#

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let rows = try KubernetesRows(answer)
        var leases: [String: [String: UTCMoment]] = [:]
        for row in try rows.about("lease", columns: 3) {
            if let moment = Self.moment(row[2]) { leases[row[0], default: [:]][row[1]] = moment }
        }
        guard let clock = try rows.about("clock", columns: 1).first.flatMap({ Int64($0[0]) }) else {
            throw IncompleteAnswer(section: "clock")
        }
        let components = (leases["kube-system"] ?? [:]).filter { Self.components.contains($0.key) }
        return Value(
            nodes: try rows.about("node", columns: 7).map { row in
                let ready = row[2].split(separator: " ")
                return NodeEntry(
                    name: row[0],
                    kubelet: row[1],
                    isReady: ready.first == "True",
                    reason: ready.dropFirst().first.map(String.init) ?? "no condition",
                    isCordoned: row[3] == "cordoned",
                    cordonedBy: row[4].isEmpty ? nil : row[4],
                    taints: row[5].split(separator: " ").map(String.init),
                    addresses: row[6].split(separator: " ").map(String.init),
                    renewed: leases["kube-node-lease"]?[row[0]]
                )
            },
            leases: components,
            clock: UTCMoment(seconds: clock)
        )
    }

    package static let components: Set<String> = ["kube-controller-manager", "kube-scheduler"]

    /// `2026-11-20T23:02:29.270192Z`, to the millisecond.
    static func moment(_ text: String) -> UTCMoment? {
        UTCMoment(text.count == 27 ? text.prefix(23) + "Z" : text)
    }

    /// Nodes change while they are upgraded, and steps look again before they act.
    package func bound(_ value: Value) throws -> JSONValue? { nil }
}
