import BackupStore
import ClusterModel
import ClusterSteps
import Journal
import RunEngine

/// What the steps of a backup say of what they took, compared, published and removed.
struct BackupSection {
    private let plan: Plan
    private let state: RunState
    private let outputs: any OutputStore

    /// Nil for a run that published no set.
    init?(_ reported: ReportedRun, _ outputs: any OutputStore) {
        plan = reported.plan
        state = reported.state
        self.outputs = outputs
        guard !results(of: PublishBackup.self).isEmpty else { return nil }
    }

    var fields: Fields {
        [
            "sets": results(of: PublishBackup.self).map { Self.set($0.output) },
            "snapshots": results(of: SaveEtcdSnapshot.self).map { Self.snapshot($0.host, $0.output) },
            "archives": results(of: CollectFiles.self).map { Self.archive($0.host, $0.output) },
            "notes": notes.map { ["text": $0] as Fields }, "hasNotes": !notes.isEmpty,
        ]
    }

    private static func set(_ output: PublishBackup.Output) -> Fields {
        let isComplete = output.result.kind == .complete
        return [
            "id": output.id.description, "path": output.path, "word": output.result.kind.rawValue,
            "tone": (isComplete ? Tone.good : Tone.warning).rawValue,
            "sign": (isComplete ? Tone.good : Tone.warning).sign,
            "reasons": output.result.reasons.map { ["text": $0] as Fields }, "size": byteCount(output.bytes),
            "revision": output.revision.map { "\($0)" } ?? "none", "manifest": "sha256:\(output.manifestSHA256)",
            "verify": "rollbook backups verify \(output.id) --level 3",
        ]
    }

    private static func snapshot(_ host: HostName, _ output: SaveEtcdSnapshot.Output) -> Fields {
        [
            "file": output.file.path, "host": host.text, "member": output.member,
            "revision": "\(output.facts.revision)",
            "keys": "\(output.facts.totalKeys)", "live": "\(output.facts.liveKeys)",
            "hash": String(output.facts.hash, radix: 16), "size": byteCount(output.file.plain.bytes),
            "sha256": output.file.stored.sha256,
        ]
    }

    private static func archive(_ host: HostName, _ output: CollectFiles.Output) -> Fields {
        let checks = output.archive.checks.map { "\($0.program) \($0.verdict.rawValue)" }.joined(separator: ", ")
        return [
            "file": output.archive.file.path, "host": host.text,
            "files": "\(output.archive.entries.count { $0.type == .file })",
            "size": byteCount(output.archive.file.plain.bytes), "checks": checks,
            "sha256": output.archive.file.stored.sha256,
        ]
    }

    private var notes: [String] {
        var notes: [String] = []
        for (_, output) in results(of: CompareKeyspace.self) {
            if let hash = output.hash {
                let members = hash.members.joined(separator: ", ")
                notes.append(
                    "keys: hash \(String(hash.hash, radix: 16)) at revision \(hash.revision), equal on \(members)"
                )
            }
            if let remark = output.remark { notes.append("keys: \(remark)") }
        }
        for (host, output) in results(of: CollectFiles.self) {
            notes += output.missing.map { "missing: \(host) \($0)" } + output.remarks.map { "\(host): \($0)" }
        }
        for (_, output) in results(of: RetainBackups.self) {
            let removed = output.removed.isEmpty ? "" : ": \(output.removed.joined(separator: ", "))"
            notes.append("retention: \(output.kept) kept, \(output.removed.count) removed\(removed)")
            if let withheld = output.withheld { notes.append("retention: \(withheld)") }
        }
        return notes
    }

    private func results<S: Step>(of type: S.Type) -> [(host: HostName, output: S.Output)] {
        plan.steps.compactMap { step in
            guard step.kind == S.signature.kind, let known = state[step.id],
                let output = try? outputs.output(of: known)?.decode(S.Output.self)
            else { return nil }
            return (step.host, output)
        }
    }
}
