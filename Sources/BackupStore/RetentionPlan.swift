package import ClusterModel

/// Which sets go and which stay, and why; the result of a pure function of what is there, the policy and the time.
package struct RetentionDecision: Sendable, Hashable {
    package struct Victim: Sendable, Hashable {
        package let id: BackupID
        package let why: String
    }
    package struct Kept: Sendable, Hashable {
        package let id: BackupID
        /// Such as `newest`, `daily 3/7`, `pinned`.
        package let rules: [String]
    }

    /// Oldest first, so that an interruption has removed the least valuable ones.
    package var delete: [Victim]
    /// Newest first.
    package var keep: [Kept]
    /// Why nothing is deleted although something might be; `delete` is then empty.
    package var refusal: BackupError?

    /// What is decided where no backup was ever made.
    package static let nothing = RetentionDecision(delete: [], keep: [], refusal: nil)
}

/// Decides retention by the rules of Format.md §6.
///
/// It cannot delete anything itself.
package struct RetentionPlan: Sendable {
    /// What retention was asked by.
    package enum Occasion: Sendable, Hashable {
        /// A backup run, with the set it published, or nil when it published none.
        case afterBackup(BackupID?)
        /// `backups prune`.
        case asked
    }

    package var policy: RetentionPolicy
    /// How often backups are expected.
    package var interval: Duration
    package var now: UTCMoment
    package var occasion: Occasion
    /// Names in the folder that have no readable manifest.
    package var unreadable: [String] = []
    /// Sets that an unfinished run refers to.
    package var inUse: Set<BackupID> = []
    /// The number of deletions a person agreed to, for more than half of the good sets at once.
    package var confirmedCount: Int?

    package init(policy: RetentionPolicy, interval: Duration, now: UTCMoment, occasion: Occasion) {
        self.policy = policy
        self.interval = interval
        self.now = now
        self.occasion = occasion
    }

    /// Decides over the published sets of one cluster.
    package func decide(_ backups: [BackupSummary]) -> RetentionDecision {
        let sorted = backups.sorted { $0.id > $1.id }
        let good = sorted.filter(\.isGood)
        let rules = RetentionRules(good: good, policy: policy)
        var decision = RetentionDecision(delete: [], keep: [], refusal: nil)
        if let refusal = refusal(sorted, good) {
            decision.refusal = refusal
            decision.keep = sorted.map { .init(id: $0.id, rules: rules.names(of: $0.id)) }
            return decision
        }
        var newerGood = 0
        var goodVictims = 0
        for backup in sorted {
            var names = rules.names(of: backup.id)
            if backup.pinned { names.append("pinned") }
            if inUse.contains(backup.id) { names.append("in use by an unfinished run") }
            if !backup.isGood && newerGood < policy.minGood { names.append("no \(policy.minGood) newer good backups") }
            if names.isEmpty {
                if backup.isGood { goodVictims += 1 }
                let why = backup.isGood ? "no rule keeps it" : "not good, and \(newerGood) newer good backups exist"
                decision.delete.append(.init(id: backup.id, why: why))
            } else {
                decision.keep.append(.init(id: backup.id, rules: names))
            }
            if backup.isGood { newerGood += 1 }
        }
        decision.delete.reverse()
        let count = decision.delete.count
        if goodVictims * 2 > good.count, confirmedCount != count {
            decision.keep = sorted.map { .init(id: $0.id, rules: rules.names(of: $0.id)) }
            decision.delete = []
            decision.refusal = .retentionRefused(
                "the policy would delete \(goodVictims) of \(good.count) good backups at once (\(count) in all)",
                next: "rollbook backups prune --confirm-count \(count)"
            )
        }
        return decision
    }

    private func refusal(_ sorted: [BackupSummary], _ good: [BackupSummary]) -> BackupError? {
        let counts = [policy.last, policy.daily, policy.weekly, policy.monthly]
        if counts.contains(where: { $0 < 0 }) || policy.minGood < 1 {
            return .retentionPolicy("a retention count is below zero, or minGood below 1")
        }
        if counts.allSatisfy({ $0 == 0 }) { return .retentionPolicy("a policy that keeps nothing is refused") }
        if let first = unreadable.first {
            return .retentionRefused(
                "\(unreadable.count) set in the folder cannot be read, the first is \(first)",
                next: "rollbook backups verify, then move away what is not a backup"
            )
        }
        if case .afterBackup(let id) = occasion, !good.contains(where: { $0.id == id }) {
            return .retentionRefused("this run made no new good backup", next: nil)
        }
        guard let newest = sorted.first else { return nil }
        let age = newest.age(at: now)
        if age < .seconds(-300) {
            return .retentionRefused(
                "the clock is in doubt: it is \(now) and the newest backup is \(newest.id)",
                next: "set the clock"
            )
        }
        if age > interval * 2 + .seconds(7 * 86400) {
            return .retentionRefused(
                "the clock is in doubt, or backups have stopped: it is \(now) and the newest backup is \(newest.id)",
                next: "set the clock, or make a new backup"
            )
        }
        return nil
    }
}

/// Which rules keep which good sets.
private struct RetentionRules {
    private var kept: [BackupID: [String]] = [:]

    init(good: [BackupSummary], policy: RetentionPolicy) {
        if let newest = good.first { kept[newest.id, default: []].append("newest") }
        for backup in good.prefix(max(0, policy.minGood)) { kept[backup.id, default: []].append("minGood") }
        for (index, backup) in good.prefix(max(0, policy.last)).enumerated() {
            kept[backup.id, default: []].append("last \(index + 1)/\(policy.last)")
        }
        add("daily", policy.daily, good) { $0.id.moment.day }
        add("weekly", policy.weekly, good) { $0.id.moment.week }
        add("monthly", policy.monthly, good) { $0.id.moment.month }
    }

    func names(of id: BackupID) -> [String] { kept[id] ?? [] }

    /// Keeps the newest set of each of the newest `count` buckets that have one; `good` is newest first.
    private mutating func add(
        _ name: String,
        _ count: Int,
        _ good: [BackupSummary],
        bucket: (BackupSummary) -> Int64
    ) {
        var used = 0
        var last: Int64?
        for backup in good where used < count {
            let number = bucket(backup)
            if number == last { continue }
            last = number
            used += 1
            kept[backup.id, default: []].append("\(name) \(used)/\(count)")
        }
    }
}
