import BackupStore
import ClusterModel
import ClusterSteps
import FoundationEssentials

/// What `health` says, for people and for machines.
struct HealthView {
    let health: ClusterHealth
    /// Nil when no backup can be read here.
    var history: (any DatabaseHistory)?

    /// The verdict, a line for each part of the cluster, then what is down and what is wrong.
    var text: String {
        var parts = [headline.escapedOnOneLine]
        if !overview.isEmpty { parts += [""] + aligned(overview) }
        for (title, findings) in [("down", health.down), ("wrong", health.wrong)] where !findings.isEmpty {
            parts += ["", title] + aligned(findings.map { ($0.host?.text ?? "cluster", $0.what) })
        }
        return parts.joined(separator: "\n")
    }

    private var headline: String {
        let name = health.cluster.id.text
        switch health.verdict {
        case .unknown: return "\(name): nothing is known, no host answers"
        case .down: return "\(name) does not work: \(health.outages.joined(separator: "; "))"
        case .well: return "\(name) is well and can lose \(losses)"
        case .degraded: return "\(name) works and can lose \(losses)"
        }
    }

    /// `1 master, 1 load balancer, 1 etcd member`.
    private var losses: String {
        let counts = [
            (health.spareMasters, "master"), (health.spareBalancers ?? -1, "load balancer"),
            (health.spareMembers, "etcd member"),
        ].filter { $0.0 >= 0 }
        guard counts.contains(where: { $0.0 > 0 }) else { return "nothing more" }
        return counts.map { count, word in
            "\(count == 0 ? "no" : String(count)) \(word)\(count > 1 ? "s" : "")"
        }.joined(separator: ", ")
    }

    private var overview: [(String, String)] {
        guard health.verdict != .unknown else { return [] }
        let etcd = health.etcd
        let leader = etcd.leaderHost.map { ", leader \($0), revision \(etcd.highestRevision)" } ?? ""
        var rows = [
            (
                "etcd",
                "\(etcd.healthyVoters) of \(etcd.voters) members healthy, \(Quorum.needed(voters: etcd.voters)) needed\(leader)"
            )
        ]
        if let fullest = members.max(by: { $0.1.quotaPercent < $1.1.quotaPercent }) {
            rows.append(("database", "\(fullest.1.text) (\(fullest.0), the fullest)"))
            rows.append(("", growth(near: fullest)))
        }
        rows.append(("API servers", "\(health.readyMasters.count) of \(health.cluster.hosts(in: .master).count) ready"))
        let balancers = health.cluster.hosts(in: .loadBalancer)
        if !balancers.isEmpty {
            rows.append(("load balancers", "\(health.servingBalancers.count) of \(balancers.count) serve\(vip)"))
        }
        let workers = health.observations.filter { $0.host.role == .worker }
        if !workers.isEmpty {
            rows.append(("workers", "\(workers.count { $0.failure == nil }) of \(workers.count) answer"))
        }
        return rows
    }

    /// Of the fullest member, or when the backups do not know that one, of the next.
    private func growth(near fullest: (HostName, EtcdSpace)) -> String {
        let known = ([fullest] + members.sorted { $0.1.quotaPercent > $1.1.quotaPercent }).compactMap { host, space in
            history?.trend(of: host).map { (host: host, growth: DatabaseGrowth($0, now: space)) }
        }
        guard let told = known.first(where: { $0.growth.trend.bytesPerDay != nil }) ?? known.first else {
            return "growth is not known: no backup of this cluster can be read here"
        }
        return told.growth.text + (told.host == fullest.0 ? "" : " (\(told.host))")
    }

    private func json(growthOf host: HostName, _ space: EtcdSpace) -> JSONValue {
        guard let trend = history?.trend(of: host) else { return .null }
        var members = trend.json
        let timeLeft = DatabaseGrowth(trend, now: space).timeLeft
        members["quotaInSeconds"] = timeLeft.map { .integer($0.components.seconds) } ?? .null
        return .object(members)
    }

    private var vip: String {
        guard let vip = health.cluster.vip else { return "" }
        let holders = health.vipHolders.map(\.text).joined(separator: " and ")
        return ", VIP \(vip) \(holders.isEmpty ? "not seen" : "on \(holders)")"
    }

    private var members: [(HostName, EtcdSpace)] {
        health.etcd.statuses.filter(\.status.answers).map { ($0.host, EtcdSpace($0.status)) }
    }

    private func aligned(_ rows: [(String, String)]) -> [String] {
        let width = rows.map(\.0.count).max() ?? 0
        return rows.map { name, text in
            "  \(name.escapedOnOneLine)\(String(repeating: " ", count: width - name.count))  \(text.escapedOnOneLine)"
        }
    }

    var json: JSONValue {
        let etcd = health.etcd
        return .object([
            "v": .integer(1), "cluster": .string(health.cluster.id.text), "verdict": .string(health.verdict.rawValue),
            "canLose": .object([
                "masters": integer(health.spareMasters), "etcdMembers": integer(health.spareMembers),
                "loadBalancers": health.spareBalancers.map(integer) ?? .null,
            ]),
            "outages": .array(health.outages.map { .string($0) }), "down": list(health.down),
            "wrong": list(health.wrong),
            "etcd": .object([
                "voters": integer(etcd.voters), "healthy": integer(etcd.healthyVoters),
                "needed": integer(Quorum.needed(voters: etcd.voters)),
                "leader": etcd.leaderHost.map { .string($0) } ?? .null, "revision": .integer(etcd.highestRevision),
                "members": .array(
                    members.map { host, space in
                        .object([
                            "host": .string(host.text), "databaseBytes": integer(space.bytes),
                            "inUseBytes": integer(space.inUse),
                            "quotaBytes": integer(space.quota), "growth": json(growthOf: host, space),
                        ])
                    }
                ),
            ]),
            "apiServers": .object([
                "total": integer(health.cluster.hosts(in: .master).count), "ready": names(health.readyMasters),
            ]),
            "loadBalancers": .object([
                "total": integer(health.cluster.hosts(in: .loadBalancer).count),
                "serving": names(health.servingBalancers),
                "vip": health.cluster.vip.map { .string($0) } ?? .null, "vipHolders": names(health.vipHolders),
            ]),
        ])
    }

    private func integer(_ value: some BinaryInteger) -> JSONValue { .integer(Int64(clamping: value)) }
    private func names(_ hosts: [HostName]) -> JSONValue { .array(hosts.map { .string($0.text) }) }

    private func list(_ findings: [ClusterHealth.Finding]) -> JSONValue {
        .array(
            findings.map {
                .object(["host": $0.host.map { .string($0.text) } ?? .null, "what": .string($0.what)])
            }
        )
    }
}
