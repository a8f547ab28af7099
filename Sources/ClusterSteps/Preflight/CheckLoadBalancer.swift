package import ClusterModel
import RemoteShell
package import RunEngine

/// `preflight.load-balancer`: a load balancer works, starts at boot, knows every master, and loses the VIP when it should.
///
/// Sources: haproxy(1), keepalived(8) and nginx(8) for the programs' own checks; keepalived.conf(5). nginx's servers are not compared with the
/// inventory.
package struct CheckLoadBalancer: LookingCheck {
    package static let check = CheckName.loadBalancer
    package static let signature: KindSignature = looking(
        "HAProxy or nginx, keepalived, their servers, and how the VIP moves"
    )

    package func concerns(_ host: Host, in cluster: Cluster) -> Bool { host.role == .loadBalancer }

    package func facts(on target: StepTarget) -> [FactRequest] {
        target.cluster.hosts(in: .loadBalancer).map {
            FactRequest(LoadBalancerState(target.cluster.paths), on: $0.name)
        }
    }

    package func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment {
        let cluster = facts.cluster
        let fact = LoadBalancerState(cluster.paths)
        let own = try await facts.read(fact, on: host.name)
        let others = await SharedReading(
            facts,
            of: cluster.hosts(in: .loadBalancer).filter { $0.name != host.name }
        ) { _ in fact }
        guard own.units.contains(where: \.isInstalled) else {
            return .warn("nothing is set up here yet: neither haproxy, nginx nor keepalived is installed")
        }
        var report = Report()
        let balancer = Self.balancer(own)
        if let balancer {
            Self.judge(balancer, own, &report)
        } else {
            report.fail("neither haproxy nor nginx is installed", "apt-get install haproxy, or dnf install haproxy")
        }
        if balancer?.program == .haproxy, own.backends.sections.isEmpty == false {
            Self.judgeBackends(own, cluster, &report)
        }
        if let vip = cluster.vip,
            !others.known.isEmpty || !others.silent.isEmpty || own[.keepalived]?.isConfigured == true
        {
            Self.judgeKeepalived(own, on: host, others, vip, cluster, &report)
        }
        if let first = report.failures.first {
            return .fail(report.text + others.remark, remedy: first.remedy)
        }
        guard report.doubts.isEmpty else { return .warn(report.text + others.remark) }
        return .ok(report.fine.joined(separator: "; ") + others.remark)
    }

    /// The program that passes connections on: the one that runs, else the one that is configured.
    private static func balancer(_ state: LoadBalancerState.Value) -> LoadBalancerState.Unit? {
        let both = [state[.haproxy], state[.nginx]].compactMap { $0 }
        return both.first(where: \.state.isActive) ?? both.first { $0.isInstalled && $0.isConfigured }
            ?? both.first(where: \.isInstalled)
    }

    /// What holds for every program: its own check, its unit.
    private static func judge(_ unit: LoadBalancerState.Unit, _ state: LoadBalancerState.Value, _ report: inout Report)
    {
        let name = unit.program.rawValue
        let command =
            switch unit.program {
            case .haproxy: "haproxy -c \(state.haproxyOptions)"
            case .keepalived: "keepalived -t"
            case .nginx: "nginx -t"
            }
        if let verdict = unit.verdict {
            switch verdict.exitCode {
            case 0: break
            // Of timeout; and keepalived 2.2.7 ends its own check with SIGTERM when script_user is another user.
            case 124, 143:
                report.doubt(
                    "\(command) came to no end\(unit.program == .haproxy ? " within 4 s: does every name resolve?" : "")"
                )
            case Self.onlySecurity where unit.program == .keepalived && verdict.said.allSatisfy(Self.isRemark):
                report.doubt("\(command) ends with \(Self.onlySecurity)\(Self.complaint(verdict.said))")
            case let code: report.fail("\(command) ends with \(code)\(Self.complaint(verdict.said))", command)
            }
        }
        if unit.state.active == "failed" {
            report.fail("\(name) failed", "systemctl reset-failed \(name); systemctl start \(name)")
        } else if !unit.state.isActive {
            report.fail("\(name) is \(unit.state.spoken)", "systemctl enable --now \(name)")
        } else if !unit.state.isEnabled {
            report.doubt("\(name) would not start at the next boot: systemctl enable \(name)")
        } else {
            report.fine.append("\(name) runs")
        }
    }

    /// keepalived's code for scripts that run without script security; it hides the codes of real errors.
    private static let onlySecurity = 6

    /// Whether keepalived works in spite of it.
    private static func isRemark(_ line: String) -> Bool {
        ["SECURITY VIOLATION", "WARNING", "Truncating auth_pass"].contains { line.contains($0) }
    }

    /// The line of a program's complaint that says most.
    private static func complaint(_ said: [String]) -> String {
        let telling =
            said.first { line in ["[ALERT]", "[emerg]", "rror"].contains { line.contains($0) } }
            ?? said.first { !isRemark($0) } ?? said.first
        return telling.map { ": \($0)" } ?? ""
    }

    private static func judgeBackends(
        _ state: LoadBalancerState.Value,
        _ cluster: Cluster,
        _ report: inout Report
    ) {
        let edit = "edit the files of haproxy -c \(state.haproxyOptions), then systemctl reload haproxy"
        let accepting = state.backends.accepting(cluster.apiPort)
        guard !accepting.isEmpty else {
            report.fail("no frontend of haproxy binds port \(cluster.apiPort)", edit)
            return
        }
        if let vip = cluster.vip, !state.bindsForeignAddresses,
            accepting.contains(where: { $0.binds.contains { $0.address == vip && !$0.isTransparent } })
        {
            report.fail(
                "haproxy binds the VIP \(vip), and cannot start where it is not: net.ipv4.ip_nonlocal_bind is 0",
                "sysctl -w net.ipv4.ip_nonlocal_bind=1, and the same in /etc/sysctl.d"
            )
        }
        let sections = state.backends.behind(cluster.apiPort)
        let servers = sections.flatMap(\.servers)
        let name = sections.first?.name ?? accepting[0].name
        let masters = cluster.hosts(in: .master)
        func isServer(_ server: HAProxyBackends.Server, for master: Host) -> Bool {
            let addresses = [master.clusterAddress, master.ssh.address]
            if addresses.contains(server.address) || server.address == master.name.text { return true }
            guard let address = IPAddress(server.address) else {
                return server.address.hasPrefix(master.name.text + ".")
            }
            return addresses.contains { IPAddress($0) == address }
        }
        let missing = masters.filter { master in !servers.contains { isServer($0, for: master) } }
        if sections.contains(where: \.hasTemplate) {
            report.doubt("haproxy's backend \(name) has a server-template: its servers are not compared")
        } else if !missing.isEmpty {
            let list = missing.map { "\($0.name) (\($0.clusterAddress))" }.joined(separator: ", ")
            report.fail(
                "\(list) \(missing.count == 1 ? "is no server" : "are no servers") of haproxy's backend \(name)",
                edit
            )
        }
        for server in servers {
            let place = "\(server.name) (\(server.address)) of haproxy's backend \(name)"
            if !masters.contains(where: { isServer(server, for: $0) }) {
                report.doubt("\(place) is no master of the inventory")
            } else if server.isDisabled {
                report.doubt("\(place) is disabled")
            } else if !server.isChecked {
                report.doubt("\(place) has no check: it gets connections when it is dead")
            }
        }
        if missing.isEmpty { report.fine.append("\(name) has the \(masters.count) masters") }
    }

    private static func judgeKeepalived(
        _ state: LoadBalancerState.Value,
        on host: Host,
        _ others: SharedReading<LoadBalancerState.Value>,
        _ vip: String,
        _ cluster: Cluster,
        _ report: inout Report
    ) {
        guard let unit = state[.keepalived], unit.isInstalled else {
            report.doubt("keepalived is not installed: the VIP \(vip) cannot move here")
            return
        }
        guard unit.isConfigured else {
            report.fail("keepalived has no configuration, or an empty one", "write \(cluster.paths.keepalived)")
            return
        }
        judge(unit, state, &report)
        guard let instance = state.vrrp.instance(of: vip) else {
            report.fail("no vrrp_instance of keepalived has the VIP \(vip)", "edit \(cluster.paths.keepalived)")
            return
        }
        let edit = "edit \(cluster.paths.keepalived) or what it includes, then systemctl reload keepalived"
        let failover = VIPFailover(
            own: VIPFailover.Member(name: host.name, address: host.clusterAddress, instance: instance),
            others: others.known.compactMap { other in
                other.value.vrrp.instance(of: vip).map {
                    VIPFailover.Member(name: other.host.name, address: other.host.clusterAddress, instance: $0)
                }
            }
        )
        for text in failover.disagreements { report.fail("keepalived's \(text): each would hold the VIP", edit) }
        for text in failover.doubts { report.doubt(text) }
        guard !instance.tracks.isEmpty else {
            report.doubt(
                "keepalived's \(instance.name) tracks no script or process: the VIP stays on a dead \(balancer(state)?.program.rawValue ?? "haproxy")"
            )
            return
        }
        if let outcome = failover.outcome {
            for text in outcome.stays {
                if outcome.moves { report.doubt(text) } else { report.fail("the VIP would not move: \(text)", edit) }
            }
            guard outcome.stays.isEmpty else { return }
        }
        let checks = instance.tracks.map(\.name).joined(separator: ", ")
        report.fine.append("priority \(instance.priority), and the VIP leaves when \(checks) fails")
    }
}

/// What was found on one load balancer.
private struct Report {
    private(set) var failures: [(text: String, remedy: String)] = []
    private(set) var doubts: [String] = []
    var fine: [String] = []

    mutating func fail(_ text: String, _ remedy: String) { failures.append((text, remedy)) }

    mutating func doubt(_ text: String) { doubts.append(text) }

    var text: String { (failures.map(\.text) + doubts).joined(separator: "; ") }
}
