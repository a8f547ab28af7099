package import ClusterModel
package import RemoteShell
import RunEngine

/// What kubeadm has noted of the cluster in its ConfigMap `kubeadm-config`.
package struct ClusterConfiguration: Fact {
    package static let name = "kubernetes.configuration"
    private let api: KubernetesAPI

    package init(_ api: KubernetesAPI) { self.api = api }

    package struct Value: Codable, Sendable, Hashable {
        package let kubernetesVersion: String
        /// Set when etcd's image does not follow kubeadm's own choice.
        package let etcdImageTag: String?

        package var version: KubernetesVersion? { KubernetesVersion(kubernetesVersion) }
    }

    package var command: RemoteCommand { api.command(Self.script, limit: .seconds(9)) }

    private static let script: StaticString = #"""
        K -n kube-system get configmap kubeadm-config -o go-template='{{.data.ClusterConfiguration}}' || exit
        echo; echo end
        """#

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        var inEtcd = false
        var version = ""
        var tag: String?
        for line in try KubernetesRows(answer).rows.map({ $0.joined(separator: "\t") }) {
            if line.first != " " { inEtcd = line == "etcd:" }
            let words = line.split(separator: " ").map { $0.filter { $0 != "\"" && $0 != "'" } }
            guard words.count == 2 else { continue }
            if line.hasPrefix("kubernetesVersion:") { version = words[1] }
            if inEtcd, words[0] == "imageTag:" { tag = words[1] }
        }
        guard KubernetesVersion(version) != nil else {
            throw OperatorMessage(.refused, "ConfigMap kubeadm-config does not tell the cluster's version")
        }
        return Value(kubernetesVersion: version, etcdImageTag: tag)
    }

    /// kubeadm changes it with the first control plane.
    package func bound(_ value: Value) throws -> JSONValue? { nil }
}
