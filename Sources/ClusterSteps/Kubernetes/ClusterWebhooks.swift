package import ClusterModel
package import RemoteShell
import RunEngine

/// Admission webhooks whose silence refuses requests, and how many endpoints answer for each.
package struct ClusterWebhooks: Fact {
    package static let name = "kubernetes.webhooks"
    private let api: KubernetesAPI

    package init(_ api: KubernetesAPI) { self.api = api }

    package struct Webhook: Codable, Sendable, Hashable {
        package let configuration: String
        package let name: String
        /// Namespace and name of the service that answers it.
        package let service: String
        package let endpoints: Int
    }

    package struct Value: Codable, Sendable, Hashable {
        /// Those with `failurePolicy: Fail` that a service of the cluster answers.
        package let failing: [Webhook]
    }

    package var command: RemoteCommand { api.command(Self.script, limit: .seconds(9)) }

    private static let script: StaticString = #"""
        K get validatingwebhookconfigurations,mutatingwebhookconfigurations,endpointslices.discovery.k8s.io -A \
            -o go-template='{{range .items}}{{if eq .kind "EndpointSlice"}}endpoints{{"\t"}}{{.metadata.namespace}}{{"\t" -}}
        {{with .metadata.labels}}{{with index . "kubernetes.io/service-name"}}{{.}}{{end}}{{end}}{{"\t" -}}
        {{range .endpoints}}{{with .conditions}}{{if .ready}}+{{end}}{{end}}{{end}}{{"\n" -}}
        {{else}}{{$configuration := .metadata.name}}{{range $webhook := .webhooks}}{{with .failurePolicy}}{{if eq . "Fail" -}}
        {{with $webhook.clientConfig.service}}webhook{{"\t"}}{{$configuration}}{{"\t"}}{{$webhook.name}}{{"\t" -}}
        {{.namespace}}{{"\t"}}{{.name}}{{"\n"}}{{end}}{{end}}{{end}}{{end}}{{end}}{{end}}' || exit
        echo end
        """#

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let rows = try KubernetesRows(answer)
        var endpoints: [String: Int] = [:]
        for row in try rows.about("endpoints", columns: 3) {
            endpoints["\(row[0])/\(row[1])", default: 0] += row[2].count
        }
        return Value(
            failing: try rows.about("webhook", columns: 4).map { row in
                let service = "\(row[2])/\(row[3])"
                return Webhook(
                    configuration: row[0],
                    name: row[1],
                    service: service,
                    endpoints: endpoints[service] ?? 0
                )
            }
        )
    }

    /// Only ever remarked upon.
    package func bound(_ value: Value) throws -> JSONValue? { nil }
}
