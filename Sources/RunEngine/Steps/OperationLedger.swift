import RemoteShell
import Synchronization

/// What the operation records of one attempt have said so far; the engine and the attempt's step share it.
final class OperationLedger: Sendable {
    private struct Core {
        var settled: [OperationRecord] = []
        var isGone = false
        var wasRestarted = false
    }

    /// The attempt was sent by an earlier session, or may have been: nothing is begun before one of its records was seen.
    let attaches: Bool
    private let core = Mutex(Core())

    init(attaches: Bool) { self.attaches = attaches }

    /// Operations that ended with an exit code.
    var settled: [OperationRecord] { core.withLock { $0.settled } }

    /// An operation began and left no exit code, and never will: the host was restarted or its process vanished.
    var isGone: Bool { core.withLock { $0.isGone } }

    /// Whether to look for a record instead of beginning the operation when there is none.
    var onlyLooks: Bool { attaches && settled.isEmpty }

    func settle(_ record: OperationRecord) { core.withLock { $0.settled.append(record) } }

    func giveUp() { core.withLock { $0.isGone = true } }

    /// The host was restarted since an operation began.
    var wasRestarted: Bool { core.withLock { $0.wasRestarted } }

    func noteRestart() { core.withLock { $0.wasRestarted = true } }
}

/// The host has no record of an attempt whose outcome is wanted: nothing of it was done.
struct OperationNotBegun: Error {}
