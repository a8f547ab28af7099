import ClusterModel
import Glibc
import Logging
import RemoteShell
import RunEngine
import SSHTransport

/// Drives Rollbook's own connection stack for the benchmarks: the same transport, frames and fact cache as the program.
@main
enum RollbookBench {
    static func main() async {
        do {
            try await run(try Job(Array(CommandLine.arguments.dropFirst())))
        } catch {
            print("rollbook-bench: \(error)")
            exit(1)
        }
    }

    private static func run(_ job: Job) async throws {
        guard job.mode != .commands else {
            for command in Preflight.commands { print(command) }
            return
        }
        let hostKeys = try KnownHostsStore(paths: [job.knownHosts])
        let logger = Logger(label: "rollbook.ssh") { _ in SwiftLogNoOpLogHandler() }
        let connections = Connections(
            transport: SSHTransport(
                options: SSHOptions(maximumHandshakes: job.parallel),
                hostKeys: hostKeys,
                logger: logger
            )
        )
        let hosts = try job.hosts()
        let preflight = Preflight(job: job, hosts: hosts, connections: connections)
        switch job.mode {
        case .batch: try await preflight.batch()
        case .seq: try await preflight.separately(atOnce: false)
        case .par: try await preflight.separately(atOnce: true)
        case .login: try await preflight.login()
        case .fetch: try await Fetch(job: job, hosts: hosts, connections: connections).run()
        case .commands: break
        }
        await connections.transport.shutdown()
    }
}

/// Logged-in hosts with proven results, as the program composes them.
private struct Connections: HostConnections {
    let transport: SSHTransport

    func drop(_ host: HostName) async {}

    var executor: (any TaskExecutor)? { transport.executor }

    func connection(to host: Host) async throws(TransportError) -> any HostConnection {
        FramedConnection(try await transport.connect(to: host), become: host.ssh.become)
    }
}
