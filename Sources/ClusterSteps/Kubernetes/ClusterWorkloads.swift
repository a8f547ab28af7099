package import ClusterModel
package import RemoteShell
import RunEngine

/// A PodDisruptionBudget: how many of its pods may be evicted now.
package struct DisruptionBudget: Codable, Sendable, Hashable {
    package let namespace: String
    package let name: String
    package let allowed: Int
    package let healthy: Int
    package let desired: Int
    /// How many pods it covers.
    package let expected: Int
    /// Nil when it has none, and so covers no pod.
    package let selector: LabelSelector?

    package var id: String { "\(namespace)/\(name)" }

    package func covers(_ pod: PodEntry) -> Bool {
        pod.namespace == namespace && (selector?.matches(pod.labels) ?? false)
    }

    /// Allows nothing although all of its pods are well: waiting changes nothing.
    package var isExhaustedForGood: Bool { allowed == 0 && expected > 0 && healthy >= expected }

    /// `demo/web allows no disruption: it needs 4 healthy pods and has 4`.
    package var words: String {
        allowed == 0
            ? "\(id) allows no disruption: it needs \(desired) healthy pods and has \(healthy)"
            : "\(id) allows \(allowed) at a time"
    }
}

/// A ReplicaSet, StatefulSet or ReplicationController that wants pods.
package struct WorkloadEntry: Codable, Sendable, Hashable {
    package let workload: WorkloadName
    package let desired: Int
    package let ready: Int
}

/// Budgets, and what makes pods anew after they were evicted.
package struct ClusterWorkloads: Fact {
    package static let name = "kubernetes.workloads"
    private let api: KubernetesAPI

    package init(_ api: KubernetesAPI) { self.api = api }

    package struct Value: Codable, Sendable, Hashable {
        package let budgets: [DisruptionBudget]
        package let workloads: [WorkloadEntry]
    }

    package var command: RemoteCommand { api.command(Self.script, limit: .seconds(9)) }

    private static let script: StaticString = #"""
        K get poddisruptionbudgets.policy,replicasets.apps,statefulsets.apps,replicationcontrollers -A \
            -o go-template='{{range .items}}{{if eq .kind "PodDisruptionBudget"}}budget{{"\t" -}}
        {{.metadata.namespace}}{{"\t"}}{{.metadata.name}}{{"\t"}}{{with .status.disruptionsAllowed}}{{.}}{{end}}{{"\t" -}}
        {{with .status.currentHealthy}}{{.}}{{end}}{{"\t"}}{{with .status.desiredHealthy}}{{.}}{{end}}{{"\t" -}}
        {{with .status.expectedPods}}{{.}}{{end}}{{"\t"}}{{if exists .spec "selector"}}selects{{end}}{{"\t" -}}
        {{with .spec.selector}}{{range $key, $value := .matchLabels}}{{$key}}={{$value}},{{end}}{{end}}{{"\t" -}}
        {{with .spec.selector}}{{range .matchExpressions}}{{.key}} {{.operator}}{{range .values}} {{.}}{{end}};{{end}}{{end}}{{"\n" -}}
        {{else if .spec.replicas}}workload{{"\t"}}{{.kind}}{{"\t"}}{{.metadata.namespace}}{{"\t"}}{{.metadata.name}}{{"\t" -}}
        {{.spec.replicas}}{{"\t"}}{{with .status.readyReplicas}}{{.}}{{end}}{{"\n"}}{{end}}{{end}}' || exit
        echo end
        """#

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let rows = try KubernetesRows(answer)
        return Value(
            budgets: try rows.about("budget", columns: 9).map { row in
                DisruptionBudget(
                    namespace: row[0],
                    name: row[1],
                    allowed: Int(row[2]) ?? 0,
                    healthy: Int(row[3]) ?? 0,
                    desired: Int(row[4]) ?? 0,
                    expected: Int(row[5]) ?? 0,
                    selector: row[6].isEmpty ? nil : LabelSelector(labels: row[7], expressions: row[8])
                )
            },
            workloads: try rows.about("workload", columns: 5).map { row in
                WorkloadEntry(
                    workload: WorkloadName(kind: row[0], namespace: row[1], name: row[2]),
                    desired: Int(row[3]) ?? 0,
                    ready: Int(row[4]) ?? 0
                )
            }
        )
    }

    /// What is ready changes by itself.
    package func bound(_ value: Value) throws -> JSONValue? { nil }
}
