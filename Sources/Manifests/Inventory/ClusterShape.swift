import ClusterModel

/// The `cluster:` section, and the rules that tie it to the hosts.
struct ClusterShape {
    private(set) var id: ClusterID?
    private(set) var topology = EtcdTopology.stacked
    private(set) var vip: Located<IPAddress>?
    private(set) var apiPort = 6443
    private(set) var networks = ClusterNetworks()
    private var ranges: [(name: String, range: Located<CIDR>)] = []
    private let log: ProblemLog
    private let mark: Mark

    init(_ top: Section) {
        log = top.log
        mark = top.has("cluster") ? top.keyMark("cluster") : top.mark
        guard let section = top.section("cluster") else {
            if !top.has("cluster") { top.missing("cluster") }
            return
        }
        id = section.string("id", required: true).flatMap { clusterID($0, log: log) }
        topology = section.choice("topology", EtcdTopology.self)?.value ?? .stacked
        vip = section.string("vip").flatMap { text in
            guard let address = IPAddress(text.value) else {
                section.log.error("'cluster.vip': '\(text.value)' is no IPv4 or IPv6 address", at: text.mark)
                return nil
            }
            return Located(value: address, mark: text.mark)
        }
        apiPort = section.integer("apiPort", in: 1...65535)?.value ?? 6443
        if let nets = section.section("networks") {
            networks.nodes = range(nets, "nodes")
            networks.pods = range(nets, "pods")
            networks.services = range(nets, "services")
            nets.finish()
        }
        section.finish()
    }

    /// Reports what does not fit: addresses and ranges, counts of masters, members and load balancers.
    func check(_ groups: HostGroups) {
        checkRanges()
        checkVIP(groups.drafts)
        checkCounts(groups)
        for host in groups.drafts { checkAddress(host) }
    }

    private mutating func range(_ section: Section, _ key: String) -> String? {
        guard let text = section.string(key), let range = readRange(text, section.name(key), log: log) else {
            return nil
        }
        ranges.append((key, Located(value: range, mark: text.mark)))
        return range.description
    }

    private func checkRanges() {
        for (index, later) in ranges.enumerated() {
            for earlier in ranges[..<index] where earlier.range.value.overlaps(later.range.value) {
                log.error(
                    "the \(later.name) range \(later.range.value) overlaps the \(earlier.name) range"
                        + " \(earlier.range.value) of line \(earlier.range.mark.line)",
                    at: later.range.mark
                )
            }
        }
    }

    private func checkVIP(_ hosts: [HostDraft]) {
        guard let vip else { return }
        for (name, range) in ranges {
            let isInside = range.value.contains(vip.value)
            if name == "nodes", !isInside {
                log.error(
                    "the VIP \(vip.value) is outside of the nodes range \(range.value) of line \(range.mark.line)",
                    at: vip.mark
                )
            } else if name == "nodes", range.value.isEdge(vip.value) {
                log.error(
                    "the VIP \(vip.value) is the network or broadcast address of \(range.value)",
                    at: vip.mark
                )
            } else if name != "nodes", isInside {
                log.error(
                    "the VIP \(vip.value) is inside of the \(name) range \(range.value) of line \(range.mark.line)",
                    at: vip.mark
                )
            }
        }
        for host in hosts {
            for address in [host.address, host.clusterAddress] where address?.value.ip == vip.value {
                guard let address else { continue }
                log.error(
                    "the VIP \(vip.value) of line \(vip.mark.line) is also the address of host '\(host.name.value)'",
                    at: address.mark,
                    suggestion: "the VIP moves between load balancers; it is an address of its own"
                )
                break
            }
        }
    }

    private func checkAddress(_ host: HostDraft) {
        let known = host.clusterAddress ?? host.address
        guard let address = known.value.ip else { return }
        for (name, range) in ranges {
            let isInside = range.value.contains(address)
            if name == "nodes" {
                guard !isInside, address.family == range.value.first.family else { continue }
                log.warning(
                    "host '\(host.name.value)' has \(address), outside of the nodes range \(range.value) of line"
                        + " \(range.mark.line)",
                    at: known.mark,
                    suggestion: host.clusterAddress == nil ? "behind NAT, write its 'clusterAddress'" : nil
                )
            } else if isInside {
                log.error(
                    "host '\(host.name.value)' has \(address), inside of the \(name) range \(range.value) of line"
                        + " \(range.mark.line)",
                    at: known.mark
                )
            }
        }
    }

    private func checkCounts(_ groups: HostGroups) {
        if groups.lacks(.master) {
            log.error("there are no masters", at: mark, suggestion: "list them under 'masters:'")
        }
        switch topology {
        case .stacked:
            warnOfEvenCount(groups, .master, "masters")
            if let etcd = groups.first(.etcd) {
                log.error(
                    "host '\(etcd.name.value)' is listed under 'etcd', but in a stacked topology etcd runs on the masters",
                    at: etcd.name.mark,
                    suggestion: "write 'topology: external', or remove the 'etcd' hosts"
                )
            }
        case .external:
            warnOfEvenCount(groups, .etcd, "etcd members")
            if groups.lacks(.etcd) {
                log.error(
                    "the topology is external, but there are no hosts under 'etcd'",
                    at: mark,
                    suggestion: "list them under 'etcd:', or write 'topology: stacked'"
                )
            }
        }
        let balancers = groups.count(.loadBalancer)
        if let vip, groups.lacks(.loadBalancer) {
            log.warning(
                "no load balancer is listed, so nothing that Rollbook knows carries the VIP \(vip.value)",
                at: vip.mark,
                suggestion: "list the hosts with HAProxy and keepalived under 'loadBalancers:'"
            )
        }
        if vip == nil, balancers > 1, let first = groups.first(.loadBalancer) {
            log.warning(
                "\(balancers) load balancers are listed, but no VIP that moves between them",
                at: first.name.mark,
                suggestion: "write it under 'cluster: {vip: …}'"
            )
        }
    }

    private func warnOfEvenCount(_ groups: HostGroups, _ role: Role, _ what: String) {
        let count = groups.count(role)
        guard count > 0, count.isMultiple(of: 2), let first = groups.first(role) else { return }
        log.warning(
            "\(count) \(what) tolerate the loss of \(Quorum.tolerated(voters: count)), no more fault tolerance than"
                + " \(count - 1)",
            at: first.name.mark,
            suggestion: "use \(count - 1) or \(count + 1)"
        )
    }
}

extension CIDR {
    /// In IPv4 ranges of more than two addresses the first and the last belong to no machine.
    fileprivate func isEdge(_ address: IPAddress) -> Bool {
        first.family == .v4 && prefixLength < 31 && (address == first || address == last)
    }
}

private func clusterID(_ text: Located<String>, log: ProblemLog) -> ClusterID? {
    if let id = ClusterID(text.value) { return id }
    log.error(
        "'cluster.id': '\(text.value.shortened)' is not valid: lower-case letters, digits, '-' and '.', at most 63",
        at: text.mark,
        suggestion: ClusterID(text.value.lowercased()).map { "did you mean '\($0)'?" }
    )
    return nil
}

private func readRange(_ text: Located<String>, _ name: String, log: ProblemLog) -> CIDR? {
    func refuse(_ message: String, _ suggestion: String?) {
        log.error("'\(name)': '\(text.value)' \(message)", at: text.mark, suggestion: suggestion)
    }
    do throws(CIDR.Problem) {
        let range = try CIDR(text.value)
        if range.description != text.value { refuse("is not in canonical form", "write \(range)") }
        return range
    } catch {
        switch error {
        case .noPrefix: refuse("is no range of addresses", "write it as address/length, such as 10.1.1.0/24")
        case .badAddress(let part): refuse("has no valid address: '\(part)'", nil)
        case .badPrefix(let part): refuse("has no valid prefix length: '\(part)'", "write 0 to 32 (IPv6: 128)")
        case .hostBitsSet(let network): refuse("has host bits set", "did you mean \(network)?")
        }
        return nil
    }
}
