package import ClusterModel
package import RemoteShell
import RunEngine

/// The three static pods of a master besides etcd: where their manifests are, and whether they run.
package struct ControlPlanePods: Fact {
    package static let name = "controlplane.pods"
    package let kubernetes: String

    package init(paths: ClusterPaths) { kubernetes = paths.kubernetes }

    package struct Value: Codable, Sendable, Hashable {
        /// Manifests in the kubelet's folder.
        package let placed: [String]
        /// Manifests that Rollbook keeps aside.
        package let parked: [String]
        /// Pods with a process.
        package let running: [String]
        package let kubeletRuns: Bool

        package var all: [String] { Array(Set(placed + parked)).sorted() }
    }

    /// Defines `pods`, `kept` and `is_running POD`, with `$1` the folder of kubernetes.
    ///
    /// A process is known by the first 15 characters of its name, which is all that the kernel keeps of it.
    static let functions: StaticString = """
        kubernetes=$1; shift; kept=/var/lib/rollbook-host/parked
        pods='kube-apiserver kube-controller-manager kube-scheduler'
        is_running() {
            short=$(printf %.15s "$1")
            for d in /proc/[0-9]*; do
                { read -r c <"$d/comm"; } 2>/dev/null && [ "$c" = "$short" ] && return 0
            done
            return 1
        }

        """

    private static let script: StaticString = """
        echo '[placed]'; for p in $pods; do [ -f "$kubernetes/manifests/$p.yaml" ] && echo "$p"; done
        echo '[parked]'; for p in $pods; do [ -f "$kept/$p.yaml" ] && echo "$p"; done
        echo '[running]'; for p in $pods; do is_running "$p" && echo "$p"; done
        echo '[kubelet]'; systemctl is-active -q kubelet 2>/dev/null && echo yes
        echo '[end]'
        """

    package var command: RemoteCommand { RemoteCommand([Self.functions, Self.script], [kubernetes]) }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        return Value(
            placed: try output.lines("placed"),
            parked: try output.lines("parked"),
            running: try output.lines("running"),
            kubeletRuns: try !output.lines("kubelet").isEmpty
        )
    }

    /// Which there are; where they are changes with the run's own steps.
    package func bound(_ value: Value) throws -> JSONValue? { .array(value.all.map { .string($0) }) }
}
