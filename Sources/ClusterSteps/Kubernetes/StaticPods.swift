package import ClusterModel
package import RemoteShell
import RunEngine

/// The control plane's static pods on all masters, as their kubelets report them.
///
/// A report lags behind: for up to 40 s after a start it may be of the pod before. `ControlPlaneState` sees the processes themselves.
package struct StaticPods: Fact {
    package static let name = "kubernetes.static-pods"
    private let api: KubernetesAPI

    package init(_ api: KubernetesAPI) { self.api = api }

    package struct Pod: Codable, Sendable, Hashable {
        package let node: String
        /// `kube-apiserver`, `kube-controller-manager`, `kube-scheduler` or `etcd`.
        package let component: String
        package let image: String
        package let runningImage: String
        package let isReady: Bool
        package let restarts: Int
    }

    package struct Value: Codable, Sendable, Hashable {
        package let pods: [Pod]
    }

    package var command: RemoteCommand { api.command(Self.script, limit: .seconds(9)) }

    private static let script: StaticString = #"""
        K -n kube-system get pods -l tier=control-plane -o go-template='{{range .items}}pod{{"\t" -}}
        {{.spec.nodeName}}{{"\t"}}{{with .metadata.labels}}{{with .component}}{{.}}{{end}}{{end}}{{"\t" -}}
        {{range .spec.containers}}{{.image}} {{end}}{{"\t" -}}
        {{range .status.containerStatuses}}{{.image}} {{end}}{{"\t" -}}
        {{range .status.conditions}}{{if eq .type "Ready"}}{{.status}}{{end}}{{end}}{{"\t" -}}
        {{range .status.containerStatuses}}{{.restartCount}} {{end}}{{"\n"}}{{end}}' || exit
        echo end
        """#

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        func first(_ text: String) -> String { text.split(separator: " ").first.map(String.init) ?? "" }
        return Value(
            pods: try KubernetesRows(answer).about("pod", columns: 6).map { row in
                Pod(
                    node: row[0],
                    component: row[1],
                    image: first(row[2]),
                    runningImage: first(row[3]),
                    isReady: row[4] == "True",
                    restarts: Int(first(row[5])) ?? 0
                )
            }
        )
    }

    /// Restarts are no reason to plan again.
    package func bound(_ value: Value) throws -> JSONValue? { nil }
}
