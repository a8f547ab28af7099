import ClusterModel
import Journal
import RunEngine
import Synchronization

/// One run in one world, session after session, each of which may die.
struct CrashedRun: Sendable {
    private let matrix: CrashMatrix
    let world: any CrashWorld
    private(set) var journal: FoldJournal
    /// Records of the present session that were there before it did anything.
    private(set) var recordsBefore: Int

    private enum Work { case execute, abandon }

    init(_ matrix: CrashMatrix, _ world: any CrashWorld) async throws {
        self.matrix = matrix
        self.world = world
        let fence = matrix.isOwned ? world.trial.fence(matrix.plan, controller: "1") : nil
        let epoch = try await fence?.survey(after: nil)
        journal = try world.trial.foldJournal(for: matrix.plan)
        if let epoch { try journal.append(.lockTaken(LockTaken(epoch: epoch))) }
        recordsBefore = journal.events.count
    }

    /// What a later process makes of what is left.
    mutating func reopen() async throws {
        let trial = world.trial
        trial.hosts.inject { _ in nil }
        world.watchBoundaries {}
        let epoch =
            matrix.isOwned
            ? try await trial.fence(matrix.plan, controller: "1").survey(after: journal.state.epoch) : nil
        journal = try trial.resumed(journal)
        if let epoch { try journal.append(.lockTaken(LockTaken(epoch: epoch))) }
        recordsBefore = journal.events.count
    }

    /// Executes what is left until the end, or until the blow; nil when it died.
    func session(_ blow: CrashMatrix.Blow? = nil) async throws -> Executor.Ending? {
        try await session(blow, .execute)
    }

    /// Gives the run up, until the end or until the blow; nil when it died.
    func abandonment(_ blow: CrashMatrix.Blow? = nil) async throws -> Executor.Ending? {
        try await session(blow, .abandon)
    }

    private func session(_ blow: CrashMatrix.Blow?, _ work: Work) async throws -> Executor.Ending? {
        let hosts = world.trial.hosts
        let isDead = Mutex(false)
        let freeze: @Sendable () -> Void = { [world] in
            guard
                !isDead.withLock({ was in
                    defer { was = true }
                    return was
                })
            else { return }
            hosts.inject { _ in .unreachable }
            world.processDied()
        }
        let records: Int? = if case .record(let count, _) = blow { count } else { nil }
        let dying = CrashingJournal(journal, crashAfter: records) {
            if case .record(_, .nothingArrives) = blow { freeze() }
        }
        let kill: @Sendable () -> Void = {
            dying.die()
            freeze()
        }
        arm(blow, kill)
        var executor = world.trial.executor(for: matrix.plan, on: dying, services: try world.services())
        if matrix.isOwned { executor.fence = world.trial.fence(matrix.plan, controller: "1") }
        do {
            let ending = work == .execute ? try await executor.execute() : try await executor.abandon()
            hosts.inject { _ in nil }
            // The last record was durable, so it died after its work.
            return ending
        } catch is JournalError where blow != nil {
            return nil
        }
    }

    private func arm(_ blow: CrashMatrix.Blow?, _ kill: @escaping @Sendable () -> Void) {
        let hosts = world.trial.hosts
        let count = Mutex(-1)
        let next: @Sendable () -> Int = {
            count.withLock { count in
                count += 1
                return count
            }
        }
        switch blow {
        case .before(let call):
            hosts.inject { _ in
                guard next() == call else { return nil }
                kill()
                return .unreachable
            }
        case .after(let call):
            hosts.inject { _ in
                guard next() == call else { return nil }
                kill()
                return .lostAfter
            }
        case .boundary(let number):
            world.watchBoundaries { if next() == number { kill() } }
        case .record, nil: break
        }
    }
}
