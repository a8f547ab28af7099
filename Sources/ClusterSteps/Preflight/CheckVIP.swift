package import ClusterModel
package import RemoteShell
package import RunEngine

/// `preflight.vip`: the VIP is held once, by a load balancer, and can move after the next boot.
///
/// Read on every host, because a neighbour table shows only who answered last: with two holders both answer every request for
/// the address. Where the inventory has no load balancers, masters may hold it. An address on the loopback (direct routing)
/// is not held: nobody answers for it. Sources: keepalived.conf(5); keepalived#2649.
package struct CheckVIP: LookingCheck {
    package static let check = CheckName.vip
    package static let signature: KindSignature = looking("The VIP is held exactly once, and by a load balancer")

    package func concerns(_ host: Host, in cluster: Cluster) -> Bool { true }

    package func facts(on target: StepTarget) -> [FactRequest] {
        guard let host = target.host, target.cluster.vip != nil else { return [] }
        let fact = HostAddresses(target.cluster.paths)
        guard Self.mayHold(host, in: target.cluster) else { return [FactRequest(fact, on: host.name)] }
        return target.cluster.hosts.map { FactRequest(fact, on: $0.name) }
    }

    private static func mayHold(_ host: Host, in cluster: Cluster) -> Bool {
        host.role == (cluster.hosts(in: .loadBalancer).isEmpty ? .master : .loadBalancer)
    }

    package func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment {
        let cluster = facts.cluster
        guard let vip = cluster.vip, let address = IPAddress(vip) else {
            return .ok("there is no VIP in the inventory")
        }
        let fact = HostAddresses(cluster.paths)
        let own = try await facts.read(fact, on: host.name)
        if !own.isKnown {
            return .fail(
                "there is no ip, so its addresses are not known",
                remedy: "apt-get install iproute2, or dnf install iproute"
            )
        }
        guard Self.mayHold(host, in: cluster) else {
            guard let place = own.holds(address) else { return .ok("it does not hold the VIP\(own.loopback(address))") }
            return .fail(
                "it holds the VIP \(vip) on \(place.link), and is no load balancer",
                remedy: "ip addr del \(place.prefix) dev \(place.link)"
            )
        }
        let others = await SharedReading(facts, of: cluster.hosts.filter { $0.name != host.name }) { _ in fact }
        let known = cluster.hosts.compactMap { each -> (host: Host, value: HostAddresses.Value)? in
            each.name == host.name ? (each, own) : others.known.first { $0.host.name == each.name && $0.value.isKnown }
        }
        let holders = known.filter { $0.value.holds(address) != nil }
        if let problem = Self.problem(
            vip,
            holders,
            known.filter { Self.mayHold($0.host, in: cluster) },
            others,
            cluster
        ) {
            return problem
        }
        return Self.judge(own, on: host, holder: holders.first?.host, vip) { text in
            text + own.loopback(address) + others.remark
        }
    }

    /// What is wrong with the VIP as a whole: told on every load balancer alike.
    private static func problem(
        _ vip: String,
        _ holders: [(host: Host, value: HostAddresses.Value)],
        _ balancers: [(host: Host, value: HostAddresses.Value)],
        _ others: SharedReading<HostAddresses.Value>,
        _ cluster: Cluster
    ) -> Assessment? {
        func names(_ hosts: [(host: Host, value: HostAddresses.Value)], _ joint: String = ", ") -> String {
            hosts.map(\.host.name.text).joined(separator: joint)
        }
        if holders.count > 1 {
            let dead = holders.first { !$0.value.keepalived.isActive && mayHold($0.host, in: cluster) }
            let stranger = holders.first { !mayHold($0.host, in: cluster) }
            let remedy =
                if let stranger, let address = IPAddress(vip), let place = stranger.value.holds(address) {
                    "on \(stranger.host.name): ip addr del \(place.prefix) dev \(place.link)"
                } else if let dead {
                    "on \(dead.host.name): systemctl start keepalived, which takes a left-over address away"
                } else {
                    "let VRRP (IP protocol 112) through between \(names(holders, " and ")): nft list ruleset"
                }
            return .fail("the VIP \(vip) is on \(names(holders, " and on ")) at once\(others.remark)", remedy: remedy)
        }
        if let holder = holders.first {
            guard !mayHold(holder.host, in: cluster) else { return nil }
            return .fail(
                "the VIP \(vip) is on \(holder.host.name), which is no load balancer\(others.remark)",
                remedy: "see \(holder.host.name)"
            )
        }
        if cluster.hosts(in: .loadBalancer).isEmpty {
            return .ok("no host of the inventory holds the VIP \(vip), and none is a load balancer\(others.remark)")
        }
        if balancers.count < cluster.hosts(in: .loadBalancer).count {
            return .warn("no host that answered holds the VIP \(vip)\(others.remark)")
        }
        let running = balancers.filter(\.value.keepalived.isActive)
        if !running.isEmpty {
            return .fail(
                "nobody holds the VIP \(vip), although keepalived runs on \(names(running))\(others.remark)",
                remedy: "journalctl -u keepalived -n 50: a check that fails keeps an instance in FAULT"
            )
        }
        if balancers.contains(where: \.value.isConfigured) {
            return .fail(
                "nobody holds the VIP \(vip), keepalived runs nowhere\(others.remark)",
                remedy: "systemctl enable --now keepalived"
            )
        }
        return .warn("nobody holds the VIP \(vip) yet, keepalived is not set up on any load balancer\(others.remark)")
    }

    /// What is to be said of one load balancer when exactly one holds the VIP.
    private static func judge(
        _ own: HostAddresses.Value,
        on host: Host,
        holder: Host?,
        _ vip: String,
        _ complete: (String) -> String
    ) -> Assessment {
        let isHolder = holder?.name == host.name
        let state = isHolder ? "it holds the VIP \(vip)" : "the VIP \(vip) is on \(holder?.name.text ?? "none")"
        guard own.isConfigured, host.role == .loadBalancer else {
            guard isHolder, host.role == .loadBalancer else { return .ok(complete(state)) }
            return .warn(complete("\(state), but not through keepalived: nothing would move it"))
        }
        if isHolder, !own.keepalived.isActive {
            return .fail(
                complete("\(state), but keepalived is \(own.keepalived.spoken): the address was left over"),
                remedy: "systemctl start keepalived"
            )
        }
        if !own.keepalived.isEnabled {
            return .warn(complete("\(state); keepalived would not start at the next boot: systemctl enable keepalived"))
        }
        return .ok(complete(state))
    }
}

/// The addresses of a host, and the state of keepalived.
package struct HostAddresses: Fact {
    package static let name = "host.addresses"

    private let keepalived: String

    package init(_ paths: ClusterPaths) { keepalived = paths.keepalived }

    package struct Address: Codable, Sendable, Hashable {
        package let link: String
        /// With its length: `10.1.1.5/24`.
        package let prefix: String
    }

    package struct Value: Codable, Sendable, Hashable {
        package let addresses: [Address]
        /// False when there is no program to ask.
        package let isKnown: Bool
        package let keepalived: UnitState
        /// It has a configuration that is not empty.
        package let isConfigured: Bool

        /// Where the host has an address that it answers for: not on the loopback.
        func holds(_ wanted: IPAddress) -> Address? { places(wanted).first { $0.link != "lo" } }

        /// A remark about the address on the loopback.
        func loopback(_ wanted: IPAddress) -> String {
            places(wanted).contains { $0.link == "lo" } ? "; it has it on lo as well, as for direct routing" : ""
        }

        private func places(_ wanted: IPAddress) -> [Address] {
            addresses.filter { IPAddress(String($0.prefix.prefix { $0 != "/" })) == wanted }
        }
    }

    package var command: RemoteCommand {
        RemoteCommand(
            """
            echo '[addresses]'
            if command -v ip >/dev/null 2>&1; then
                ip -o addr show | while read -r _ link family address _; do echo "$link $address"; done
            else
                echo 'no ip'
            fi
            echo '[keepalived]'
            active=$(systemctl is-active keepalived 2>/dev/null)
            enabled=$(systemctl is-enabled keepalived 2>/dev/null)
            echo "keepalived ${active:-none} ${enabled:-none}"
            echo '[configured]'; [ -s "$1" ] && echo yes
            echo '[end]'
            """,
            [keepalived]
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        let rows = try output.rows("addresses")
        return Value(
            addresses: rows.filter { $0.count == 2 && $0 != ["no", "ip"] }.map {
                Address(link: String($0[0].prefix { $0 != "@" }), prefix: $0[1])
            },
            isKnown: rows.first != ["no", "ip"],
            keepalived: UnitState(try output.rows("keepalived").first ?? []),
            isConfigured: !(try output.lines("configured").isEmpty)
        )
    }

    /// Nothing is ever changed because of it.
    package func bound(_ value: Value) throws -> JSONValue? { nil }
}

/// What systemd says of a unit.
package struct UnitState: Codable, Sendable, Hashable {
    /// `active`, `inactive`, `failed`; `none` when systemd did not say.
    package let active: String
    /// `enabled`, `disabled`, `masked`; `none` or `not-found` when there is no such unit.
    package let enabled: String

    /// From the words `unit active enabled`.
    init(_ words: [String]) {
        active = words.count > 1 ? words[1] : "none"
        enabled = words.count > 2 ? words[2] : "none"
    }

    var isActive: Bool { active == "active" }
    var isEnabled: Bool { ["enabled", "static", "alias"].contains(enabled) }
    var spoken: String { active == "none" ? "unknown to systemd" : "not running (\(active))" }
}
