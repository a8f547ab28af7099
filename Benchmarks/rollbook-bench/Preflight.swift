import ClusterModel
import RemoteShell
import RunEngine

/// The preflight-read job: eight read-only commands on every host, the output of each in a file of its own.
struct Preflight {
    let job: Job
    let hosts: [Host]
    let connections: any HostConnections

    /// The commands; `Benchmarks/commands.txt` has the same for the peers, which the harness checks.
    static let commands: [StaticString] = [
        "cat /proc/swaps",
        "cat /etc/fstab",
        "cat /proc/modules || true",
        "cat /proc/sys/net/ipv4/ip_forward",
        "uname -r",
        "cat /etc/os-release",
        "df -P /",
        "date +%s",
    ]

    /// One execution per host, through the same cache that plans are made from.
    func batch() async throws {
        guard let id = ClusterID("bench") else { return }
        let cache = FactCache(
            cluster: Cluster(id: id, hosts: hosts),
            connections: connections,
            parallel: job.parallel
        )
        let facts = Self.commands.indices.map(CommandFact.init)
        await cache.prefetch(hosts.flatMap { host in facts.map { FactRequest($0, on: host.name) } })
        let reader = cache.reader(of: Cluster(id: id, hosts: hosts))
        for host in hosts {
            for fact in facts { try save(try await reader.read(fact, on: host.name).utf8, of: host, fact.index) }
        }
    }

    /// One execution per command.
    func separately(atOnce: Bool) async throws {
        try await hosts.inFlight(job.parallel) { host in
            let connection = try await connections.connection(to: host)
            try await Self.commands.indices.map { $0 }.inFlight(atOnce ? Self.commands.count : 1) { index in
                let result = try await connection.run(RemoteCommand(Self.commands[index], as: .login))
                guard result.succeeded else {
                    throw OperatorMessage(
                        .stepFailed,
                        at: host.name.text,
                        "command \(index) ended with \(result.exitCode)"
                    )
                }
                try save(result.output.bytes, of: host, index)
            }
        }
    }

    /// The least there is: a connection, a login, and one execution.
    func login() async throws {
        try await hosts.inFlight(job.parallel) { host in
            _ = try await connections.connection(to: host).run(RemoteCommand("true", as: .login))
        }
    }

    private func save(_ bytes: some Sequence<UInt8>, of host: Host, _ index: Int) throws {
        try LocalFile.write(Array(bytes), to: "\(job.output)/\(host.name.text).\(index)")
    }
}

/// One of the job's commands as a fact whose value is the text it prints.
struct CommandFact: Fact {
    static let name = "bench.command"
    let index: Int

    var command: RemoteCommand { RemoteCommand(Preflight.commands[index], as: .login) }

    func parse(_ answer: ProbeBatch.Answer) throws -> String {
        guard answer.exitCode == 0 else {
            throw OperatorMessage(.stepFailed, "command \(index) ended with \(answer.exitCode)")
        }
        return answer.text
    }

    func bound(_ value: String) throws -> JSONValue? { nil }
}
