package import ClusterModel
import FoundationEssentials
package import RunEngine

/// `preflight.ready`: the checks find nothing that keeps a host from working; for the way into other runbooks.
///
/// kubeadm looks at almost nothing again when it upgrades. The gate mends nothing: what could be mended closes it like
/// everything else, and the message names the runbook that mends it.
package struct PreflightGate: Gate {
    package static let signature = KindSignature(
        kind: "preflight.ready",
        summary: "Preflight finds nothing that must be mended",
        parameters: [
            Parameter("checks", .strings, "only these checks, by name (default all)"),
            Parameter("on", .string, "only these hosts, a selector (default all)"),
        ]
    )

    package let checks: [String]?
    package let on: String?

    /// Every check, as one that only looks.
    private func all() throws -> [any PreflightCheck] {
        let wanted = checks.map(Set.init)
        let known = Set(PreflightCatalogue.types.map { $0.check.rawValue })
        if let unknown = wanted?.subtracting(known).min() {
            throw OperatorMessage(.invalidInput, "there is no check '\(unknown)'")
        }
        return try PreflightCatalogue.types.filter { wanted?.contains($0.check.rawValue) ?? true }.map {
            try Self.make($0)
        }
    }

    private static func make<Check: PreflightCheck>(_ type: Check.Type) throws -> any PreflightCheck {
        try JSONValue.object(["fix": .bool(false)]).decode(type)
    }

    private func hosts(in cluster: Cluster) throws -> [Host] {
        guard let on else { return cluster.hosts }
        do { return try HostSelector(on).hosts(in: cluster) } catch {
            throw OperatorMessage(.invalidInput, "\(error)")
        }
    }

    package func facts(in cluster: Cluster) -> [FactRequest] {
        guard let checks = try? all(), let hosts = try? hosts(in: cluster) else { return [] }
        return hosts.flatMap { host in
            checks.filter { $0.concerns(host, in: cluster) }
                .flatMap { $0.facts(on: StepTarget(host: host, cluster: cluster)) }
        }
    }

    package func evaluate(_ facts: any FactReader) async throws -> GateVerdict {
        var remarks: [String] = []
        var findings: [OperatorMessage] = []
        let (checks, hosts) = (try all(), try hosts(in: facts.cluster))
        for host in hosts {
            for check in checks {
                let decision = try await check.decide(facts, on: StepTarget(host: host, cluster: facts.cluster))
                let place = "\(host.name)/\(type(of: check).signature.kind)"
                switch decision {
                case .noop: continue
                case .warning(let finding): remarks.append("\(place): \(finding)")
                case .blocked(let message), .blockedUntil(_, let message):
                    findings.append(message.completed(place: place))
                case .unknown(let kind): findings.append(OperatorMessage(.refused, at: place, "it waits for \(kind)"))
                case .change: continue
                }
            }
        }
        guard let first = findings.first else {
            return .open(
                detail:
                    "\(checks.count) checks on \(hosts.count) host\(hosts.count == 1 ? "" : "s") find nothing to mend",
                remarks: remarks
            )
        }
        let more = findings.count > 1 ? " (and \(findings.count - 1) more)" : ""
        return .closed(
            OperatorMessage(
                .refused,
                at: first.place,
                first.event + more,
                state: "Nothing was changed",
                next: "rollbook plan preflight shows all of them"
            )
        )
    }
}
