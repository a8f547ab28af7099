/// How many live Kubernetes objects a snapshot holds, by resource and namespace.
package struct RegistrySummary: Sendable, Hashable {
    /// Rows are bounded; what is beyond is still counted, in ``unlisted``.
    static let rowLimit = 100_000
    private static let encryptedMark = Array("k8s:enc:".utf8)

    package struct Row: Codable, Sendable, Hashable {
        package let group: String?
        package let resource: String
        package let namespace: String?
        package var objects: Int
        /// Bytes of the stored values.
        package var bytes: UInt64
    }

    fileprivate struct Place: Sendable, Hashable {
        let group: String?
        let resource: String
        let namespace: String?
    }

    private var counts: [Place: Row] = [:]
    /// Live objects in all.
    package private(set) var objects = 0
    /// Objects of places beyond the row limit.
    package private(set) var unlisted = 0
    /// Live keys outside the registry prefix.
    package private(set) var otherKeys = 0
    /// Values encrypted at rest, by provider: without the keys of these a restored cluster can not read them.
    package private(set) var encrypted: [String: Int] = [:]

    init() {}

    /// One row for each resource in each namespace, by resource, group and namespace.
    package var rows: [Row] {
        counts.values.sorted {
            ($0.resource, $0.group ?? "", $0.namespace ?? "") < ($1.resource, $1.group ?? "", $1.namespace ?? "")
        }
    }

    /// The rows with their namespaces added up.
    package var rowsByResource: [Row] {
        var sums: [Place: Row] = [:]
        for row in counts.values {
            let place = Place(group: row.group, resource: row.resource, namespace: nil)
            sums[place, default: place.emptyRow].add(row.objects, row.bytes)
        }
        return sums.values.sorted { ($0.resource, $0.group ?? "") < ($1.resource, $1.group ?? "") }
    }

    /// The rows with their resources added up, largest first; a row's resource is empty.
    package var rowsByNamespace: [Row] {
        var sums: [String: Row] = [:]
        for row in counts.values {
            guard let namespace = row.namespace else { continue }
            let empty = Row(group: nil, resource: "", namespace: namespace, objects: 0, bytes: 0)
            sums[namespace, default: empty].add(row.objects, row.bytes)
        }
        return sums.values.sorted { ($1.bytes, $0.namespace ?? "") < ($0.bytes, $1.namespace ?? "") }
    }

    /// Live objects for each namespace.
    package var objectsByNamespace: [String: Int] {
        counts.values.reduce(into: [:]) { sums, row in
            if let namespace = row.namespace { sums[namespace, default: 0] += row.objects }
        }
    }

    mutating func add(_ path: RegistryPath, bytes: Int, head: ArraySlice<UInt8>) {
        objects += 1
        if head.starts(with: Self.encryptedMark) {
            let provider = head.dropFirst(Self.encryptedMark.count).prefix { $0 != UInt8(ascii: ":") }
            let name = String(decoding: provider, as: UTF8.self)
            if encrypted[name] != nil || encrypted.count < 64 { encrypted[name, default: 0] += 1 }
        }
        let place = Place(group: path.group, resource: path.resource, namespace: path.namespace)
        guard counts[place] != nil || counts.count < Self.rowLimit else {
            unlisted += 1
            return
        }
        counts[place, default: place.emptyRow].add(1, UInt64(bytes))
    }

    mutating func addOther() { otherKeys += 1 }

    /// Counts a live key with the beginning of its value.
    mutating func add(
        _ change: StoredRevision,
        prefix: String,
        _ window: inout ByteWindow
    ) throws(SnapshotProblem) {
        guard let path = RegistryPath(key: change.key, prefix: prefix) else { return addOther() }
        let count = min(change.value.count, 64)
        let index = try window.load(count, at: change.value.offset)
        add(path, bytes: change.value.count, head: window.buffer[index..<(index + count)])
    }
}

extension RegistrySummary.Row {
    fileprivate mutating func add(_ objects: Int, _ bytes: UInt64) {
        self.objects += objects
        self.bytes += bytes
    }
}

extension RegistrySummary.Place {
    fileprivate var emptyRow: RegistrySummary.Row {
        RegistrySummary.Row(group: group, resource: resource, namespace: namespace, objects: 0, bytes: 0)
    }
}
