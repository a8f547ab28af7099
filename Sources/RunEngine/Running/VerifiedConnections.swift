import ClusterModel
import RemoteShell

/// Connections of one step, each checked once to lead to the machine the plan was made for.
actor VerifiedConnections: HostConnections {
    private let base: any HostConnections
    private let expected: [HostName: String]
    private var verified: [HostName: any HostConnection] = [:]

    init(_ base: any HostConnections, plan: Plan) {
        self.base = base
        expected = plan.hosts.reduce(into: [:]) { $0[$1.name] = $1.machineID }
    }

    nonisolated var executor: (any TaskExecutor)? { base.executor }

    func connection(to host: Host) async throws(TransportError) -> any HostConnection {
        if let known = verified[host.name] { return known }
        let connection = try await base.connection(to: host)
        if let wanted = expected[host.name] {
            let answer: CommandResult
            do { answer = try await connection.run(HostIdentity().command) } catch { throw error.ofReading }
            let probe = ProbeBatch.Answer(exitCode: answer.exitCode, output: answer.output.bytes)
            let found = (try? HostIdentity().parse(probe))?.machineID
            guard found == wanted else {
                throw TransportError(
                    .wrongMachine,
                    host: host.name,
                    "another machine answers: its machine id is \(found ?? "not readable"), the plan was made for \(wanted)",
                    next: "check addresses and DNS; if the host was rebuilt, make the plan again"
                )
            }
        }
        verified[host.name] = connection
        return connection
    }

    /// Forgets a connection whose link was lost: the next one is made anew, and checked anew.
    func drop(_ host: HostName) async { verified[host] = nil }
}
