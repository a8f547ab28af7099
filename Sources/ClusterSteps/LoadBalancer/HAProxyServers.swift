package import ClusterModel
package import RemoteShell
import RunEngine

/// The servers of a load balancer's running HAProxy, and whether they get new connections.
///
/// From `show servers state` and `show stat`: the first has what an operator set (a server in drain that its check takes for dead
/// is `DOWN` in the second), the second has what the check says. Sources: HAProxy's management guide, section 9.3, and
/// `include/haproxy/server-t.h` for the numbers; recordings of HAProxy 2.6.
package struct HAProxyServers: Fact {
    package static let name = "loadbalancer.backends"

    private let configuration: String

    package init(_ paths: ClusterPaths) { configuration = paths.haproxy }

    package struct Server: Codable, Sendable, Hashable {
        package let backend: String
        package let name: String
        package let address: String
        package let port: Int
        /// 0 stopped, 1 starting (slowstart), 2 running, 3 stopping.
        package let operation: Int
        /// Bits of what was set: 1, 2, 4, 32, 64 for maintenance, 8, 16 for drain; 0 when nothing was.
        package let admin: Int
        /// As `show stat` has it: `UP`, `UP 1/2`, `DRAIN`, `MAINT`, `no check`, ….
        package let status: String
        /// What its check said last; empty without one.
        package let check: String
        package let sessions: Int
        /// The run that took it out of service, if one did, even if HAProxy forgot in a reload.
        package let heldBy: String?

        package var path: String { "\(backend)/\(name)" }
        package var isAway: Bool { admin != 0 }
        package var isDrained: Bool { admin & 24 != 0 }
        /// It gets new connections, and answers them.
        package var isServing: Bool { !isAway && (status == "UP" || status == "no check") }
        /// `UP`, or `DOWN, L4CON Connection refused`.
        package var spoken: String {
            check.isEmpty || ["UP", "DRAIN"].contains(status) ? status : "\(status), \(check)"
        }
    }

    package struct Value: Codable, Sendable, Hashable {
        /// Why it cannot be asked, and what to do about it; nil when it was.
        package let problem: String?
        package let remedy: String?
        package let client: String
        package let servers: [Server]
        /// Processes of before a reload that still serve connections, out of reach of the socket.
        package let olderWorkers: Int

        /// The servers that are an API server of the cluster.
        package func servers(of host: Host, _ cluster: Cluster) -> [Server] {
            let names = [host.clusterAddress, host.ssh.address]
            let addresses = names.compactMap { IPAddress($0) }
            return servers.filter { server in
                server.port == cluster.apiPort
                    && (names.contains(server.address) || IPAddress(server.address).map(addresses.contains) ?? false)
            }
        }
    }

    package var command: RemoteCommand { RemoteCommand([HAProxySocket.functions, Self.script], [configuration]) }

    private static let script: StaticString = """
        echo '[problem]'; echo "$problem"
        echo '[client]'; echo "$client"
        echo '[workers]'; echo "$workers"
        echo '[state]'; [ -n "$problem" ] || ask 'show servers state' 2>&1
        echo '[stat]'; [ -n "$problem" ] || ask 'show stat' 2>&1
        echo '[held]'; for f in "$held"/*; do [ ! -f "$f" ] || echo "${f##*/} $(cat "$f")"; done
        echo '[end]'
        """

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        let client = try output.line("client")
        let holders = try output.rows("held").reduce(into: [:]) { $0[$1.first ?? ""] = $1.last }
        func failed(_ problem: String, _ remedy: String) -> Value {
            Value(problem: problem, remedy: remedy, client: client, servers: [], olderWorkers: 0)
        }
        let word = try output.line("problem")
        if let known = Self.problems[word] { return failed(known.problem, known.remedy(configuration)) }
        guard word.isEmpty else { throw OperatorMessage(.fault, "'\(word)' is no known problem of HAProxy's socket") }
        let states = try output.rows("state")
        guard let header = states.firstIndex(where: { $0.prefix(2) == ["#", "be_id"] }) else {
            let said = try output.lines("state").joined(separator: " ")
            return failed(
                "HAProxy's socket answers \(said.isEmpty ? "nothing" : "'\(said.prefix(120))'")",
                "look with: echo 'show servers state' | socat - UNIX-CONNECT:SOCKET"
            )
        }
        let columns = Array(states[header].dropFirst())
        let counters = HAProxyStatistics(try output.lines("stat"))
        let servers = try states[(header + 1)...].map { row throws in
            guard let server = Self.server(columns, row, counters, holders) else {
                throw OperatorMessage(
                    .fault,
                    "HAProxy's line about a server is not understood: \(row.joined(separator: " "))"
                )
            }
            return server
        }
        let workers = Int(try output.line("workers")) ?? 0
        return Value(problem: nil, remedy: nil, client: client, servers: servers, olderWorkers: max(0, workers - 1))
    }

    private static func server(
        _ columns: [String],
        _ row: [String],
        _ counters: HAProxyStatistics,
        _ holders: [String: String?]
    ) -> Server? {
        let values = Dictionary(zip(columns, row)) { first, _ in first }
        guard let backend = values["be_name"], let name = values["srv_name"], let address = values["srv_addr"],
            // Names become part of commands: HAProxy itself allows nothing else in them.
            (backend + name).allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "._-:".contains($0)) }),
            let operation = values["srv_op_state"].flatMap({ Int($0) }),
            let admin = values["srv_admin_state"].flatMap({ Int($0) }),
            let port = values["srv_port"].flatMap({ Int($0) })
        else { return nil }
        let counted = counters.rows["\(backend)/\(name)"] ?? [:]
        let words = [counted["check_status"] ?? "", counted["check_desc"] ?? "", counted["last_chk"] ?? ""]
        return Server(
            backend: backend,
            name: name,
            address: address,
            port: port,
            operation: operation,
            admin: admin,
            status: counted["status"] ?? "unknown",
            check: words.map { $0.drop { "* ".contains($0) } }.filter { !$0.isEmpty }.joined(separator: " "),
            sessions: counted["scur"].flatMap { Int($0) } ?? 0,
            heldBy: holders["\(backend),\(name)"] ?? nil
        )
    }

    private static let problems: [String: (problem: String, remedy: @Sendable (String) -> String)] = [
        "absent": ("it has no HAProxy", { _ in "take this API server out of its configuration, then leave it out" }),
        "nginx": (
            "nginx balances there, and cannot drain at run time",
            { _ in "write 'down' behind this server in its configuration, nginx -s reload, then leave it out" }
        ),
        "container": (
            "HAProxy runs in a container there, out of reach",
            { _ in "put this server into drain by hand, then leave it out" }
        ),
        "stopped": ("HAProxy does not run", { _ in "systemctl start haproxy" }),
        "socket": (
            "HAProxy has no stats socket",
            {
                "add to global of \($0): stats socket /run/haproxy/admin.sock mode 600 level admin; then systemctl reload haproxy"
            }
        ),
        "level": (
            "no stats socket of HAProxy is a file with level admin",
            {
                "in global of \($0): stats socket /run/haproxy/admin.sock mode 600 level admin; then systemctl reload haproxy"
            }
        ),
        "gone": ("HAProxy's stats socket is not there", { _ in "systemctl reload haproxy" }),
        "client": (
            "nothing there can speak to HAProxy's socket",
            { _ in "install socat (or perl, python3, an nc that knows -U)" }
        ),
    ]

    /// What a step does is found out when it is done: who else is in service may change from one moment to the next.
    package func bound(_ value: Value) throws -> JSONValue? { nil }
}

/// `show stat`: a row of counters for every frontend, server and backend, by `BACKEND/SERVER`.
struct HAProxyStatistics {
    private(set) var rows: [String: [String: String]] = [:]

    init(_ lines: [String]) {
        guard let header = lines.firstIndex(where: { $0.hasPrefix("# pxname,") }) else { return }
        let columns = Self.fields(String(lines[header].dropFirst(2)))
        for line in lines[(header + 1)...] {
            let fields = Self.fields(line)
            guard fields.count > 2 else { continue }
            rows["\(fields[0])/\(fields[1])"] = Dictionary(zip(columns, fields)) { first, _ in first }
        }
    }

    /// Splits at commas outside of quotes; a quote within is doubled.
    static func fields(_ line: String) -> [String] {
        var fields = [""]
        var isQuoted = false
        for character in line {
            switch character {
            case "\"":
                isQuoted.toggle()
            case "," where !isQuoted: fields.append("")
            default: fields[fields.count - 1].append(character)
            }
        }
        return fields
    }
}
