package import ClusterModel
import RemoteShell
package import RunEngine

/// `preflight.reachability`: a host really gets through to every port of the others that it will need (`DialPlan`).
///
/// "Connection refused" shows that the way is open and nobody listens yet; where the other host itself says that somebody
/// does, a firewall refused. No answer, or "No route to host", is a firewall as well. What fails is reported on the host that dialled. A
/// host that cannot be asked over SSH is remarked on and hides nothing about others. VRRP is no TCP and cannot be dialled.
package struct CheckReachability: LookingCheck {
    package static let check = CheckName.reachability
    package static let signature: KindSignature = looking("Every port that it will need on other hosts, really dialled")

    package func concerns(_ host: Host, in cluster: Cluster) -> Bool { true }

    package func facts(on target: StepTarget) -> [FactRequest] {
        guard let host = target.host else { return [] }
        let plan = DialPlan(of: host, in: target.cluster)
        return [FactRequest(DialledPorts(plan), on: host.name)]
            + Self.dialled(plan, in: target.cluster).flatMap {
                [FactRequest(PortListeners(), on: $0.name), FactRequest(HostSecurity(), on: $0.name)]
            }
            + (plan.dials.contains { $0.host == nil } ? Self.holders(in: target.cluster) : []).map {
                FactRequest(HostAddresses(target.cluster.paths), on: $0.name)
            }
    }

    /// The hosts that a plan dials; all that may hold the VIP where it is dialled.
    private static func dialled(_ plan: DialPlan, in cluster: Cluster) -> [Host] {
        let names = Set(plan.dials.compactMap(\.host))
        let isVIP = plan.dials.contains { $0.host == nil }
        let holders = isVIP ? Set(holders(in: cluster).map(\.name)) : []
        return cluster.hosts.filter { names.contains($0.name) || holders.contains($0.name) }
    }

    private static func holders(in cluster: Cluster) -> [Host] {
        let balancers = cluster.hosts(in: .loadBalancer)
        return balancers.isEmpty ? cluster.hosts(in: .master) : balancers
    }

    package func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment {
        let plan = DialPlan(of: host, in: facts.cluster)
        guard !plan.dials.isEmpty else { return .ok("it needs no port of another host") }
        let own = try await facts.read(DialledPorts(plan), on: host.name)
        if let program = own.missing {
            return .fail(
                "there is no \(program), so nothing can be dialled",
                remedy: "apt-get install bash coreutils, or dnf install bash coreutils"
            )
        }
        let others = await SharedReading(facts, of: Self.dialled(plan, in: facts.cluster)) { _ in PortListeners() }
        let vip = await Self.holder(of: facts.cluster.vip, facts)
        var findings = Findings()
        for dial in plan.dials {
            let name = dial.host ?? vip.holder
            let listeners = others.known.first { $0.host.name == name }?.value.listeners.filter { $0.port == dial.port }
            let open = listeners?.first { $0.answers(on: dial.address) }
            switch own.outcome(of: dial) {
            case .connected: findings.connected += 1
            case .refused:
                if let open {
                    let program = open.programs.first?.name ?? "something"
                    findings.closed(dial, "a firewall refuses, for \(program) listens there")
                } else if let elsewhere = listeners?.first, dial.host != nil {
                    findings.doubtful(dial, "refused: it listens on \(elsewhere.address) only")
                } else {
                    findings.idle += 1
                }
            case .untried: findings.doubtful(dial, "not tried, too many others gave no answer")
            case .silent, .failed:
                if let name = dial.host, others.silent.contains(name) {
                    findings.doubtful(dial, "no answer, and the host could not be asked over SSH either")
                } else if dial.host == nil, vip.holder == nil {
                    let text = "no answer, and no host that was asked holds the VIP, see preflight.vip"
                    if vip.isMissing { findings.closed(dial, text) } else { findings.doubtful(dial, text) }
                } else if case .failed(let said) = own.outcome(of: dial) {
                    findings.closed(dial, said)
                } else {
                    findings.closed(dial, "no answer within 3 s")
                }
            }
        }
        if let first = findings.closed.first {
            return .fail(
                "\(host.name) cannot reach \(findings.text(vip: vip.holder))",
                remedy: await Self.remedy(first.dial, holder: vip.holder, from: host, facts)
            )
        }
        guard findings.doubts.isEmpty else {
            return .warn("\(host.name) did not reach \(findings.text(vip: vip.holder))")
        }
        let idle = findings.idle == 0 ? "" : "; \(findings.idle) more are open, but nobody listens there yet"
        return .ok("\(findings.connected) of \(plan.dials.count) connected\(idle)")
    }

    /// The first host that has the VIP, of those that may; missing is what was set up and is on none of them.
    private static func holder(
        of vip: String?,
        _ facts: any FactReader
    ) async -> (holder: HostName?, isMissing: Bool) {
        guard let vip, let address = IPAddress(vip) else { return (nil, false) }
        let paths = facts.cluster.paths
        let asked = await SharedReading(facts, of: holders(in: facts.cluster)) { _ in HostAddresses(paths) }
        let holder = asked.known.first { $0.value.holds(address) != nil }?.host.name
        let isSetUp = asked.silent.isEmpty && asked.known.contains { $0.value.isConfigured }
        return (holder, holder == nil && isSetUp)
    }

    /// What lets a host in at the other end, in the words of the firewall there.
    private static func remedy(
        _ dial: DialPlan.Dial,
        holder: HostName?,
        from host: Host,
        _ facts: any FactReader
    ) async -> String {
        guard let target = dial.host ?? holder else { return "bring the VIP up on a load balancer first" }
        let wish = "let \(dial.port)/tcp from \(host.clusterAddress) in"
        guard let security = try? await facts.read(HostSecurity(), on: target) else { return "on \(target): \(wish)" }
        if let firewall = security.firewalls.first {
            return "on \(target): \(firewall.program.opening([dial.port]))"
        }
        let family = IPAddress(host.clusterAddress)?.family == .v6 ? "ip6" : "ip"
        if let chain = security.dropping.first {
            return "on \(target): nft insert rule \(chain) \(family) saddr \(host.clusterAddress)"
                + " tcp dport \(dial.port) accept, and the same in /etc/nftables.conf"
        }
        return "on \(target): nft list ruleset, and \(wish); or in a firewall between them"
    }
}

/// What was found at many ports, told by port and reason.
private struct Findings {
    struct Group {
        let dial: DialPlan.Dial
        let reason: String
        var names: [String]
    }

    var connected = 0
    var idle = 0
    private(set) var closed: [Group] = []
    private(set) var doubts: [Group] = []

    /// How many hosts are named, before "and 7 more".
    private static let named = 3

    mutating func closed(_ dial: DialPlan.Dial, _ reason: String) { Self.add(dial, reason, to: &closed) }

    mutating func doubtful(_ dial: DialPlan.Dial, _ reason: String) { Self.add(dial, reason, to: &doubts) }

    private static func add(_ dial: DialPlan.Dial, _ reason: String, to groups: inout [Group]) {
        let name = dial.host?.text ?? dial.address
        if let index = groups.firstIndex(where: {
            $0.dial.port == dial.port && $0.dial.purpose == dial.purpose && $0.reason == reason
        }) {
            groups[index].names.append(name)
        } else {
            groups.append(Group(dial: dial, reason: reason, names: [name]))
        }
    }

    func text(vip holder: HostName?) -> String {
        (closed + doubts).map { group in
            let more = group.names.count - Self.named
            var names = group.names.prefix(Self.named).joined(separator: ", ") + (more > 0 ? " and \(more) more" : "")
            if group.dial.host == nil, let holder { names += " (on \(holder))" }
            return "\(group.dial.port)/tcp (\(group.dial.purpose)) of \(names): \(group.reason)"
        }.joined(separator: "; ")
    }
}
