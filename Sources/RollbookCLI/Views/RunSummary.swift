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
        for step in plan.steps where step.kind == ReportAvailability.signature.kind {
            guard let output = try? state[step.id]?.output?.decode(ReportAvailability.Output.self) else { continue }
            facts.append("through the VIP \(output.text)")
        }
        let defragmented = plan.steps.filter { $0.kind == DefragmentEtcd.signature.kind }.compactMap {
            try? state[$0.id]?.output?.decode(DefragmentEtcd.Output.self)
        }
        if !defragmented.isEmpty {
            let won = defragmented.reduce(0) { $0 + Int64(clamping: $1.bytesBefore) - Int64(clamping: $1.bytesAfter) }
            facts.append("\(defragmented.count) etcd members defragmented, \(byteCount(max(0, won))) won")
        }
        return facts
    }
}
