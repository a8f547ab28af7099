package import ClusterModel
package import RemoteShell
import RunEngine

/// Whether a master has what it takes to ask Kubernetes: kubectl, and the administrator's kubeconfig.
package struct KubernetesClient: Fact {
    package static let name = "kubernetes.client"

    private let kubernetes: String

    package init(_ paths: ClusterPaths) { kubernetes = paths.kubernetes }

    package struct Value: Codable, Sendable, Hashable {
        /// Nil when nothing is missing.
        package let problem: String?
    }

    package var command: RemoteCommand { RemoteCommand(Self.script, [kubernetes]) }

    private static let script: StaticString = """
        echo '[missing]'
        command -v kubectl >/dev/null 2>&1 || echo kubectl
        [ -r "$1/admin.conf" ] || echo "$1/admin.conf"
        echo '[end]'
        """

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        let missing = try output.lines("missing")
        return Value(problem: missing.isEmpty ? nil : "no \(missing.joined(separator: ", no "))")
    }

    /// Another master may be asked when the time comes.
    package func bound(_ value: Value) throws -> JSONValue? { nil }
}
