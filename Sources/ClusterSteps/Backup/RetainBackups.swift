import BackupStore
import ClusterModel
package import Journal
package import RunEngine

/// `backup.retain`: removes the sets that the policy no longer keeps, after a new one is published.
///
/// Refuses rather than guesses: in doubt about the clock, with an unreadable manifest about, or when too much would go.
package struct RetainBackups: Step {
    package static let signature = KindSignature(
        kind: "backup.retain",
        summary: "Remove sets that the retention policy no longer keeps",
        parameters: []
    )
    package static let stepClass = StepClass.idempotent
    package static let reversal = Reversal.irreversible(reason: "a removed set is gone")

    package init() {}

    package struct Output: Codable, Sendable {
        package let removed: [String]
        package let kept: Int
        /// Why nothing was even to be removed; a run without a new good backup does not make room.
        package let withheld: String?
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let decision = try facts.view((any BackupOutlook).self).retention()
        if let refusal = decision.refusal { return .change([PlannedChange("retention: \(refusal.message.event)")]) }
        let victims = decision.delete.map { "- \($0.id)  \($0.why)" }
        let summary =
            victims.isEmpty
            ? "nothing to remove as it stands; \(decision.keep.count == 1 ? "1 set stays" : "\(decision.keep.count) sets stay")"
            : "remove \(victims.count) sets, keep \(decision.keep.count)"
        return .change([PlannedChange(summary, diff: victims)])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let workspace = try context.service(BackupWorkspace.self)
        let policy = context.target.cluster.backup
        let published = try context.outputs(of: PublishBackup.self).first?.output
        _ = try workspace.store.emptyTrash()
        _ = try workspace.store.cleanSetAside(now: context.time.now)
        let decision = try workspace.store.planRetention(
            policy: policy.retention,
            interval: policy.interval,
            now: context.time.now,
            occasion: .afterBackup(published?.id)
        )
        if published?.result.kind != .complete {
            try tell(published?.result, context)
            return Output(removed: [], kept: decision.keep.count, withheld: "this run made no new good backup")
        }
        let removed = try workspace.store.apply(decision)
        return Output(removed: removed.map(\.id.text), kept: decision.keep.count, withheld: nil)
    }

    /// A step that failed has its own message, and one is enough; a backup that is less than good although every step did its
    /// work would otherwise end as if nothing were the matter.
    private func tell(_ result: BackupResult?, _ context: StepContext) throws {
        let work = try context.results(
            of: SaveEtcdSnapshot.signature.kind,
            CollectFiles.signature.kind,
            CompareKeyspace.signature.kind
        )
        guard let result, work.allSatisfy(\.succeeded) else { return }
        throw OperatorMessage(
            .partial,
            "the new backup is \(result.kind.rawValue): \(result.reasons.joined(separator: "; "))",
            state: "It is published; nothing older was removed"
        )
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        .notDone(detail: "retention decides anew from what is there")
    }
}
