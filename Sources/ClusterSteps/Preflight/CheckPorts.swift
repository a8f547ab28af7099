package import ClusterModel
package import RemoteShell
package import RunEngine

/// `preflight.ports`: the ports of a host's role are free, or held by the program they are for.
///
/// Free is what a host needs before it joins, held is how it is afterwards; whether a program that should run does is for
/// others to say. Any address counts: who listens on the loopback keeps a program from listening everywhere. Sources:
/// kubernetes.io "Ports and Protocols"; kubeadm's `Port-*` checks.
package struct CheckPorts: LookingCheck {
    package static let check = CheckName.ports
    package static let signature: KindSignature = looking(
        "The ports of its role are free, or held by the right program"
    )

    package func concerns(_ host: Host, in cluster: Cluster) -> Bool { true }

    package func facts(on target: StepTarget) -> [FactRequest] { [FactRequest(PortListeners(), on: target.name)] }

    package func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment {
        let state = try await facts.read(PortListeners(), on: host.name)
        if let problem = state.problem {
            return .fail(
                "\(problem), so nobody can say which ports are taken",
                remedy: "apt-get install iproute2, or dnf install iproute"
            )
        }
        var (taken, unnamed, held, free): ([(text: String, port: Int)], [String], [String], [String]) = ([], [], [], [])
        for port in Self.ports(of: host, in: facts.cluster) {
            let listeners = state.listeners.filter { $0.port == port.number }
            let strangers = listeners.filter { listener in
                !listener.programs.isEmpty && !listener.programs.contains { $0.isOne(of: port.programs) }
            }
            if let stranger = strangers.first, let program = stranger.programs.first {
                taken.append(
                    (
                        "\(port.number)/tcp is taken by \(program.name) (pid \(program.pid), on \(stranger.address)),"
                            + " it is for \(port.programs.joined(separator: " or "))", port.number
                    )
                )
            } else if listeners.contains(where: \.programs.isEmpty) {
                unnamed.append("\(port.number)/tcp")
            } else if let program = listeners.first?.programs.first {
                held.append("\(port.number) by \(program.name)")
            } else {
                free.append("\(port.number)")
            }
        }
        if let first = taken.first {
            return .fail(
                taken.map(\.text).joined(separator: "; "),
                remedy: "ss -ltnp 'sport = :\(first.port)', and stop that program"
            )
        }
        guard unnamed.isEmpty else {
            return .warn("something listens on \(unnamed.joined(separator: ", ")), but ss does not tell what")
        }
        let parts = [
            held.isEmpty ? nil : "held: \(held.joined(separator: ", "))",
            free.isEmpty ? nil : "free: \(free.joined(separator: ", "))",
        ]
        return .ok(parts.compactMap { $0 }.joined(separator: "; "))
    }

    /// The TCP ports of a host's role, and the programs that may hold them.
    ///
    /// 10256 answers health checks of load balancers for kube-proxy, or for what stands in its place.
    static func ports(of host: Host, in cluster: Cluster) -> [(number: Int, programs: [String])] {
        let etcd: [(number: Int, programs: [String])] = [(2379, ["etcd"]), (2380, ["etcd"])]
        let proxy: (number: Int, programs: [String]) = (10256, ["kube-proxy", "cilium-agent", "kube-router"])
        switch host.role {
        case .master:
            var ports: [(number: Int, programs: [String])] = [(6443, ["kube-apiserver"])]
            if cluster.topology == .stacked { ports += etcd }
            ports += [(10250, ["kubelet"]), (10257, ["kube-controller-manager"]), (10259, ["kube-scheduler"])]
            return ports + [proxy]
        case .worker: return [(10250, ["kubelet"]), proxy]
        case .etcd: return etcd
        case .loadBalancer: return [(cluster.apiPort, ["haproxy", "nginx"])]
        }
    }
}

/// Who listens on which TCP port of a host.
package struct PortListeners: Fact {
    package static let name = "host.listeners"

    package init() {}

    package struct Program: Codable, Sendable, Hashable {
        /// As the kernel has it: 15 bytes at most.
        package let name: String
        package let pid: Int

        /// Whether it is one of the programs, or goes by one's name and a suffix (`etcd-3.5`).
        ///
        /// The kernel keeps 15 bytes of a name, so `kube-controller` is all that is left of kube-controller-manager, and of
        /// `kube-apiserver-standin`, which answers in its place in the lab, `kube-apiserver-`.
        func isOne(of programs: [String]) -> Bool {
            programs.contains { name == String($0.prefix(15)) || name.hasPrefix($0 + "-") }
        }
    }

    package struct Listener: Codable, Sendable, Hashable {
        /// `*` for all addresses of both families.
        package let address: String
        package let port: Int
        /// Several when they share the socket; none when the kernel itself listens.
        package let programs: [Program]

        /// Whether a connection to an address of the host ends here; a name may stand for any address.
        func answers(on wanted: String) -> Bool {
            guard let wanted = IPAddress(wanted) else { return true }
            switch address {
            case "*", "::": return true
            case "0.0.0.0": return wanted.family == .v4
            default: return IPAddress(String(address.prefix { $0 != "%" })) == wanted
            }
        }
    }

    package struct Value: Codable, Sendable, Hashable {
        package let listeners: [Listener]
        /// Why they are not known.
        package let problem: String?
    }

    package var command: RemoteCommand {
        RemoteCommand(
            """
            echo '[listening]'
            if command -v ss >/dev/null 2>&1; then
                timeout 5 ss -Hltnp 2>/dev/null || echo "problem ss ended with $?"
            else
                echo 'problem there is no ss'
            fi
            echo '[end]'
            """
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        let lines = try output.lines("listening")
        return Value(
            listeners: lines.compactMap(Self.listener),
            problem: lines.first { $0.hasPrefix("problem ") }.map { String($0.dropFirst(8)) }
        )
    }

    /// One line of ss.
    ///
    /// `LISTEN 0 4096 127.0.0.1%lo:53 0.0.0.0:* users:(("name",pid=1,fd=3),("name",pid=2,fd=3))`
    private static func listener(_ line: String) -> Listener? {
        let words = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
        guard words.count >= 5, words[0] == "LISTEN", let colon = words[3].lastIndex(of: ":") else { return nil }
        guard let port = Int(words[3][words[3].index(after: colon)...]) else { return nil }
        return Listener(
            address: words[3][..<colon].filter { $0 != "[" && $0 != "]" },
            port: port,
            programs: words.count == 6 ? programs(words[5]) : []
        )
    }

    private static func programs(_ text: Substring) -> [Program] {
        text.split(separator: "(\"").dropFirst().compactMap { part in
            let pieces = part.split(separator: "\",pid=", maxSplits: 1)
            guard pieces.count == 2, let pid = Int(pieces[1].prefix { $0.isNumber }) else { return nil }
            return Program(name: String(pieces[0]), pid: pid)
        }
    }

    /// Nothing is ever changed because of it.
    package func bound(_ value: Value) throws -> JSONValue? { nil }
}
