package import ClusterModel
package import Journal
package import RemoteShell
package import RunEngine

/// What a check found on a host.
package enum Assessment: Sendable, Hashable {
    case ok(String)
    /// Not as it should be, but nothing that keeps a cluster from working.
    case warn(String)
    /// Must be mended, and not by this program; with the literal command or action that mends it.
    case fail(String, remedy: String?)
    /// Must be mended, and can be: what would be changed, and the command that does it.
    case fixable(String, [PlannedChange], RemoteCommand)
    /// It cannot be known before the named kind mended something.
    case later(String)
}

/// A check of one concern on one host: read-only facts, a verdict, and where one is safe, a fix with its proof.
///
/// Guarantee: a fix counts only when the same assessment, on facts read afterwards, finds everything in order. Assessments
/// look at the present state *and* at what the next boot will make of it, so what they find in order survives a restart.
package protocol PreflightCheck: Step where Output == PreflightProof {
    /// Its name in inventories, options and reports: `swap`.
    static var check: CheckName { get }
    /// Whether to mend what can be mended; nil is yes.
    var fix: Bool? { get }
    /// Whether the host has anything to check here at all.
    func concerns(_ host: Host, in cluster: Cluster) -> Bool
    func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment
}

/// What a host looked like after a fix.
package struct PreflightProof: Codable, Sendable {
    package let finding: String

    package init(finding: String) { self.finding = finding }
}

extension PreflightCheck {
    package static var stepClass: StepClass { .guarded }
    package static var reversal: Reversal { .irreversible(reason: "what is mended stays mended") }

    /// The parameters every check has.
    package static func described(_ summary: String, _ more: [Parameter] = []) -> KindSignature {
        KindSignature(
            kind: "preflight.\(check.rawValue)",
            summary: summary,
            parameters: [Parameter("fix", .boolean, "false: only look (default true)")] + more
        )
    }

    package func concerns(_ host: Host, in cluster: Cluster) -> Bool { host.role != .loadBalancer }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        try await verdict(facts, on: target)
    }

    /// What the assessment and the inventory's policy make of a host.
    package func verdict(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        guard let host = target.host else { return .noop("it is about hosts") }
        guard concerns(host, in: target.cluster) else { return .noop("not for a \(host.role.spoken)") }
        let policy = target.cluster.policy(of: Self.check)
        guard policy.severity != .off else { return .noop("turned off in the inventory") }
        switch try await assess(facts, on: host) {
        case .ok(let finding): return .noop(finding)
        case .warn(let finding): return .warning(finding)
        case .later(let kind): return .unknown(until: kind)
        case .fixable(_, let changes, _) where policy.fix && fix ?? true: return .change(changes)
        case .fail(let finding, let remedy): return told(finding, remedy, policy)
        case .fixable(let finding, _, _):
            return told(finding, "rollbook run preflight --on \(host.name), with the fix allowed", policy)
        }
    }

    /// A finding that is not mended by this step, as severe as the inventory says.
    private func told(_ finding: String, _ remedy: String?, _ policy: CheckPolicy) -> Decision {
        guard policy.severity == .fail else { return .warning(finding + (remedy.map { ". Next: \($0)" } ?? "")) }
        return .blocked(OperatorMessage(.refused, finding, state: "Nothing was changed", next: remedy))
    }

    package func perform(_ context: StepContext) async throws -> PreflightProof {
        guard let host = context.target.host else { throw StepFault("a check is about hosts") }
        switch try await assess(context.facts, on: host) {
        case .ok(let finding), .warn(let finding): return PreflightProof(finding: finding)
        case .fail(let finding, let remedy): throw OperatorMessage(.stepFailed, finding, next: remedy)
        case .later(let kind): throw OperatorMessage(.stepFailed, "it still waits for \(kind)")
        case .fixable(_, _, let command):
            let outcome = try await context.guarded(command, deadline: .seconds(300))
            guard outcome.exitCode == 0 else {
                let said = outcome.errorText.split(separator: "\n").last.map(String.init) ?? "no message"
                throw OperatorMessage(.stepFailed, "the fix ended with \(outcome.exitCode): \(said)")
            }
        }
        switch try await assess(context.lookAgain(), on: host) {
        case .ok(let finding), .warn(let finding): return PreflightProof(finding: finding)
        case .later(let kind): throw OperatorMessage(.stepFailed, "the fix ran, but it still waits for \(kind)")
        case .fail(let finding, _), .fixable(let finding, _, _):
            throw OperatorMessage(.stepFailed, "the fix ran, but it is not mended: \(finding)")
        }
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        guard let host = context.target.host else { return .cannotTell(detail: "a check is about hosts") }
        switch try await assess(context.facts, on: host) {
        case .ok(let finding), .warn(let finding):
            return .done(output: try JSONValue(encoding: PreflightProof(finding: finding)), detail: finding)
        case .fail(let finding, _): return .cannotTell(detail: finding)
        case .later(let kind): return .cannotTell(detail: "it waits for \(kind)")
        case .fixable(let finding, _, _): return .notDone(detail: finding)
        }
    }
}
