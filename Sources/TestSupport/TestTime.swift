package import ClusterModel
import Synchronization

/// A clock that stands still until somebody sleeps on it: a sleep returns at once and moves the clock on.
package final class TestTime: TimeSource {
    private struct Core {
        var elapsed = Duration.zero
        var appointments: [(at: Duration, action: @Sendable () -> Void)] = []
    }

    private let start: UTCMoment
    private let core = Mutex(Core())

    package init(start: UTCMoment = UTCMoment(seconds: 1_795_212_800)) { self.start = start }

    package var now: UTCMoment { UTCMoment(milliseconds: start.milliseconds + elapsed.milliseconds) }
    package var uptime: Duration { .seconds(1000) + elapsed }
    /// How far the clock was moved since the test began.
    package var elapsed: Duration { core.withLock { $0.elapsed } }

    package func sleep(for duration: Duration) async throws {
        try Task.checkCancellation()
        await Task.yield()
        advance(by: duration)
    }

    /// Moves the clock on, and does what was to be done on the way.
    package func advance(by duration: Duration) {
        let due = core.withLock { core in
            core.elapsed += duration
            let reached = core.elapsed
            let due = core.appointments.filter { $0.at <= reached }
            core.appointments.removeAll { $0.at <= reached }
            return due
        }
        for appointment in due { appointment.action() }
    }

    /// Has `action` done when the clock is moved to `elapsed` or beyond.
    package func at(_ elapsed: Duration, _ action: @escaping @Sendable () -> Void) {
        core.withLock { $0.appointments.append((elapsed, action)) }
    }
}
