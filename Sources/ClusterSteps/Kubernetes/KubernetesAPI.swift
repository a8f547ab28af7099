package import ClusterModel
package import RemoteShell
package import RunEngine

/// The way to Kubernetes: kubectl on one master, talking to that master's own API server.
///
/// Never through the VIP, and never on the host that is being changed: an answer must not depend on what is about to restart.
/// admin.conf stays on the master. Its certificate covers each master's address, but not 127.0.0.1 (kubeadm), so the address that
/// the API server advertises is asked.
package struct KubernetesAPI: Sendable, Hashable {
    /// Where kubectl runs, and whose API server it asks.
    package let master: Host
    private let kubernetes: String
    private let port: Int

    package init(on master: Host, in cluster: Cluster) {
        self.master = master
        kubernetes = cluster.paths.kubernetes
        port = cluster.apiPort
    }

    /// What the choice is made of, for reading ahead.
    package static func facts(in cluster: Cluster) -> [FactRequest] {
        cluster.hosts(in: .master).map { FactRequest(APIServerReadiness(of: $0, in: cluster), on: $0.name) }
    }

    /// The first master in inventory order that is not `host` and whose own API server is ready; `host` itself where it is the
    /// only master.
    ///
    /// With `orItself` the host's own API server will do when no other is ready: for taking something back from it.
    ///
    /// - Throws: `OperatorMessage` with code `refused` that says what each of them lacks.
    package static func chosen(
        _ facts: any FactReader,
        avoiding host: HostName? = nil,
        orItself: Bool = false
    ) async throws -> KubernetesAPI {
        let masters = facts.cluster.hosts(in: .master)
        let others = masters.filter { $0.name != host }
        var candidates = others.isEmpty ? masters : others
        if orItself { candidates += masters.filter { !candidates.contains($0) } }
        var lacking: [String] = []
        for master in candidates {
            do {
                let seen = try await facts.read(APIServerReadiness(of: master, in: facts.cluster), on: master.name)
                guard let problem = seen.problem else { return KubernetesAPI(on: master, in: facts.cluster) }
                lacking.append("\(master.name): \(problem)")
            } catch {
                lacking.append("\(master.name): \(error.message.event)")
            }
        }
        let which = host.map { "no API server besides \($0)'s is ready" } ?? "no API server is ready"
        let why = lacking.isEmpty ? "the inventory has no master" : lacking.joined(separator: "; ")
        throw OperatorMessage(.refused, "\(which): \(why)", next: "rollbook health")
    }

    /// A script that may call `K ARGS…`, kubectl on this master's API server; its own values begin at `$1`.
    ///
    /// `limit` is how long one call of `K` may take before it is killed; a request within it may take 20 s, or as long as that.
    package func command(
        _ scripts: StaticString...,
        with arguments: [String] = [],
        limit: Duration = .seconds(30)
    ) -> RemoteCommand {
        RemoteCommand(
            [Self.functions] + scripts,
            [kubernetes, master.clusterAddress, String(port), String(max(1, limit.components.seconds))] + arguments
        )
    }

    /// Defines `K`, `kubernetes` and `server`; takes its four values off the arguments.
    ///
    /// Nothing is written on the host: kubectl's cache of what the API server offers goes nowhere.
    static let functions: StaticString = """
        kubernetes=$1; address=$2; port=$3; limit=$4; shift 4
        manifest=$kubernetes/manifests/kube-apiserver.yaml
        said=$(sed -n 's/^ *- --advertise-address=//p' "$manifest" 2>/dev/null); address=${said:-$address}
        said=$(sed -n 's/^ *- --secure-port=//p' "$manifest" 2>/dev/null); port=${said:-$port}
        case $address in *:*) address="[$address]" ;; esac
        server=https://$address:$port
        patience=20; [ "$limit" -ge 20 ] || patience=$limit
        K() {
            timeout "$limit" kubectl --kubeconfig "$kubernetes/admin.conf" --server "$server" \\
                --request-timeout="${patience}s" --cache-dir=/dev/null/none "$@"
        }

        """

    /// What kubectl complained of last, without its log lines; nil when it said nothing.
    package static func complaint(_ errorOutput: String) -> String? {
        let lines = errorOutput.split(separator: "\n").map { $0.drop { $0 == " " } }
        let spoken = lines.filter { !$0.isEmpty && !isLogLine($0) }
        return (spoken.last { !$0.hasPrefix("There are pending") } ?? spoken.last).map(String.init)
    }

    /// `E1120 23:02:39.690196    2334 memcache.go:265] …`, as klog writes.
    private static func isLogLine(_ line: Substring) -> Bool {
        guard let first = line.first, "EIWF".contains(first) else { return false }
        return line.dropFirst().prefix(4).count == 4 && line.dropFirst().prefix(4).allSatisfy(\.isNumber)
    }
}

extension KubernetesAPI {
    /// Runs a command made by `command` on the master, over a step's connections.
    ///
    /// Only for what may be repeated: when the link is lost nobody knows whether it ran.
    ///
    /// - Returns: what it printed, whatever its exit code.
    package func run(
        _ command: RemoteCommand,
        in context: StepContext,
        deadline: Duration = .seconds(60)
    ) async throws -> CommandResult {
        try await context.connection(to: master).run(command, limits: CommandLimits(deadline: deadline))
    }

    /// Like `run`, for commands that have to end with 0.
    ///
    /// - Throws: `OperatorMessage` with code `stepFailed` and kubectl's own complaint.
    package func output(
        of command: RemoteCommand,
        in context: StepContext,
        deadline: Duration = .seconds(60)
    ) async throws -> String {
        let result = try await run(command, in: context, deadline: deadline)
        guard result.succeeded else {
            let said = result.exitCode == 124 ? "kubectl was killed at its limit" : nil
            throw OperatorMessage(
                .stepFailed,
                said ?? Self.complaint(result.errorOutput.text)
                    ?? "kubectl on \(master.name) ended with \(result.exitCode)"
            )
        }
        return result.output.text
    }
}
