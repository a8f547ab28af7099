package import BackupStore
package import ClusterModel

/// What the kept backups say of the sizes of etcd's databases; read-only.
package protocol DatabaseHistory: Sendable {
    /// How the member on a host grew; nil when the backups cannot be read, or there are none here.
    func trend(of host: HostName) -> DatabaseTrend?
}

/// How a database grew, and when it will have reached its quota, in the operator's words.
package struct DatabaseGrowth: Sendable, Hashable {
    package let trend: DatabaseTrend
    package let space: EtcdSpace

    package init(_ trend: DatabaseTrend, now space: EtcdSpace) { (self.trend, self.space) = (trend, space) }

    /// Until the quota is reached; nil when that is not in sight, or not known.
    package var timeLeft: Duration? {
        trend.time(
            from: Int64(clamping: trend.measure == .inUse ? space.inUse : space.bytes),
            to: Int64(clamping: space.quota)
        )
    }

    /// `grows 12.0 MiB a day over 14 backups in 13 days; quota of 2.0 GiB in about 5 months`.
    package var text: String {
        Self.text(of: trend) + ((trend.bytesPerDay ?? 0) > 0 ? "; \(outlook)" : "")
    }

    /// The same without what lies ahead, where the quota is not known.
    package static func text(of trend: DatabaseTrend) -> String {
        let evidence = "over \(trend.backups) backups in \(spoken(trend.span))"
        guard let rate = trend.bytesPerDay else {
            return "growth is not known yet: \(trend.backups) backup\(trend.backups == 1 ? "" : "s") to compare"
                + (trend.backups > 1 ? " within \(spoken(trend.span))" : "")
                + ", \(DatabaseTrend.leastBackups) over \(spoken(DatabaseTrend.leastSpan)) are needed"
        }
        guard rate != 0 else { return "does not grow \(evidence)" }
        guard rate > 0 else { return "shrinks by \(byteCount(-rate)) a day \(evidence)" }
        return "grows \(byteCount(rate)) a day \(evidence)"
    }

    private var outlook: String {
        let quota = "quota of \(byteCount(Int64(clamping: space.quota)))"
        guard let timeLeft else { return "\(quota) not in sight" }
        if timeLeft <= .zero { return "\(quota) is reached" }
        guard timeLeft >= .seconds(3600) else { return "\(quota) in less than an hour" }
        guard timeLeft < .seconds(10 * 31_557_600) else { return "\(quota) not within 10 years" }
        return "\(quota) in about \(Self.spoken(timeLeft))"
    }

    /// In the largest unit of which there are at least two: `30 hours`, `9 days`, `6 weeks`, `5 months`, `3 years`.
    private static func spoken(_ duration: Duration) -> String {
        let hours = duration.components.seconds / 3600
        let days = (hours + 12) / 24
        switch hours {
        case ..<1: return "less than an hour"
        case 1: return "1 hour"
        case ..<48: return "\(hours) hours"
        case ..<(28 * 24): return "\(days) days"
        case ..<(60 * 24): return "\((days + 3) / 7) weeks"
        case ..<(730 * 24): return "\(Int((Double(days) / 30.44).rounded())) months"
        default: return "\(Int((Double(days) / 365.25).rounded())) years"
        }
    }
}
