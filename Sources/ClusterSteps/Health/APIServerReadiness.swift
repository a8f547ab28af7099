package import ClusterModel
package import RemoteShell
import RunEngine

/// Whether a master's own API server is ready, asked on the master itself: an answer through the VIP proves nothing about it.
///
/// Asked at the address it advertises, by its own manifest where there is one. `/readyz` need not ask etcd (distributions leave that
/// out), so etcd is read beside it.
package struct APIServerReadiness: Fact {
    package static let name = "apiserver.ready"
    private let kubernetes: String
    private let address: String
    private let port: Int

    package init(of host: Host, in cluster: Cluster) {
        kubernetes = cluster.paths.kubernetes
        address = host.clusterAddress
        port = cluster.apiPort
    }

    package struct Value: Codable, Sendable, Hashable {
        /// Nil when it is ready.
        package let problem: String?

        package var isReady: Bool { problem == nil }
    }

    package var command: RemoteCommand { RemoteCommand([Self.script], [kubernetes, address, String(port)]) }

    private static let script: StaticString = """
        manifest=$1/manifests/kube-apiserver.yaml
        address=$(sed -n 's/^ *- --advertise-address=//p' "$manifest" 2>/dev/null); address=${address:-$2}
        port=$(sed -n 's/^ *- --secure-port=//p' "$manifest" 2>/dev/null); port=${port:-$3}
        case $address in *:*) address="[$address]" ;; esac
        echo '[manifest]'; [ ! -f "$manifest" ] || echo yes
        echo '[answer]'
        if command -v curl >/dev/null 2>&1; then
            curl -sS -w '\\n%{http_code}\\n' --max-time 5 --cacert "$1/pki/ca.crt" "https://$address:$port/readyz" 2>&1
        else
            printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' | timeout 5 openssl s_client -quiet -connect "$address:$port" 2>/dev/null \\
                | tr -d '\\r' | sed -n -e '1s/^HTTP[^ ]* \\([0-9]*\\).*/\\1/' -e '1h' -e '/^\\[-\\]/p' -e '${x;p;}'
        fi
        echo '[end]'
        """

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        let lines = try output.lines("answer")
        let failing = lines.filter { $0.hasPrefix("[-]") }.map { $0.dropFirst(3).prefix { $0 != " " } }
        switch lines.last.flatMap({ Int($0) }) ?? 0 {
        case 200, 401:
            // Whoever forbids anonymous users is asked for a name before anything else: it answers.
            return Value(problem: nil)
        case 0:
            let hasManifest = try !output.lines("manifest").isEmpty
            let said = lines.first { $0.hasPrefix("curl:") }.map(Self.spoken) ?? "it does not answer"
            return Value(problem: hasManifest ? said : "\(said), and it has no manifest")
        case 403: return Value(problem: "it is starting, or /readyz is forbidden (403)")
        case let code where failing.isEmpty: return Value(problem: "/readyz answers \(code)")
        case let code:
            return Value(problem: "/readyz answers \(code): \(failing.joined(separator: ", ")) failed")
        }
    }

    /// `curl: (7) Failed to connect to 10.0.0.1 port 6443 after 0 ms: Couldn't connect to server` without its head.
    private static func spoken(_ line: String) -> String {
        if line.hasPrefix("curl: (7)") { return "connection refused" }
        if line.hasPrefix("curl: (28)") { return "no answer within 5 s" }
        return String(line.drop { $0 != ")" }.dropFirst(2))
    }

    /// Nothing is ever changed because of it.
    package func bound(_ value: Value) throws -> JSONValue? { nil }
}
