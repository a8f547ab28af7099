import Synchronization

/// Stops the lanes of a stage between their steps, once more hosts failed than may.
final class Brake: Sendable {
    private struct Core {
        var left: Int
        var isPulled = false
    }

    private let state: Mutex<Core>

    /// `budget` is how many hosts may fail while the others go on.
    init(budget: Int?) { state = Mutex(Core(left: budget ?? 0)) }

    /// Counts a host that failed; a final failure stops the others whatever the budget is.
    func countFailure(isFinal: Bool) {
        state.withLock { core in
            core.left -= 1
            if core.left < 0 || isFinal { core.isPulled = true }
        }
    }

    var isPulled: Bool { state.withLock { $0.isPulled } }
}
