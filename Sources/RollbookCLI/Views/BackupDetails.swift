import BackupStore
import ClusterModel
import ClusterSteps

/// One backup's manifest as text.
struct BackupDetails {
    private let manifest: Manifest
    private let sha256: String
    private let summary: BackupSummary
    private let path: String

    init(_ manifest: Manifest, sha256: String, summary: BackupSummary, path: String) {
        self.manifest = manifest
        self.sha256 = sha256
        self.summary = summary
        self.path = path
    }

    var text: String {
        var lines = [
            "Backup \(manifest.id) of cluster \(manifest.cluster)", "  folder     \(path)/\(manifest.id)",
            "  result     \(manifest.result.kind.rawValue)",
        ]
        lines += manifest.result.reasons.map { "             \($0)" }
        lines += [
            "  verified   level \(summary.level)",
            "  published  \(manifest.published) by \(manifest.program), run \(manifest.run)",
            "  manifest   sha256:\(sha256)",
            "  etcd       \(manifest.etcd.version), cluster \(manifest.etcd.clusterID), leader \(manifest.etcd.leader), "
                + "\(manifest.etcd.members.count) members, revision \(manifest.etcd.revisionAtGate) before",
        ]
        if let hash = manifest.etcd.keyspaceHash {
            let members = hash.members.joined(separator: ", ")
            lines.append(
                "  keyspace   hash \(String(hash.hash, radix: 16)) at revision \(hash.revision), equal on \(members)"
            )
        }
        if let print = manifest.identity.caFingerprint { lines.append("  CA         sha256:\(print)") }
        if !manifest.recipients.isEmpty { lines.append("  encrypted  to \(manifest.recipients.count) age recipients") }
        var snapshots = Table(
            ("SNAPSHOT", .left),
            ("HOST", .left),
            ("REVISION", .right),
            ("KEYS", .right),
            ("LIVE", .right),
            ("HASH", .right),
            ("SIZE", .right)
        )
        for item in manifest.snapshots {
            snapshots.add(
                item.file.path,
                item.host.text,
                String(item.facts.revision),
                String(item.facts.totalKeys),
                String(item.facts.liveKeys),
                String(item.facts.hash, radix: 16),
                byteCount(item.file.plain.bytes)
            )
        }
        lines += [""] + snapshots.lines
        var archives = Table(
            ("ARCHIVE", .left),
            ("HOST", .left),
            ("FILES", .right),
            ("SIZE", .right),
            ("CHECKED BY", .left)
        )
        for item in manifest.archives {
            let checks = item.checks.map { "\($0.program) \($0.verdict.rawValue)" }.joined(separator: ", ")
            archives.add(
                item.file.path,
                item.host?.text ?? "-",
                String(item.entries.count { $0.type == .file }),
                byteCount(item.file.plain.bytes),
                checks
            )
        }
        lines += [""] + archives.lines
        for item in manifest.missing { lines.append("missing: \(item.host) \(item.what): \(item.why)") }
        return lines.map(\.escapedForTerminal).joined(separator: "\n")
    }
}
