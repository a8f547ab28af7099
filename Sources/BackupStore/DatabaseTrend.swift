package import ClusterModel

/// How large one member's database was in one backup.
package struct DatabaseSize: Sendable, Hashable {
    package let host: HostName
    /// Of the database without the trailer that its snapshot has.
    package let bytes: Int64
    /// Without free pages; nil in backups of earlier releases.
    package let inUse: Int64?
    package let revision: Int64

    package init(host: HostName, bytes: Int64, inUse: Int64?, revision: Int64) {
        (self.host, self.bytes, self.inUse, self.revision) = (host, bytes, inUse, revision)
    }

    init(_ snapshot: StoredSnapshot) {
        // A snapshot is whole pages and a SHA-256 of 32 bytes.
        let trailer = snapshot.file.plain.bytes % 512
        self.init(
            host: snapshot.host,
            bytes: snapshot.file.plain.bytes - trailer,
            inUse: snapshot.facts.inUseBytes,
            revision: snapshot.facts.revision
        )
    }
}

/// How a member's database grew over the kept backups: pure arithmetic.
///
/// What is in use is what counts, as free pages are filled before the file grows. Backups that do not know it are judged by
/// the file, from its last shrinking (a defragmentation) on. The rate is the median of the rates between any two backups
/// (Theil-Sen), so that one night out of the ordinary, or many backups of one day, do not make it.
package struct DatabaseTrend: Sendable, Hashable {
    package enum Measure: String, Sendable, Hashable, Codable { case inUse, file }

    /// Older backups say little of what is written today.
    package static let window = Duration.seconds(30 * 86_400)
    package static let leastBackups = 3
    package static let leastSpan = Duration.seconds(2 * 86_400)
    private static let clockTolerance: Int64 = 300_000

    /// From how many backups, and the time from the first to the last of them.
    package let backups: Int
    package let span: Duration
    package let measure: Measure
    /// Negative when it shrinks; nil when the backups are too few, or too close together, to say.
    package let bytesPerDay: Int64?

    package init(backups: Int, span: Duration, measure: Measure, bytesPerDay: Int64?) {
        (self.backups, self.span, self.measure, self.bytesPerDay) = (backups, span, measure, bytesPerDay)
    }

    /// Judges what the backups in `sets` hold of the member on `host`.
    ///
    /// Only backups of the etcd cluster that the newest one is of: a restore begins a new one. Revisions only grow, so a backup
    /// whose time contradicts its revision was taken while the clock was wrong, and is left out, as are those of the future.
    package init(of host: HostName, in sets: [BackupSummary], now: UTCMoment) {
        let latest = now.milliseconds + Self.clockTolerance
        let known = sets.filter { $0.id.moment.milliseconds <= latest && $0.database(of: host) != nil }
        let newest = known.max { $0.id < $1.id }
        let points = known.filter { $0.etcdCluster == newest?.etcdCluster }.compactMap { set in
            set.database(of: host).map { Point(set.id.moment.milliseconds, $0) }
        }
        let ordered = Self.inOrder(points)
        let inUse = ordered.compactMap { point in point.inUse.map { (at: point.at, bytes: $0) } }
        let byUse = DatabaseTrend(inUse, .inUse)
        guard byUse.bytesPerDay == nil else {
            self = byUse
            return
        }
        let start = ordered.indices.last { $0 > 0 && ordered[$0].file < ordered[$0 - 1].file } ?? 0
        let byFile = DatabaseTrend(ordered[start...].map { (at: $0.at, bytes: $0.file) }, .file)
        self = byFile.bytesPerDay == nil && byUse.backups >= byFile.backups ? byUse : byFile
    }

    /// How long until a database of `bytes` now has `quota`; nil when it does not grow, or it is not known.
    ///
    /// Zero when it has that by now; never more than a thousand years.
    package func time(from bytes: Int64, to quota: Int64) -> Duration? {
        guard let bytesPerDay, quota > 0 else { return nil }
        if bytes >= quota { return .zero }
        guard bytesPerDay > 0 else { return nil }
        let days = min(Double(quota - bytes) / Double(bytesPerDay), 365_250)
        return .seconds(Int64(days * 86_400))
    }

    private struct Point {
        let at: Int64
        let file: Int64
        let inUse: Int64?
        let revision: Int64

        init(_ at: Int64, _ size: DatabaseSize) {
            (self.at, file, inUse, revision) = (at, size.bytes, size.inUse, size.revision)
        }
    }

    /// By revision, the most of them whose times agree with that order; then cut to the window.
    private static func inOrder(_ points: [Point]) -> [Point] {
        let sorted = points.sorted { ($0.revision, $0.at) < ($1.revision, $1.at) }
        // For each the length of the longest row that ends with it, and the one before it in that row.
        var rows: [(length: Int, before: Int?)] = []
        for point in sorted {
            let before = rows.indices.filter { sorted[$0].at < point.at }.max { rows[$0].length < rows[$1].length }
            rows.append((1 + (before.map { rows[$0].length } ?? 0), before))
        }
        var kept: [Point] = []
        var next = rows.indices.max { rows[$0].length < rows[$1].length }
        while let index = next {
            kept.append(sorted[index])
            next = rows[index].before
        }
        let end = kept.first?.at ?? 0
        return kept.reversed().filter { end - $0.at <= window.milliseconds }
    }

    private init(_ points: [(at: Int64, bytes: Int64)], _ measure: Measure) {
        backups = points.count
        span = .milliseconds((points.last?.at ?? 0) - (points.first?.at ?? 0))
        self.measure = measure
        guard points.count >= Self.leastBackups, span >= Self.leastSpan else {
            bytesPerDay = nil
            return
        }
        var rates: [Double] = []
        for (index, earlier) in points.enumerated() {
            for later in points[(index + 1)...] {
                rates.append(Double(later.bytes - earlier.bytes) * 86_400_000 / Double(later.at - earlier.at))
            }
        }
        rates.sort()
        let middle = rates.count / 2
        let median = rates.count.isMultiple(of: 2) ? (rates[middle - 1] + rates[middle]) / 2 : rates[middle]
        bytesPerDay = Int64(min(max(median, -1e15), 1e15))
    }
}

extension BackupSummary {
    func database(of host: HostName) -> DatabaseSize? { databases.first { $0.host == host } }
}
