import ClusterModel
import ClusterSteps
import struct EtcdSnapshot.RegistryPath
import struct EtcdSnapshot.SnapshotDifference

/// What differs between two snapshots, as text and as JSON; names of objects, never their values.
struct DifferenceView {
    /// One of the two snapshots.
    struct Side: Hashable {
        let label: String
        let revision: Int64
        let kubeSystemUID: String?
        /// Of the backup's manifest: a snapshot does not hold it.
        let etcdClusterID: String?
    }

    /// The most objects that `--limit` takes.
    static let longestList = 10_000

    let before: Side
    let after: Side
    let difference: SnapshotDifference
    let prefix: String

    /// Whether both are of one cluster; nil where neither side's identity can be compared.
    var isSameCluster: Bool? {
        if let one = before.kubeSystemUID, let other = after.kubeSystemUID { return one == other }
        if let one = before.etcdClusterID, let other = after.etcdClusterID { return one == other }
        return nil
    }

    /// What a person should know before they read the rest.
    var notes: [String] {
        var notes: [String] = []
        if isSameCluster == false {
            notes.append("these are of two clusters (the UIDs of kube-system, or etcd's cluster ids, differ)")
        } else if isSameCluster == nil {
            notes.append("whether both are of one cluster cannot be told: no UID of kube-system to compare")
        }
        if isSameCluster == true, after.revision < before.revision {
            notes.append("the second is the older one by its revision: 'added' reads as lost since, 'removed' as new")
        }
        return notes
    }

    var text: String {
        let totals = difference.totals
        var lines = [
            "A  \(before.label.escapedOnOneLine), revision \(before.revision)",
            "B  \(after.label.escapedOnOneLine), revision \(after.revision)",
            "From A to B: \(totals.removed) removed, \(totals.added) added, \(totals.changed) changed; "
                + "\(totals.rewritten) written again with the same value, \(difference.unchanged) untouched",
        ]
        var resources = Table(
            ("RESOURCE", .left),
            ("GROUP", .left),
            ("REMOVED", .right),
            ("ADDED", .right),
            ("CHANGED", .right)
        )
        for row in difference.rowsByResource where row.totals.all > 0 {
            resources.add(
                row.resource ?? "(no object)",
                row.group ?? "-",
                String(row.totals.removed),
                String(row.totals.added),
                String(row.totals.changed)
            )
        }
        if !resources.isEmpty { lines += [""] + resources.lines }
        var items = Table(
            ("", .left),
            ("RESOURCE", .left),
            ("NAMESPACE", .left),
            ("NAME", .left),
            ("REVISION", .right),
            ("SIZE", .right)
        )
        for item in difference.items {
            let place = Place(item, prefix: prefix)
            items.add(
                word(item),
                place.resource ?? "-",
                place.namespace ?? "-",
                place.name,
                revisions(item),
                size(item)
            )
        }
        if !items.isEmpty { lines += [""] + items.lines }
        if difference.unlisted > 0 {
            lines.append("and \(difference.unlisted) more (--limit \(min(difference.totals.all, Self.longestList)))")
        }
        return lines.joined(separator: "\n")
    }

    private func word(_ item: SnapshotDifference.Item) -> String {
        switch item.change {
        case .removed: "removed"
        case .added: "added"
        case .changed: "changed"
        }
    }

    private func revisions(_ item: SnapshotDifference.Item) -> String {
        [item.before, item.after].compactMap { $0.map { String($0.revision) } }.joined(separator: " > ")
    }

    private func size(_ item: SnapshotDifference.Item) -> String {
        ((item.after ?? item.before)?.bytes).map { byteCount(Int64($0)) } ?? "-"
    }

    /// Where a key is, as far as it is an object's.
    private struct Place {
        let group: String?
        let resource: String?
        let namespace: String?
        let name: String

        init(_ item: SnapshotDifference.Item, prefix: String) {
            let path = RegistryPath(key: item.key, prefix: prefix)
            group = path?.group
            resource = path?.resource
            namespace = path?.namespace
            name = path?.name ?? String(decoding: item.key, as: UTF8.self)
        }
    }

    var json: JSONValue {
        .object([
            "v": .integer(1), "before": json(of: before), "after": json(of: after),
            "sameCluster": isSameCluster.map { .bool($0) } ?? .null,
            "totals": json(of: difference.totals), "untouched": .integer(Int64(difference.unchanged)),
            "resources": .array(
                difference.rows.map { row in
                    .object([
                        "group": row.group.map { .string($0) } ?? .null,
                        "resource": row.resource.map { .string($0) } ?? .null,
                        "namespace": row.namespace.map { .string($0) } ?? .null, "totals": json(of: row.totals),
                    ])
                }
            ),
            "objects": .array(difference.items.map { json(of: $0) }),
            "unlisted": .integer(Int64(difference.unlisted)), "notes": .array(notes.map { .string($0) }),
        ])
    }

    private func json(of side: Side) -> JSONValue {
        .object([
            "source": .string(side.label), "revision": .integer(side.revision),
            "kubeSystemUID": side.kubeSystemUID.map { .string($0) } ?? .null,
            "etcdClusterID": side.etcdClusterID.map { .string($0) } ?? .null,
        ])
    }

    private func json(of totals: SnapshotDifference.Totals) -> JSONValue {
        .object([
            "removed": .integer(Int64(totals.removed)), "added": .integer(Int64(totals.added)),
            "changed": .integer(Int64(totals.changed)), "rewritten": .integer(Int64(totals.rewritten)),
        ])
    }

    private func json(of item: SnapshotDifference.Item) -> JSONValue {
        let place = Place(item, prefix: prefix)
        return .object([
            "change": .string(word(item)), "key": .string(String(decoding: item.key, as: UTF8.self)),
            "group": place.group.map { .string($0) } ?? .null, "resource": place.resource.map { .string($0) } ?? .null,
            "namespace": place.namespace.map { .string($0) } ?? .null, "name": .string(place.name),
            "revisionBefore": item.before.map { .integer($0.revision) } ?? .null,
            "revisionAfter": item.after.map { .integer($0.revision) } ?? .null,
            "bytes": ((item.after ?? item.before)?.bytes).map { .integer(Int64($0)) } ?? .null,
        ])
    }
}
