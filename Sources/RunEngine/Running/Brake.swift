import Synchronization

/// Stops the lanes of a batch between their steps, once one of them failed in a way that holds the run.
final class Brake: Sendable {
    private let state = Mutex(false)

    func pull() { state.withLock { $0 = true } }

    var isPulled: Bool { state.withLock { $0 } }
}
