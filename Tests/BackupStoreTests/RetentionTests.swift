import BackupStore
import ClusterModel
import Testing

@Suite("Retention")
struct RetentionTests {
    /// A good set `hours` after the start of 2026.
    private func set(
        _ hours: Int64,
        level: Int = 2,
        result: BackupResult.Kind = .complete,
        pinned: Bool = false
    ) -> BackupSummary {
        BackupSummary(id: Self.id(hours), result: result, level: level, pinned: pinned)
    }

    static let origin: Int64 = 1_767_225_600  // 2026-01-01T00:00:00Z

    private static func id(_ hours: Int64) -> BackupID {
        BackupID(moment: UTCMoment(seconds: origin + hours * 3600), random: 1)
    }

    private func plan(
        _ hours: Int64,
        _ policy: RetentionPolicy,
        _ occasion: RetentionPlan.Occasion = .asked
    ) -> RetentionPlan {
        RetentionPlan(
            policy: policy,
            interval: .seconds(86400),
            now: UTCMoment(seconds: Self.origin + hours * 3600),
            occasion: occasion
        )
    }

    private func policy(
        last: Int = 0,
        daily: Int = 0,
        weekly: Int = 0,
        monthly: Int = 0,
        minGood: Int = 1
    ) -> RetentionPolicy {
        var policy = RetentionPolicy()
        (policy.last, policy.daily, policy.weekly, policy.monthly) = (last, daily, weekly, monthly)
        policy.minGood = minGood
        return policy
    }

    private func hours(_ ids: [BackupID]) -> [Int64] { ids.map { ($0.moment.seconds - Self.origin) / 3600 } }

    @Test("each rule keeps the newest good set of each of the newest buckets")
    func buckets() {
        let days = (0..<60).map { set($0 * 24 + 2) } + [set(59 * 24 + 20)]
        var plan = plan(60 * 24, policy(last: 2, daily: 3, weekly: 2, monthly: 3))
        plan.confirmedCount = 55
        let decision = plan.decide(days)
        #expect(decision.refusal == nil)
        // 2026-03-01 is a Sunday (day 59), so the weeks' newest are days 59 and 52; January's newest is day 30.
        let days59: [Int64] = [1436, 1418]
        let earlier: [Int64] = [58, 57, 52, 30].map { $0 * 24 + 2 }
        #expect(hours(decision.keep.map(\.id)) == days59 + earlier)
        #expect(decision.keep[0].rules == ["newest", "minGood", "last 1/2", "daily 1/3", "weekly 1/2", "monthly 1/3"])
        #expect(decision.keep[1].rules == ["last 2/2"])
        #expect(decision.keep.last?.rules == ["monthly 3/3"])
        #expect(decision.delete.first.map { hours([$0.id]) } == [2])
    }

    @Test("the last good sets stay however old they are and whatever came after (B01)")
    func badNights() {
        let sets = [set(0), set(24)] + (2..<9).map { set($0 * 24, level: 1) }
        let decision = plan(8 * 24 + 1, policy(last: 1, minGood: 3)).decide(sets)
        #expect(decision.delete.isEmpty && decision.refusal == nil)
        #expect(decision.keep.last?.rules == ["minGood"])
    }

    @Test("sets that are not good go when enough newer good ones exist")
    func notGood() {
        let sets = [set(0, result: .partial), set(1, result: .degraded), set(2), set(3), set(4, level: 1), set(5)]
        let decision = plan(6, policy(last: 3, minGood: 3)).decide(sets)
        #expect(hours(decision.delete.map(\.id)) == [0, 1])
        #expect(decision.delete[0].why == "not good, and 3 newer good backups exist")
    }

    @Test("pinned sets and those of unfinished runs stay")
    func protected() {
        var plan = plan(6, policy(last: 1))
        plan.inUse = [Self.id(1)]
        plan.confirmedCount = 1
        let decision = plan.decide([set(0, pinned: true), set(1), set(2), set(3)])
        #expect(hours(decision.delete.map(\.id)) == [2])
        #expect(decision.keep.map(\.rules).suffix(2) == [["in use by an unfinished run"], ["pinned"]])
    }

    static let empty: [RetentionPolicy] = [(0, 0), (-1, 0), (0, -5)].map { last, daily in
        var policy = RetentionPolicy()
        (policy.last, policy.daily, policy.weekly, policy.monthly) = (last, daily, 0, 0)
        return policy
    }

    @Test("a policy that keeps nothing is refused (B03)", arguments: empty)
    func emptyPolicy(_ policy: RetentionPolicy) {
        let decision = plan(6, policy).decide((0..<6).map { set($0) })
        #expect(decision.refusal?.code == .invalidInput && decision.delete.isEmpty)
    }

    @Test("a clock in doubt deletes nothing (B02)", arguments: [-72, -1, 87600, 10 * 24])
    func clock(_ hours: Int64) {
        let sets = (0..<20).map { set($0 - 20) } + [set(0)]
        let decision = plan(hours, policy(last: 15)).decide(sets)
        #expect(decision.refusal?.code == .refused && decision.delete.isEmpty)
        #expect(decision.refusal?.message.description.contains("the clock is in doubt") == true)
        #expect(plan(9 * 24 - 1, policy(last: 15)).decide(sets).delete.count == 6)
    }

    @Test("a run that made no new good backup deletes nothing")
    func noNewBackup() {
        let sets = (0..<20).map { set($0) } + [set(20, result: .partial)]
        for id in [nil, Self.id(20), Self.id(77)] {
            let decision = plan(21, policy(last: 15), .afterBackup(id)).decide(sets)
            #expect(decision.refusal != nil && decision.delete.isEmpty)
        }
        #expect(plan(21, policy(last: 15), .afterBackup(Self.id(19))).decide(sets).delete.count == 5)
    }

    @Test("a set that cannot be read stops retention")
    func unreadable() {
        var plan = plan(6, policy(last: 4))
        plan.unreadable = ["20261120T221302Z-9f3a12c4"]
        let decision = plan.decide((0..<6).map { set($0) })
        #expect(decision.delete.isEmpty)
        #expect(decision.refusal?.message.description.contains("20261120T221302Z-9f3a12c4") == true)
    }

    @Test("more than half of the good sets go only when that number was confirmed")
    func half() {
        let sets = (0..<6).map { set($0) }
        var plan = plan(6, policy(last: 2))
        let refused = plan.decide(sets)
        #expect(refused.delete.isEmpty && refused.keep.count == 6)
        #expect(refused.refusal?.message.next == "rollbook backups prune --confirm-count 4")
        plan.confirmedCount = 3
        #expect(plan.decide(sets).delete.isEmpty)
        plan.confirmedCount = 4
        #expect(plan.decide(sets).delete.count == 4)
        #expect(self.plan(6, policy(last: 3)).decide(sets).delete.count == 3)
    }

    @Test("100,000 random histories never lose the newest good set or go below minGood (goal 14)")
    func property() {
        var random = SplitMix64(state: 14)
        func upTo(_ limit: UInt64) -> Int64 { Int64(random.next() % limit) }
        var outcomes = (deleted: 0, refused: 0, kept: 0)
        for _ in 0..<100_000 {
            var moment = Self.origin + upTo(40_000_000)
            var sets: [BackupSummary] = []
            for number in 0..<UInt32(upTo(9)) {
                let step: [Int64] = [3600, 43_200, 86400, 86400, 900_000, -200_000, 0]
                moment += step[Int(upTo(7))] + upTo(4000)
                let kinds: [BackupResult.Kind] = [.complete, .complete, .complete, .partial, .degraded]
                sets.append(
                    BackupSummary(
                        id: BackupID(moment: UTCMoment(seconds: moment), random: number),
                        result: kinds[Int(upTo(5))],
                        level: [2, 2, 3, 1, 0][Int(upTo(5))],
                        pinned: upTo(12) == 0
                    )
                )
            }
            var policy = RetentionPolicy()
            policy.last = Int(upTo(4)) - (upTo(50) == 0 ? 3 : 0)
            policy.daily = Int(upTo(4))
            policy.weekly = Int(upTo(3))
            policy.monthly = Int(upTo(3))
            policy.minGood = Int(upTo(4))
            let jump: [Int64] = [0, 60, 3600, 86400, -100_000, 315_360_000]
            let now = UTCMoment(seconds: moment + jump[Int(upTo(6))])
            let occasion: RetentionPlan.Occasion =
                upTo(2) == 0 ? .asked : .afterBackup(upTo(4) == 0 ? nil : sets.last?.id)
            var plan = RetentionPlan(policy: policy, interval: .seconds(86400), now: now, occasion: occasion)
            if upTo(2) == 0 { plan.confirmedCount = Int(upTo(6)) }
            let decision = plan.decide(sets)
            if let broken = violation(of: decision, plan, sets) {
                Issue.record("\(broken): \(sets) \(plan)")
                return
            }
            if decision.refusal != nil { outcomes.refused += 1 } else { outcomes.kept += 1 }
            if !decision.delete.isEmpty { outcomes.deleted += 1 }
        }
        // The generator reaches all kinds of outcomes, so the checks above were not empty.
        #expect(outcomes.deleted > 5000 && outcomes.refused > 5000 && outcomes.kept > 5000)
    }

    /// Which rule a decision breaks, said independently of how the decision is made; nil when none.
    private func violation(of decision: RetentionDecision, _ plan: RetentionPlan, _ sets: [BackupSummary]) -> String? {
        let gone = Set(decision.delete.map(\.id))
        if gone.count + decision.keep.count != sets.count { return "a set is neither kept nor deleted" }
        if gone.isEmpty { return nil }
        if decision.refusal != nil { return "deletes although it refuses" }
        let good = sets.filter(\.isGood)
        guard let newestGood = good.map(\.id).max() else { return "deletes although nothing is good" }
        if gone.contains(newestGood) { return "deletes the newest good set" }
        let left = good.count { !gone.contains($0.id) }
        if left < min(good.count, plan.policy.minGood) { return "leaves fewer than minGood good sets" }
        if sets.contains(where: { $0.pinned && gone.contains($0.id) }) { return "deletes a pinned set" }
        if case .afterBackup(let id) = plan.occasion, !good.contains(where: { $0.id == id }) {
            return "deletes after a run without a good set"
        }
        let newest = sets.map(\.id.moment.seconds).max() ?? 0
        if plan.now.seconds < newest - 300 || plan.now.seconds > newest + 9 * 86400 { return "trusts a clock in doubt" }
        if (good.count - left) * 2 > good.count, plan.confirmedCount != gone.count { return "deletes too much at once" }
        if plan.policy.minGood < 1 || plan.policy.last < 0 { return "obeys a policy that is not valid" }
        for victim in good where gone.contains(victim.id) {
            let newer = good.filter { $0.id > victim.id }
            if newer.count < plan.policy.last { return "deletes one of the last" }
            let daysAfter = Set(newer.map(\.id.moment.day))
            if !daysAfter.contains(victim.id.moment.day), daysAfter.count < plan.policy.daily {
                return "deletes a daily"
            }
            let weeksAfter = Set(newer.map(\.id.moment.week))
            if !weeksAfter.contains(victim.id.moment.week), weeksAfter.count < plan.policy.weekly {
                return "deletes a weekly"
            }
            let monthsAfter = Set(newer.map(\.id.moment.month))
            if !monthsAfter.contains(victim.id.moment.month), monthsAfter.count < plan.policy.monthly {
                return "deletes a monthly"
            }
        }
        for victim in sets where !victim.isGood && gone.contains(victim.id) {
            if good.count(where: { $0.id > victim.id }) < plan.policy.minGood { return "deletes a weak set too early" }
        }
        var again = plan
        again.occasion = .asked
        let rest = sets.filter { !gone.contains($0.id) }
        if !again.decide(rest).delete.isEmpty { return "is not stable: a second run deletes more" }
        return nil
    }
}
