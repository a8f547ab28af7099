package import ClusterModel
package import RemoteShell
import RunEngine

/// A pod as far as draining a node looks at it.
package struct PodEntry: Codable, Sendable, Hashable {
    package let namespace: String
    package let name: String
    package let node: String
    package let phase: String
    package let isTerminating: Bool
    /// Kind and name of its controller; nil for a pod that nothing makes anew.
    package let owner: WorkloadName?
    /// Made by a kubelet from a file: it cannot be evicted.
    package let isMirror: Bool
    /// Has a volume `emptyDir`, which is gone with it.
    package let hasLocalData: Bool
    package let isReady: Bool
    package let created: UTCMoment?
    /// What a container of it waits for, such as `ImagePullBackOff`; empty when none does.
    package let waiting: String
    package let labels: [String: String]

    package var id: String { "\(namespace)/\(name)" }
    package var isFinished: Bool { phase == "Succeeded" || phase == "Failed" }
}

/// What makes pods: kind, namespace and name.
package struct WorkloadName: Codable, Sendable, Hashable, Comparable, CustomStringConvertible {
    package let kind: String
    package let namespace: String
    package let name: String

    package var description: String { "\(kind) \(namespace)/\(name)" }

    package static func < (left: Self, right: Self) -> Bool {
        (left.namespace, left.name, left.kind) < (right.namespace, right.name, right.kind)
    }
}

/// All pods of the cluster, or of one node: a line each, so that 5000 of them are about a MiB.
package struct ClusterPods: Fact {
    package static let name = "kubernetes.pods"
    private let api: KubernetesAPI
    private let node: String?

    package init(_ api: KubernetesAPI, on node: String? = nil) {
        self.api = api
        self.node = node
    }

    package struct Value: Codable, Sendable, Hashable {
        package let pods: [PodEntry]

        package func pods(on node: String) -> [PodEntry] { pods.filter { $0.node == node } }
    }

    package var command: RemoteCommand {
        api.command(Self.script, with: node.map { ["spec.nodeName=\($0)"] } ?? [], limit: .seconds(9))
    }

    /// `$1` a field selector, where there is one.
    static let script: StaticString = #"""
        K get pods -A ${1:+"--field-selector=$1"} -o go-template='{{range .items}}pod{{"\t" -}}
        {{.metadata.namespace}}{{"\t"}}{{.metadata.name}}{{"\t"}}{{with .spec.nodeName}}{{.}}{{end}}{{"\t" -}}
        {{with .status.phase}}{{.}}{{end}}{{"\t"}}{{with .metadata.deletionTimestamp}}terminating{{end}}{{"\t" -}}
        {{range .metadata.ownerReferences}}{{if .controller}}{{.kind}}/{{.name}}{{end}}{{end}}{{"\t" -}}
        {{with .metadata.annotations}}{{with index . "kubernetes.io/config.mirror"}}mirror{{end}}{{end}}{{"\t" -}}
        {{range .spec.volumes}}{{range $kind, $volume := .}}{{if eq $kind "emptyDir"}}local{{end}}{{end}}{{end}}{{"\t" -}}
        {{range .status.conditions}}{{if eq .type "Ready"}}{{.status}}{{end}}{{end}}{{"\t" -}}
        {{with .metadata.creationTimestamp}}{{.}}{{end}}{{"\t" -}}
        {{range .status.containerStatuses}}{{with .state}}{{with .waiting}}{{.reason}} {{end}}{{end}}{{end}}{{"\t" -}}
        {{range $key, $value := .metadata.labels}}{{$key}}={{$value}},{{end}}{{"\n"}}{{end}}' || exit
        echo end
        """#

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value { try Self.read(answer) }

    static func read(_ answer: ProbeBatch.Answer) throws -> Value {
        Value(
            pods: try KubernetesRows(answer).about("pod", columns: 12).map { row in
                let owner = row[5].split(separator: "/", maxSplits: 1).map(String.init)
                return PodEntry(
                    namespace: row[0],
                    name: row[1],
                    node: row[2],
                    phase: row[3],
                    isTerminating: !row[4].isEmpty,
                    owner: owner.count == 2 ? WorkloadName(kind: owner[0], namespace: row[0], name: owner[1]) : nil,
                    isMirror: !row[6].isEmpty,
                    hasLocalData: !row[7].isEmpty,
                    isReady: row[8] == "True",
                    created: ClusterNodes.moment(row[9]),
                    waiting: row[10].split(separator: " ").first.map(String.init) ?? "",
                    labels: LabelSelector.pairs(row[11])
                )
            }
        )
    }

    /// Pods come and go.
    package func bound(_ value: Value) throws -> JSONValue? { nil }
}
