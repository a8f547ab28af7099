package import ClusterModel
package import RunEngine

/// The other members while one of them is taken out, put back or looked at from outside.
///
/// What is done to a member's place in the cluster is done through another member: the first healthy one in inventory order, so
/// that plan and run choose the same as long as it stays healthy.
package struct EtcdSurvivors: Sendable {
    package let health: EtcdHealth
    /// What the member list says of the member this is about.
    package let entry: EtcdMemberEntry?
    /// By what name and peer URL it is, or will be, a member: as its host is set up, or as kubeadm would when nobody can look.
    package let name: String
    package let peerURL: String

    init(health: EtcdHealth, entry: EtcdMemberEntry?, name: String, peerURL: String) {
        (self.health, self.entry, self.name, self.peerURL) = (health, entry, name, peerURL)
    }

    /// Reads every member but the one on `host`, whose own etcd need not run.
    ///
    /// - Throws: `OperatorMessage` when the member list names another machine by the host's name, or another name by its address.
    package init(_ facts: any FactReader, of host: Host) async throws {
        let cluster = facts.cluster
        let installation = try? await facts.read(EtcdInstallation(paths: cluster.paths), on: host.name)
        name = installation.flatMap { $0.name.isEmpty ? nil : $0.name } ?? host.name.text
        let address = host.clusterAddress.contains(":") ? "[\(host.clusterAddress)]" : host.clusterAddress
        peerURL = installation.flatMap { $0.peerURL.isEmpty ? nil : $0.peerURL } ?? "https://\(address):2380"
        health = await EtcdHealth.read(facts, except: host.name)
        entry = try Self.entry(named: name, at: host.clusterAddress, in: health.members)
    }

    /// Whether this run has taken the member of its host off the list: what its host held of it must not run again.
    ///
    /// - Throws: when a recorded output cannot be read back.
    static func isOff(_ context: StepContext) throws -> Bool {
        let kinds = [RemoveEtcdMember.signature.kind, AddEtcdMember.signature.kind]
        return try context.resultsOfAllStages(of: kinds[0], kinds[1]).contains { $0.succeeded && $0.output != .null }
    }

    /// The member in a list that was read later.
    package func entry(in members: [EtcdMemberEntry]) throws(OperatorMessage) -> EtcdMemberEntry? {
        try Self.entry(named: name, at: Self.host(ofURL: peerURL), in: members)
    }

    /// The facts that a view relies on, for reading ahead.
    package static func facts(of member: String, in cluster: Cluster) -> [FactRequest] {
        cluster.etcdHosts.map { host in
            host.name.text == member
                ? FactRequest(EtcdInstallation(paths: cluster.paths), on: host.name)
                : FactRequest(EtcdStatus(pki: cluster.paths.pki), on: host.name)
        }
    }

    /// The host through which members are changed, or nil when none is healthy.
    package var chosen: HostName? { health.healthy.first { !$0.status.isLearner }?.host }

    /// What a member list says of a name and an address; both must agree (etcd itself compares neither).
    package static func entry(
        named name: String,
        at address: String,
        in members: [EtcdMemberEntry]
    ) throws(OperatorMessage) -> EtcdMemberEntry? {
        let byAddress = members.filter { $0.peerURLs.contains { host(ofURL: $0) == address } }
        let byName = members.filter { $0.name == name }
        guard byAddress.count <= 1, byName.count <= 1 else {
            throw OperatorMessage(.refused, at: name, "the member list has it more than once")
        }
        if let named = byName.first, named != byAddress.first {
            throw OperatorMessage(
                .refused,
                at: name,
                "member \(named.hexID) has its name but the peer address \(named.peerURLs.joined(separator: ",")), "
                    + "not \(address)",
                state: "Nothing was changed",
                next: "compare the inventory with: etcdctl member list"
            )
        }
        guard let found = byAddress.first else { return nil }
        guard found.name.isEmpty || found.name == name else {
            throw OperatorMessage(
                .refused,
                at: name,
                "the member at its address \(address) is called \(found.name)",
                state: "Nothing was changed",
                next: "compare the inventory with: etcdctl member list"
            )
        }
        return found
    }

    /// `10.0.1.2` of `https://10.0.1.2:2380`, `fd00::2` of `https://[fd00::2]:2380`.
    static func host(ofURL url: String) -> String {
        var rest = url[...]
        if let slash = rest.firstIndex(of: "/"), rest[slash...].hasPrefix("//") { rest = rest[slash...].dropFirst(2) }
        if rest.hasPrefix("["), let end = rest.firstIndex(of: "]") {
            return String(rest[rest.index(after: rest.startIndex)..<end])
        }
        return String(rest.prefix { $0 != ":" && $0 != "/" })
    }

    /// Why the member may not be taken out of the cluster now; nil when all others are healthy and keep quorum without it.
    ///
    /// A second sick member means stop, whatever the arithmetic says: while the list is one shorter, it may be the one too many.
    package func obstacle(toRemoving host: Host) -> OperatorMessage? {
        let voters = health.members.count { !$0.isLearner } - (entry.map { $0.isLearner ? 0 : 1 } ?? 0)
        let healthy = health.healthy.count { !$0.status.isLearner }
        func refuse(_ what: String, _ next: String) -> OperatorMessage {
            OperatorMessage(.refused, at: host.name.text, what, state: "Nothing was changed", next: next)
        }
        if health.statuses.isEmpty {
            return refuse("it is the only member: there is nobody to replace it from", "rollbook plan etcd-restore")
        }
        guard health.healthy.isEmpty || Quorum.holds(healthy: healthy, of: voters) else {
            return refuse(
                "without it \(healthy) of \(voters) voters would be healthy, \(Quorum.needed(voters: voters)) are needed",
                "bring the others back first: rollbook facts --only etcd.status"
            )
        }
        // An alarm of the very member that goes away is a reason to replace it.
        let itself = entry.map { "on member \($0.hexID)" } ?? "none"
        let alarms = health.degradations.filter { $0.contains("the alarm ") }
        if let first = (health.refusals + alarms).first(where: { !$0.hasSuffix(itself) }) {
            // What follows from it for a snapshot is not what matters here.
            let fact = first.replacing("; a snapshot now would be stale", with: "")
            return refuse(fact, "rollbook facts --only etcd.status")
        }
        if let sick = health.statuses.first(where: { status in !health.healthy.contains { $0.host == status.host } }) {
            return refuse(
                "another member is not healthy: \(sick.host): \(sick.status.problem ?? sick.status.errors.joined(separator: ", "))",
                "bring \(sick.host) back first"
            )
        }
        if let learner = health.members.first(where: { $0.isLearner && $0 != entry }) {
            return refuse(
                "member \(learner.hexID) (\(learner.peerURLs.joined(separator: ","))) is still a learner",
                "let that replacement end first, or remove it: etcdctl member remove \(learner.hexID)"
            )
        }
        let known = Set(health.healthy.map(\.status.memberID))
        if let other = health.members.first(where: { $0 != entry && !known.contains($0.id) }) {
            return refuse(
                "another member is on no host of the inventory: \(other.name.isEmpty ? "never started" : other.name) "
                    + "(\(other.hexID), \(other.peerURLs.joined(separator: ",")))",
                "compare the inventory with: etcdctl member list"
            )
        }
        return nil
    }
}

/// The member a step is about, as runbooks give it.
package struct EtcdMemberParameter {
    package static let parameter = Parameter("member", .string, required: true, "the etcd host it is about")

    /// The host of that name.
    ///
    /// - Throws: `OperatorMessage` with code `invalidInput` when it is none of etcd's.
    package static func host(_ name: String, in cluster: Cluster) throws(OperatorMessage) -> Host {
        if let host = cluster.etcdHosts.first(where: { $0.name.text == name }) { return host }
        throw OperatorMessage(
            .invalidInput,
            at: name,
            "is no host that etcd runs on; these are: \(cluster.etcdHosts.map(\.name.text).joined(separator: ", "))"
        )
    }
}
