import BackupStore
import ClusterModel
import ClusterSteps
import Journal
import RunEngine

/// What the summary line of a run says of the steps it knows.
enum RunSummary {
    static func facts(of plan: Plan, _ state: RunState) -> [String] {
        var facts: [String] = []
        for step in plan.steps where step.kind == PublishBackup.signature.kind {
            guard let output = try? state[step.id]?.output?.decode(PublishBackup.Output.self) else { continue }
            let reasons = output.result.reasons.isEmpty ? "" : " (\(output.result.reasons.joined(separator: "; ")))"
            facts.append("backup \(output.id) \(output.result.kind.rawValue)\(reasons), \(byteCount(output.bytes))")
            if let revision = output.revision { facts.append("etcd revision \(revision)") }
        }
        for step in plan.steps where step.kind == RetainBackups.signature.kind {
            guard let output = try? state[step.id]?.output?.decode(RetainBackups.Output.self) else { continue }
            facts.append("\(output.kept) kept, \(output.removed.count) removed")
        }
        return facts
    }
}
