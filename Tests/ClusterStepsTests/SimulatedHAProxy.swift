import ClusterModel
import RemoteShell
import Synchronization
import TestSupport

@testable import ClusterSteps

/// The HAProxy of one load balancer, with a server for every master: what it keeps, forgets and answers.
final class SimulatedHAProxy: Sendable {
    struct Server {
        let name: String
        let address: String
        var admin = 0
        var isHealthy = true
        var sessions = 3
        var heldBy: String?
    }

    struct State {
        var servers: [Server]
        /// Commands in the order they came.
        var told: [String] = []
        /// What it answers to a command that changes something; nil for obeying.
        var complaint: String?
        /// It obeys no one, and says nothing.
        var isDeaf = false
        /// Looks that find what came back still in its first check, or in slow start.
        var slowLooks = 0
    }

    private let state: Mutex<State>
    private let port: Int

    init(_ cluster: Cluster) {
        state = Mutex(
            State(servers: cluster.hosts(in: .master).map { Server(name: $0.name.text, address: $0.clusterAddress) })
        )
        port = cluster.apiPort
    }

    var now: State { state.withLock { $0 } }

    func change(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }

    func change(_ server: String, _ change: (inout Server) -> Void) {
        state.withLock { state in
            for index in state.servers.indices where state.servers[index].name == server {
                change(&state.servers[index])
            }
        }
    }

    /// Answers the scripts of `HAProxySocket`; nil for any other.
    func answer(_ script: String, _ arguments: [String]) -> CommandResult? {
        if script == HAProxyServers(ClusterPaths()).command.script { return CommandResult(text: look()) }
        guard script.hasPrefix(HAProxySocket.functions.description) else { return nil }
        return state.withLock { state in
            let isCut = arguments[1].hasPrefix("shutdown")
            let path = arguments[1].split(separator: " ").last ?? ""
            state.told.append(
                isCut ? arguments[1] : "\(arguments.count == 4 ? arguments[3] : "ready") \(path)"
            )
            if let complaint = state.complaint { return CommandResult(text: complaint + "\n\n") }
            guard let index = state.servers.firstIndex(where: { "api/\($0.name)" == path }) else {
                return CommandResult(text: "No such server.\n\n")
            }
            if isCut {
                state.servers[index].sessions = 0
            } else if arguments.count == 4 {
                state.servers[index].heldBy = arguments[2]
                if !state.isDeaf { state.servers[index].admin = arguments[3] == "drain" ? 8 : 1 }
            } else {
                state.servers[index].heldBy = nil
                if !state.isDeaf { state.servers[index].admin = 0 }
            }
            return CommandResult(text: "\n")
        }
    }

    private func look() -> String {
        state.withLock { state in
            let isSlow = state.slowLooks > 0
            if isSlow, state.told.contains(where: { $0.hasPrefix("ready") }) { state.slowLooks -= 1 }
            var lines = ["[problem]", "", "[client]", "socat", "[workers]", "1", "[state]", "1"]
            lines.append("# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_port")
            for (index, server) in state.servers.enumerated() {
                let operation = server.isHealthy && server.admin & 1 == 0 ? (isSlow ? 1 : 2) : 0
                lines.append("3 api \(index + 1) \(server.name) \(server.address) \(operation) \(server.admin) \(port)")
            }
            lines += ["[stat]", "# pxname,svname,scur,status,check_status,check_desc"]
            for server in state.servers {
                let status =
                    server.admin & 1 != 0
                    ? "MAINT" : !server.isHealthy ? "DOWN" : server.admin & 8 != 0 ? "DRAIN" : "UP"
                let check = server.isHealthy ? "L7OK,Layer7 check passed" : "L4CON,Layer4 connection problem"
                lines.append("api,\(server.name),\(server.sessions),\(status),\(check)")
            }
            lines.append("[held]")
            lines += state.servers.compactMap { server in server.heldBy.map { "api,\(server.name) \($0)" } }
            return (lines + ["[end]", ""]).joined(separator: "\n")
        }
    }
}
