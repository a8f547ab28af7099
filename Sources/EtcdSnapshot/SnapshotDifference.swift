/// What differs between two snapshots, as far as keys that live in one of them; no value is part of it.
///
/// Design: the keys of the older snapshot become a table of 64-bit keyed hashes with revision and hash of the value (24 bytes a key),
/// the newer one is walked against it, and what is left in the table is named by a second walk of the older. A table holds half a
/// million keys; larger snapshots are compared part by part, each key belonging to one part. Two keys, or two values of one key,
/// are taken for the same with a chance of one in 10^7 for two million keys.
package struct SnapshotDifference: Sendable, Hashable {
    package enum Change: Int, Sendable, Hashable, CaseIterable { case removed, added, changed }

    /// A key that differs; `before` and `after` are nil where it is not there.
    package struct Item: Sendable, Hashable {
        package struct State: Sendable, Hashable {
            package let revision: Int64
            package let bytes: Int?
        }
        package let change: Change
        /// The key, or its first 4 KiB.
        package let key: [UInt8]
        package let before: State?
        package let after: State?
        fileprivate let order: Order
    }

    package struct Totals: Sendable, Hashable {
        package fileprivate(set) var removed = 0
        package fileprivate(set) var added = 0
        package fileprivate(set) var changed = 0
        /// Written again with the same value: a later revision and no difference.
        package fileprivate(set) var rewritten = 0

        /// Keys that differ.
        package var all: Int { removed + added + changed }
    }

    /// The totals of one resource in one namespace; both nil for keys outside the registry.
    package struct Row: Sendable, Hashable {
        package let group: String?
        package let resource: String?
        package let namespace: String?
        package let totals: Totals
    }

    package private(set) var totals = Totals()
    package fileprivate(set) var unchanged = 0
    /// The first differences: what is gone first, then what is new, then what changed, each by key; what a cluster writes all the
    /// time (leases, events) comes last.
    package private(set) var items: [Item] = []
    private var places: [Place: Totals] = [:]
    private let limit: Int
    private let prefix: String

    /// Differences that are not among the items.
    package var unlisted: Int { totals.all - items.count }

    /// The totals by resource and namespace, in that order; differences beyond 100,000 places are in the totals only.
    package var rows: [Row] {
        places.map {
            Row(group: $0.group, resource: $0.resource, namespace: $0.namespace, totals: $1)
        }.sorted {
            ($0.resource ?? "", $0.group ?? "", $0.namespace ?? "") < (
                $1.resource ?? "", $1.group ?? "", $1.namespace ?? ""
            )
        }
    }

    /// The rows with their namespaces added up.
    package var rowsByResource: [Row] {
        var sums: [Place: Totals] = [:]
        for row in rows {
            sums[Place(group: row.group, resource: row.resource, namespace: nil), default: Totals()].add(row.totals)
        }
        return sums.map { Row(group: $0.group, resource: $0.resource, namespace: nil, totals: $1) }.sorted {
            ($0.resource ?? "", $0.group ?? "") < ($1.resource ?? "", $1.group ?? "")
        }
    }

    fileprivate struct Place: Sendable, Hashable {
        let group: String?
        let resource: String?
        let namespace: String?
    }

    fileprivate struct Order: Sendable, Hashable, Comparable {
        let change: Int
        let isVolatile: Bool
        let key: [UInt8]

        static func < (left: Self, right: Self) -> Bool {
            if left.change != right.change { return left.change < right.change }
            if left.isVolatile != right.isVolatile { return right.isVolatile }
            return left.key.lexicographicallyPrecedes(right.key)
        }
    }

    /// Resources that every cluster rewrites within seconds.
    private static let volatile: Set<String> = [
        "events", "leases", "masterleases", "endpointslices", "services/endpoints",
    ]

    fileprivate init(prefix: String, limit: Int) {
        self.prefix = prefix
        self.limit = limit
    }

    fileprivate mutating func add(_ change: Change, _ key: [UInt8], before: Item.State?, after: Item.State?) {
        let path = RegistryPath(key: key, prefix: prefix)
        count(path) { totals in
            switch change {
            case .removed: totals.removed += 1
            case .added: totals.added += 1
            case .changed: totals.changed += 1
            }
        }
        let shown = Array(key.prefix(SnapshotInspection.longestShownKey))
        let order = Order(
            change: change.rawValue,
            isVolatile: path.map { Self.volatile.contains($0.resource) } ?? false,
            key: shown
        )
        guard limit > 0 else { return }
        if items.count == limit, let last = items.last, !(order < last.order) { return }
        var low = 0
        var high = items.count
        while low < high {
            let middle = (low + high) / 2
            if items[middle].order < order { low = middle + 1 } else { high = middle }
        }
        items.insert(Item(change: change, key: shown, before: before, after: after, order: order), at: low)
        if items.count > limit { items.removeLast() }
    }

    fileprivate mutating func addRewritten(_ key: [UInt8]) {
        count(RegistryPath(key: key, prefix: prefix)) { $0.rewritten += 1 }
    }

    private mutating func count(_ path: RegistryPath?, _ body: (inout Totals) -> Void) {
        body(&totals)
        let place = Place(group: path?.group, resource: path?.resource, namespace: path?.namespace)
        guard places[place] != nil || places.count < RegistrySummary.rowLimit else { return }
        body(&places[place, default: Totals()])
    }
}

extension SnapshotDifference.Totals {
    fileprivate mutating func add(_ other: Self) {
        removed += other.removed
        added += other.added
        changed += other.changed
        rewritten += other.rewritten
    }
}

extension SnapshotContents {
    /// Compares the live keys of this snapshot with those of `newer`, those that begin with `under` only.
    ///
    /// A key counts as changed when its value differs, whatever its revisions say: revisions of different clusters, or of a
    /// restored one, mean nothing beside each other. It reads every live value of both once. `limit` bounds the items;
    /// `parts` is how often to walk, which follows from the number of changes when it is nil.
    package func difference(
        to newer: SnapshotContents,
        prefix: String = "/registry/",
        under: String = "",
        limit: Int,
        parts: Int? = nil
    ) throws(SnapshotProblem) -> SnapshotDifference {
        var difference = SnapshotDifference(prefix: prefix, limit: limit)
        let start = Array(under.utf8)
        let partitions = parts ?? KeyFingerprints.partitions(forKeys: 2 * max(storedChanges, newer.storedChanges))
        for partition in 0..<partitions {
            let part = KeyFingerprints(partition: partition, of: partitions)
            var table = try table(of: part, under: start)
            var seen = part
            try newer.visitRevisions(.descending) { (change, window) throws(SnapshotProblem) in
                let hash = try KeyFingerprints.fingerprint(of: change.keyRange, isMarked: false, &window)
                guard seen.insert(hash), !change.isTombstone, change.key.starts(with: start) else { return }
                let after = SnapshotDifference.Item.State(revision: change.revision.main, bytes: change.valueLength)
                guard let old = table[hash], old.revision >= 0 else {
                    difference.add(.added, change.key, before: nil, after: after)
                    return
                }
                table[hash] = LiveValue.gone
                let value = try KeyFingerprints.fingerprint(of: change.value, isMarked: false, &window)
                if value != old.value {
                    let before = SnapshotDifference.Item.State(revision: old.revision, bytes: nil)
                    difference.add(.changed, change.key, before: before, after: after)
                } else if old.revision != change.revision.main {
                    difference.addRewritten(change.key)
                } else {
                    difference.unchanged += 1
                }
            }
            try nameRemoved(&table, &difference)
        }
        return difference
    }

    /// The newest state of every key of one part; deleted ones as ``LiveValue/gone``.
    private func table(of part: KeyFingerprints, under start: [UInt8]) throws(SnapshotProblem) -> [UInt64: LiveValue] {
        var table: [UInt64: LiveValue] = [:]
        try visitRevisions(.descending) { (change, window) throws(SnapshotProblem) in
            guard change.key.starts(with: start) else { return }
            let hash = try KeyFingerprints.fingerprint(of: change.keyRange, isMarked: false, &window)
            guard part.covers(hash), table[hash] == nil else { return }
            table[hash] =
                change.isTombstone
                ? .gone
                : LiveValue(
                    revision: change.revision.main,
                    value: try KeyFingerprints.fingerprint(of: change.value, isMarked: false, &window)
                )
        }
        return table
    }

    /// Walks again for the keys of what the newer snapshot did not have.
    private func nameRemoved(
        _ table: inout [UInt64: LiveValue],
        _ difference: inout SnapshotDifference
    ) throws(SnapshotProblem) {
        guard table.values.contains(where: { $0.revision >= 0 }) else { return }
        var left = table
        var result = difference
        table = [:]
        try visitRevisions(.descending) { (change, window) throws(SnapshotProblem) in
            let hash = try KeyFingerprints.fingerprint(of: change.keyRange, isMarked: false, &window)
            // The newest change of a key comes first; a key changes once in a revision.
            guard let old = left[hash], old.revision == change.revision.main, !change.isTombstone else { return }
            left[hash] = .gone
            let before = SnapshotDifference.Item.State(revision: old.revision, bytes: change.valueLength)
            result.add(.removed, change.key, before: before, after: nil)
        }
        difference = result
    }
}

/// What the table remembers of a live key: 16 bytes.
private struct LiveValue {
    /// Negative for a key that is deleted, or was found in the other snapshot.
    let revision: Int64
    let value: UInt64

    static let gone = LiveValue(revision: -1, value: 0)
}
