package import ClusterModel

/// A set that was removed, for the journal.
package struct DeletedBackup: Sendable, Hashable {
    package let id: BackupID
    package let manifestSHA256: String
    package let why: String
}

extension BackupStore {
    /// Gathers what the folder knows, and decides; nothing is deleted.
    package func planRetention(
        policy: RetentionPolicy,
        interval: Duration,
        now: UTCMoment,
        occasion: RetentionPlan.Occasion,
        inUse: Set<BackupID> = [],
        confirmedCount: Int? = nil
    ) throws(BackupError) -> RetentionDecision {
        let catalogue = try catalogue()
        var plan = RetentionPlan(policy: policy, interval: interval, now: now, occasion: occasion)
        plan.unreadable = catalogue.problems.filter(\.isSet).map(\.name)
        plan.inUse = inUse
        plan.confirmedCount = confirmedCount
        return plan.decide(catalogue.sets)
    }

    /// Carries out a decision, oldest set first; `record` runs after each set left the catalogue, before its files go.
    ///
    /// Throws the decision's refusal. An interruption leaves some sets whole and some in `.trash`, none half listed.
    package func apply(
        _ decision: RetentionDecision,
        record: (DeletedBackup) throws(BackupError) -> Void = { _ in }
    ) throws(BackupError) -> [DeletedBackup] {
        if let refusal = decision.refusal { throw refusal }
        var deleted: [DeletedBackup] = []
        for victim in decision.delete {
            let (_, sha256) = try manifest(of: victim.id)
            let trash = try side(.trash)
            try folder.moveDirectory(victim.id.text, to: trash)
            try hook(.movedToTrash)
            try trash.sync()
            try folder.sync()
            let gone = DeletedBackup(id: victim.id, manifestSHA256: sha256, why: victim.why)
            try record(gone)
            deleted.append(gone)
            try remove(victim.id, from: trash)
        }
        return deleted
    }

    /// Removes what an interrupted deletion left; every run begins with it (fault B10).
    package func emptyTrash() throws(BackupError) -> [BackupID] {
        let trash = try side(.trash)
        let ids = try ids(in: .trash)
        for id in ids { try remove(id, from: trash) }
        return ids
    }

    /// Removes sets under `bad` and `quarantine` 30 days after their time, once a newer good one exists.
    package func cleanSetAside(now: UTCMoment) throws(BackupError) -> [BackupID] {
        guard let newest = try catalogue().newestGood else { return [] }
        var removed: [BackupID] = []
        for side in [Side.bad, .quarantine] {
            let directory = try self.side(side)
            for id in try ids(in: side) where now.seconds - id.moment.seconds > 30 * 86400 && newest.id > id {
                try directory.moveDirectory(id.text, to: try self.side(.trash))
                try remove(id, from: try self.side(.trash))
                removed.append(id)
            }
        }
        return removed
    }

    private func remove(_ id: BackupID, from trash: Directory) throws(BackupError) {
        try trash.removeTree(id.text) { () throws(BackupError) in try hook(.trashPartlyRemoved) }
        try trash.sync()
        try hook(.trashRemoved)
    }
}
