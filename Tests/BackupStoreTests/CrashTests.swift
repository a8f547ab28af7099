@testable import BackupStore
import ClusterModel
import Synchronization
import Testing

/// Stops the work at the n-th time it passes one checkpoint.
private final class StopAt: Sendable {
    let checkpoint: Checkpoint
    private let left: Mutex<Int>

    init(_ checkpoint: Checkpoint, time: Int = 1) {
        self.checkpoint = checkpoint
        left = Mutex(time)
    }

    var hook: CheckpointHook {
        { [self] (passed: Checkpoint) throws(BackupError) in
            guard passed == checkpoint else { return }
            let stop = left.withLock { left in
                left -= 1
                return left == 0
            }
            if stop { throw .stopped(passed) }
        }
    }

    var wasReached: Bool { left.withLock { $0 <= 0 } }
}

@Suite("A stop at every checkpoint")
struct CrashTests {
    let sandbox: Sandbox

    init() throws { sandbox = try Sandbox() }

    static let publishing: [Checkpoint] = [
        .stagingCreated, .fileCreated, .fileWritten, .fileSynced, .fileNamed, .foldersSynced, .manifestWritten,
        .sumsWritten, .stagingSynced, .published, .parentsSynced,
    ]

    @Test("every checkpoint is tested somewhere in this file")
    func complete() {
        let sealing: [Checkpoint] = [.sealStarted, .sealWritten, .sealNamed, .plainRemoved]
        let removal: [Checkpoint] = [.movedToTrash, .trashPartlyRemoved, .trashRemoved, .movedToBad, .badReasonWritten]
        #expect(Set(Self.publishing + sealing + removal) == Set(Checkpoint.allCases))
    }

    @Test(
        "before, at and after publication there is a whole set or none, and recovery finishes it (B09)",
        arguments: publishing
    )
    func publication(_ checkpoint: Checkpoint) async throws {
        let earlier = ClusterSupply.id(1)
        try await ClusterSupply.publish(earlier, in: try sandbox.store())
        let id = ClusterSupply.id(2)
        let stop = StopAt(checkpoint)
        await #expect(throws: BackupError.stopped(checkpoint)) {
            try await ClusterSupply.publish(id, in: try sandbox.store(hook: stop.hook))
        }
        #expect(stop.wasReached)

        let store = try sandbox.store()
        let visible = try store.catalogue()
        #expect(visible.problems.isEmpty)
        for set in visible.sets { #expect(try await store.verify(set.id, level: 2).reached == 2) }
        let isPublished = [.published, .parentsSynced].contains(checkpoint)
        #expect(visible.sets.map(\.id).contains(id) == isPublished)

        let recovery = try store.recover(id)
        switch checkpoint {
        case .published, .parentsSynced:
            guard case .adopted(let found) = recovery else { throw Failure("\(recovery)") }
            #expect(found.id == id)
        case .sumsWritten, .stagingSynced:
            guard case .finished(let found) = recovery else { throw Failure("\(recovery)") }
            #expect(found.manifestSHA256 == (try store.manifest(of: id).sha256))
        default:
            #expect(recovery == .incomplete)
            let tomorrow = UTCMoment(seconds: ClusterSupply.start.seconds + 100_000)
            #expect(try store.cleanStaging(now: tomorrow) == [id])
        }
        let after = try store.catalogue()
        #expect(after.staging.isEmpty && after.problems.isEmpty && after.sets.last?.id == earlier)
        // A second recovery finds the same.
        switch try store.recover(id) {
        case .adopted: #expect(after.sets.count == 2)
        case .absent: #expect(after.sets.count == 1)
        case .finished, .incomplete: Issue.record("recovery was not finished the first time")
        }
    }

    @Test("a stop during recovery is recovered as well", arguments: [Checkpoint.stagingSynced, .published])
    func nested(_ checkpoint: Checkpoint) async throws {
        let id = ClusterSupply.id()
        await #expect(throws: BackupError.self) {
            try await ClusterSupply.publish(id, in: try sandbox.store(hook: StopAt(.sumsWritten).hook))
        }
        #expect(throws: BackupError.stopped(checkpoint)) {
            try sandbox.store(hook: StopAt(checkpoint).hook).recover(id)
        }
        let recovery = try sandbox.store().recover(id)
        #expect(recovery != .incomplete && recovery != .absent)
        #expect(try sandbox.store().catalogue().sets.map(\.id) == [id])
    }

    @Test("a set damaged between crash and recovery is not adopted")
    func damaged() async throws {
        let id = ClusterSupply.id()
        await #expect(throws: BackupError.self) {
            try await ClusterSupply.publish(id, in: try sandbox.store(hook: StopAt(.published).hook))
        }
        var bytes = try sandbox.read("\(id)/etcd/master1.db")
        bytes[100] ^= 1
        try sandbox.overwrite("\(id)/etcd/master1.db", bytes)
        let error = #expect(throws: BackupError.self) { try sandbox.store().recover(id) }
        #expect(error?.code == .integrity)
    }

    @Test(
        "a stop during deletion leaves no half set, and the next run finishes (B10)",
        arguments: [
            (Checkpoint.movedToTrash, 1), (.trashPartlyRemoved, 1), (.trashPartlyRemoved, 3), (.trashRemoved, 1),
        ]
    )
    func deletion(_ checkpoint: Checkpoint, _ time: Int) async throws {
        for number in 1...5 {
            try await ClusterSupply.publish(
                ClusterSupply.id(UInt32(number), hoursLater: Int64(number)),
                in: sandbox.store()
            )
        }
        var policy = RetentionPolicy()
        (policy.last, policy.daily, policy.weekly, policy.monthly) = (3, 0, 0, 0)
        let now = UTCMoment(seconds: ClusterSupply.start.seconds + 6 * 3600)
        func plan(_ store: BackupStore) throws -> RetentionDecision {
            try store.planRetention(policy: policy, interval: .seconds(86400), now: now, occasion: .asked)
        }
        let stop = StopAt(checkpoint, time: time)
        let stopped = try sandbox.store(hook: stop.hook)
        #expect(
            try plan(stopped).delete.map(\.id) == [
                ClusterSupply.id(1, hoursLater: 1), ClusterSupply.id(2, hoursLater: 2),
            ]
        )
        #expect(throws: BackupError.stopped(checkpoint)) { try stopped.apply(plan(stopped)) }
        let store = try sandbox.store()
        let visible = try store.catalogue()
        #expect(visible.problems.isEmpty && visible.sets.count == 4)
        for set in visible.sets { #expect(try await store.verify(set.id, level: 1).reached == 1) }
        _ = try store.emptyTrash()
        #expect(try store.apply(plan(store)).map(\.id) == [ClusterSupply.id(2, hoursLater: 2)])
        let after = try store.catalogue()
        #expect(after.sets.count == 3 && after.trash.isEmpty)
    }

    @Test(
        "a stop while a set is declared bad leaves it out of the catalogue",
        arguments: [Checkpoint.movedToBad, .badReasonWritten]
    )
    func bad(_ checkpoint: Checkpoint) async throws {
        let id = ClusterSupply.id()
        try await ClusterSupply.publish(id, in: try sandbox.store())
        #expect(throws: BackupError.stopped(checkpoint)) {
            try sandbox.store(hook: StopAt(checkpoint).hook).markBad(
                id,
                reason: "test",
                findings: [],
                at: ClusterSupply.start
            )
        }
        let catalogue = try sandbox.store().catalogue()
        #expect(catalogue.sets.isEmpty && catalogue.bad == [id] && catalogue.newestGood == nil)
    }

    @Test(
        "a stop while a file is encrypted publishes nothing and leaves only staging",
        arguments: [Checkpoint.sealStarted, .sealWritten, .sealNamed, .plainRemoved]
    )
    func sealing(_ checkpoint: Checkpoint) async throws {
        let encryption = try await AgeKeys.encryption()
        let id = ClusterSupply.id()
        let staged = try sandbox.store(hook: StopAt(checkpoint).hook).beginStaging(id)
        let name = BackupFileName.snapshot(of: ClusterSupply.master1)
        try ClusterSupply.write(TrailerChecker.snapshot(pages: 2, seed: 3), as: name, to: staged)
        await #expect(throws: BackupError.stopped(checkpoint)) {
            try await staged.seal(name, with: encryption, time: TestTime())
        }
        #expect(throws: BackupError.self) { try staged.publish(ClusterSupply.manifest(id)) }
        #expect(try sandbox.store().catalogue().sets.isEmpty)
        try staged.discard()
        #expect(!sandbox.exists(".staging/\(id)"))
    }
}
