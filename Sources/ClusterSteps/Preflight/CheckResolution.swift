package import ClusterModel
package import RunEngine

/// `preflight.resolution`: the names that Kubernetes relies on lead where they should.
///
/// The kubelet takes its node's address from its own name when nobody tells it one, so a wrong entry makes a node with a wrong
/// address. Sources: kubelet, `nodestatus.NodeAddress` and `dns.Configurer`; kubeadm, `HostnameCheck` (a warning only).
package struct CheckResolution: LookingCheck {
    package static let check = CheckName.resolution
    package static let signature: KindSignature = looking(
        "Own name, localhost, the API's name, nameservers and search list"
    )

    /// Source: resolv.conf(5), MAXNS; kubelet, `MaxDNSNameservers`.
    static let mostNameservers = 3
    /// Source: kubelet, `MaxDNSSearchPaths` (32) less the three that it puts in front for a pod.
    static let mostSearchDomains = 29
    /// In characters.
    ///
    /// Source: kubelet, `MaxDNSSearchListChars`.
    static let longestSearchList = 2048

    package func concerns(_ host: Host, in cluster: Cluster) -> Bool { true }

    package func facts(on target: StepTarget) -> [FactRequest] {
        [FactRequest(NameResolution(paths: target.cluster.paths), on: target.name)]
    }

    package func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment {
        let value = try await facts.read(NameResolution(paths: facts.cluster.paths), on: host.name)
        var failed: [Finding] = []
        var doubted: [Finding] = []
        func add(_ finding: Finding?) {
            guard let finding else { return }
            if finding.isGrave { failed.append(finding) } else { doubted.append(finding) }
        }
        add(Self.loopback(value))
        add(Self.ownName(value, host))
        for server in value.servers { add(Self.server(server, value, facts.cluster)) }
        if value.resolver.nameservers.isEmpty {
            add(
                Finding(
                    false,
                    "/etc/resolv.conf names no nameserver",
                    "add a nameserver to the host's network configuration"
                )
            )
        }
        if host.role != .loadBalancer {
            add(Self.pods(value.podResolver))
        }
        let worst = failed.isEmpty ? doubted : failed
        guard let first = worst.first else {
            let addresses = value.lookup(value.hostname).addresses.joined(separator: ", ")
            let names = Set(value.servers.map(\.name)).sorted().joined(separator: ", ")
            let images =
                host.role == .loadBalancer || !value.lookup("registry.k8s.io").addresses.isEmpty
                ? "" : "; registry.k8s.io has no address here, so images come from elsewhere"
            return .ok("\(value.hostname) is \(addresses)" + (names.isEmpty ? "" : "; \(names) is the API") + images)
        }
        let text = worst.map(\.text).joined(separator: "; ")
        let more = failed.isEmpty || doubted.isEmpty ? "" : "; also: " + doubted.map(\.text).joined(separator: "; ")
        guard failed.isEmpty else { return .fail(text + more, remedy: first.remedy) }
        return .warn("\(text). Next: \(first.remedy)")
    }

    private struct Finding {
        let isGrave: Bool
        let text: String
        let remedy: String

        init(_ isGrave: Bool, _ text: String, _ remedy: String) {
            self.isGrave = isGrave
            self.text = text
            self.remedy = remedy
        }
    }

    private static func entry(_ address: String, _ name: String) -> String { "echo '\(address) \(name)' >>/etc/hosts" }

    static func isLoopback(_ address: String) -> Bool { address.hasPrefix("127.") || address == "::1" }

    private static func loopback(_ value: NameResolution.Value) -> Finding? {
        let found = value.lookup("localhost").addresses
        if found.isEmpty { return Finding(true, "localhost has no address", entry("127.0.0.1", "localhost")) }
        guard let odd = found.first(where: { !isLoopback($0) }) else { return nil }
        return Finding(
            true,
            "localhost is \(odd)",
            "correct localhost in /etc/hosts: it must be 127.0.0.1 and ::1 only"
        )
    }

    /// A load balancer is no node: nothing in the cluster takes its address from its name.
    private static func ownName(_ value: NameResolution.Value, _ host: Host) -> Finding? {
        let isNode = host.role != .loadBalancer
        let lookup = value.lookup(value.hostname)
        let remedy = entry(host.clusterAddress, value.hostname)
        let real = lookup.addresses.filter { !isLoopback($0) }
        if real.contains(host.clusterAddress) { return nil }
        if lookup.addresses.isEmpty {
            let how = lookup.timedOut ? " within 5 s" : ""
            return Finding(isNode, "its own name \(value.hostname) has no address\(how)", remedy)
        }
        guard let first = real.first else {
            let text = "its own name \(value.hostname) is \(lookup.addresses.joined(separator: ", ")) only"
            // Debian's installer writes 127.0.1.1 for hosts without a fixed address; the kubelet then asks the default route.
            return lookup.addresses.contains("127.0.1.1")
                ? Finding(
                    false,
                    "\(text), Debian's stand-in: the kubelet takes the address of its default route",
                    remedy
                )
                : Finding(isNode, "\(text), where no other host reaches it", remedy)
        }
        let own = real.filter(value.addresses.contains)
        guard !value.addresses.isEmpty else { return nil }
        if own.isEmpty {
            return Finding(isNode, "its own name \(value.hostname) is \(first), no address of this host", remedy)
        }
        // Behind address translation the host does not carry the address by which the others know it.
        guard value.addresses.contains(host.clusterAddress) else { return nil }
        return Finding(
            false,
            "its own name \(value.hostname) is \(own[0]), the inventory says \(host.clusterAddress)",
            remedy
        )
    }

    /// admin and kubelet speak to the API's common address, controller-manager and scheduler to an apiserver.
    ///
    /// A loopback address is a local proxy's, which is for it to say where it leads.
    private static func server(
        _ server: NameResolution.Server,
        _ value: NameResolution.Value,
        _ cluster: Cluster
    ) -> Finding? {
        let lookup = value.lookup(server.name)
        let masters = cluster.hosts(in: .master).map(\.clusterAddress)
        let balancers = cluster.hosts(in: .loadBalancer).map(\.clusterAddress)
        let common = cluster.vip.map { [$0] } ?? (balancers.isEmpty ? masters : balancers)
        let isLocal =
            server.kubeconfig.hasSuffix("/controller-manager.conf") || server.kubeconfig.hasSuffix("/scheduler.conf")
        let wanted = isLocal ? common + masters : common
        let remedy = entry(common.first ?? "ADDRESS", server.name)
        guard !lookup.addresses.isEmpty else {
            let how = lookup.timedOut ? " within 5 s" : ""
            return Finding(true, "\(server.name), the API in \(server.kubeconfig), has no address\(how)", remedy)
        }
        if lookup.addresses.contains(where: { wanted.contains($0) || isLoopback($0) }) { return nil }
        return Finding(
            true,
            "\(server.name), the API in \(server.kubeconfig), is \(lookup.addresses[0]), the inventory says \(common.joined(separator: " or "))",
            "correct \(server.name) in /etc/hosts or in DNS: it must be \(common.joined(separator: " or "))"
        )
    }

    /// What the kubelet makes of the file it gives to pods.
    private static func pods(_ resolver: NameResolution.Resolver) -> Finding? {
        let path = resolver.path
        if resolver.nameservers.count > mostNameservers {
            return Finding(
                false,
                "\(path) names \(resolver.nameservers.count) nameservers: pods get the first \(mostNameservers)",
                "leave \(mostNameservers) nameservers in the host's network configuration"
            )
        }
        if resolver.nameservers.contains(where: isLoopback) {
            return Finding(
                false,
                "\(path), which pods get, names \(resolver.nameservers.first(where: isLoopback) ?? ""): CoreDNS would ask itself",
                "set resolvConf in /var/lib/kubelet/config.yaml to a file with the real nameservers && systemctl restart kubelet"
            )
        }
        let length = resolver.search.joined(separator: " ").utf8.count
        if resolver.search.count > mostSearchDomains || length > longestSearchList {
            return Finding(
                false,
                "\(path) has \(resolver.search.count) search domains of \(length) characters: pods get only a part",
                "shorten the search list in the host's network configuration"
            )
        }
        return nil
    }
}
