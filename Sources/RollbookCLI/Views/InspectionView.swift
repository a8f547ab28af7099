import BackupStore
import ClusterModel
import ClusterSteps
import struct EtcdSnapshot.RegistrySummary
import struct EtcdSnapshot.SnapshotInspection
import struct EtcdSnapshot.SnapshotReport

/// What is in a snapshot, as text and as JSON; names of objects, never their values.
struct InspectionView {
    /// The most rows that `--top` takes.
    static let longestTable = 1_000

    let label: String
    let report: SnapshotReport
    let inspection: SnapshotInspection
    let recorded: (manifest: Manifest, snapshot: StoredSnapshot)?
    /// Rows of each table.
    let top: Int
    /// How long the verification took; nil where it is not to be told.
    let took: Duration?

    /// The release whose servers write such a database.
    static func format(of report: SnapshotReport) -> String {
        if let version = report.storageVersion { return version }
        // etcd stores the raft term from 3.5 on.
        return report.term == nil ? "3.4" : "3.5"
    }

    var text: String {
        var lines = ["Snapshot \(label.escapedOnOneLine)"]
        for (name, value) in facts {
            lines.append("  \(name)\(String(repeating: " ", count: 12 - name.count))\(value.escapedOnOneLine)")
        }
        lines += [""] + members.lines + table(of: resources) + namespaces + largest
        return lines.joined(separator: "\n")
    }

    private var freePages: UInt64 { report.pagesTotal - report.pagesReachable }

    private var facts: [(String, String)] {
        let checked = took.map { ", checked in \($0.brief)" } ?? ""
        let named = recorded == nil ? "" : ", the one that the manifest names"
        let verdict =
            report.trailer == .valid
            ? "sound: SHA-256 trailer, every page in use, every record\(named)\(checked)"
            : "IN DOUBT: there is no trailer, so nothing proves that it is intact\(checked)"
        var facts = [("verdict", verdict)]
        if let recorded {
            facts.append(
                (
                    "backup",
                    "\(recorded.manifest.id) of cluster \(recorded.manifest.cluster), host \(recorded.snapshot.host), "
                        + "etcd \(recorded.manifest.etcd.version), cluster id \(recorded.manifest.etcd.clusterID)"
                )
            )
        }
        let free = freePages == 0 ? "" : ", \(byteCount(Int64(clamping: freePages * report.pageSize))) of it free pages"
        facts += [
            ("size", "\(byteCount(Int64(clamping: report.fileSize))) (\(report.fileSize) bytes)\(free)"),
            ("sha256", report.fileSHA256),
            ("status", "hash \(String(report.hash, radix: 16)), total keys \(report.totalKeys)"),
            (
                "format",
                "etcd \(Self.format(of: report))" + (report.clusterVersion.map { ", cluster version \($0)" } ?? "")
            ),
            ("kube-system", report.kubeSystemUID ?? "no UID: absent, or encrypted at rest"),
            ("revision", revision),
            (
                "keys",
                "\(inspection.liveKeys) live (\(inspection.registry.objects) objects of Kubernetes), "
                    + "\(inspection.revisions) stored changes, \(inspection.tombstones) of them deletions"
            ),
            (
                "values",
                "\(byteCount(Int64(clamping: inspection.liveBytes))) live, "
                    + "\(byteCount(Int64(clamping: inspection.storedBytes))) with the history"
            ),
            ("leases", "\(leases), \(inspection.leasedKeys) live keys end with one"),
        ]
        for (provider, count) in inspection.registry.encrypted.sorted(by: { $0.key < $1.key }) {
            facts.append(("encrypted", "at rest by \(provider): values \(count); a restored cluster needs its keys"))
        }
        if report.isAuthEnabled { facts.append(("auth", "etcd's own users and roles are in force")) }
        return facts
    }

    private var leases: Int { report.buckets.first { $0.name == "lease" }?.entries ?? 0 }

    private var revision: String {
        var text = "\(report.revision) newest"
        if let oldest = inspection.oldest { text += ", \(oldest.main) oldest kept" }
        return text + (report.compactedRevision.map { ", compacted up to \($0)" } ?? ", never compacted")
    }

    private var members: Table {
        var table = Table(("MEMBER", .left), ("ID", .left), ("PEER", .left), ("", .left))
        for member in report.members {
            table.add(
                member.name.isEmpty ? "(never started)" : member.name,
                String(member.id, radix: 16),
                member.peerURLs.joined(separator: ","),
                member.isLearner ? "learner" : ""
            )
        }
        return table
    }

    /// By size, as it is asked for more often than the alphabet.
    private var resources: [RegistrySummary.Row] {
        inspection.registry.rowsByResource.sorted { ($1.bytes, $0.resource) < ($0.bytes, $1.resource) }
    }

    private func table(of rows: [RegistrySummary.Row]) -> [String] {
        var table = Table(("RESOURCE", .left), ("GROUP", .left), ("OBJECTS", .right), ("SIZE", .right))
        for row in rows.prefix(top) {
            table.add(row.resource, row.group ?? "-", String(row.objects), byteCount(Int64(clamping: row.bytes)))
        }
        return rows.isEmpty ? [] : [""] + table.lines + more(rows.count)
    }

    private var namespaces: [String] {
        let rows = inspection.registry.rowsByNamespace
        var table = Table(("NAMESPACE", .left), ("OBJECTS", .right), ("SIZE", .right))
        for row in rows.prefix(top) {
            table.add(row.namespace ?? "-", String(row.objects), byteCount(Int64(clamping: row.bytes)))
        }
        return rows.isEmpty ? [] : [""] + table.lines + more(rows.count)
    }

    private var largest: [String] {
        var table = Table(("LARGEST KEYS", .left), ("SIZE", .right), ("REVISION", .right), ("WRITTEN", .right))
        for key in inspection.largest {
            table.add(
                String(decoding: key.key, as: UTF8.self),
                byteCount(Int64(key.bytes)),
                String(key.revision),
                "\(key.version)x"
            )
        }
        return table.isEmpty ? [] : [""] + table.lines
    }

    private func more(_ count: Int) -> [String] {
        count > top ? ["and \(count - top) more (--top \(min(count, Self.longestTable)))"] : []
    }

    var json: JSONValue {
        .object([
            "v": .integer(1), "source": .string(label),
            "backup": recorded.map { .string($0.manifest.id.text) } ?? .null,
            "host": recorded.map { .string($0.snapshot.host.text) } ?? .null,
            "verdict": .string(report.trailer == .valid ? "sound" : "inDoubt"),
            "verifiedMs": took.map {
                .integer($0.components.seconds * 1000 + $0.components.attoseconds / 1_000_000_000_000_000)
            }
                ?? .null,
            "bytes": .unsigned(report.fileSize), "sha256": .string(report.fileSHA256),
            "hash": .unsigned(UInt64(report.hash)), "totalKeys": .integer(Int64(report.totalKeys)),
            "databaseBytes": .unsigned(report.bodySize), "pageSize": .unsigned(report.pageSize),
            "pages": .unsigned(report.pagesTotal), "freePages": .unsigned(freePages),
            "format": .string(Self.format(of: report)),
            "storageVersion": report.storageVersion.map { .string($0) } ?? .null,
            "clusterVersion": report.clusterVersion.map { .string($0) } ?? .null,
            "kubeSystemUID": report.kubeSystemUID.map { .string($0) } ?? .null,
            "authEnabled": .bool(report.isAuthEnabled),
            "members": .array(
                report.members.map { member in
                    .object([
                        "id": .string(String(member.id, radix: 16)), "name": .string(member.name),
                        "peerURLs": .array(member.peerURLs.map { .string($0) }), "learner": .bool(member.isLearner),
                    ])
                }
            ),
            "revision": .integer(report.revision),
            "oldestRevision": inspection.oldest.map { .integer($0.main) } ?? .null,
            "compactedRevision": report.compactedRevision.map { .integer($0) } ?? .null,
            "liveKeys": .integer(Int64(inspection.liveKeys)), "changes": .integer(Int64(inspection.revisions)),
            "deletions": .integer(Int64(inspection.tombstones)), "liveBytes": .unsigned(inspection.liveBytes),
            "storedBytes": .unsigned(inspection.storedBytes), "leases": .integer(Int64(leases)),
            "leasedKeys": .integer(Int64(inspection.leasedKeys)),
            "objects": .integer(Int64(inspection.registry.objects)),
            "otherKeys": .integer(Int64(inspection.registry.otherKeys)),
            "encryptedAtRest": .object(inspection.registry.encrypted.mapValues { .integer(Int64($0)) }),
            "resources": .array(
                resources.map { row in
                    .object([
                        "group": row.group.map { .string($0) } ?? .null, "resource": .string(row.resource),
                        "objects": .integer(Int64(row.objects)), "bytes": .unsigned(row.bytes),
                    ])
                }
            ),
            "namespaces": .array(
                inspection.registry.rowsByNamespace.map { row in
                    .object([
                        "namespace": .string(row.namespace ?? ""), "objects": .integer(Int64(row.objects)),
                        "bytes": .unsigned(row.bytes),
                    ])
                }
            ),
            "largestKeys": .array(
                inspection.largest.map { key in
                    .object([
                        "key": .string(String(decoding: key.key, as: UTF8.self)), "bytes": .integer(Int64(key.bytes)),
                        "revision": .integer(key.revision), "version": .integer(key.version),
                    ])
                }
            ),
        ])
    }
}
