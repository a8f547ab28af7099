/// The sources of time, injected everywhere below the command line so that tests never sleep.
package protocol TimeSource: Sendable {
    /// Wall clock, for names and for people.
    var now: UTCMoment { get }
    /// Time since boot including suspension; only differences mean anything.
    var uptime: Duration { get }
    /// Waits, or throws `CancellationError` when the task is cancelled first.
    func sleep(for duration: Duration) async throws
}

extension Duration {
    /// Whole milliseconds, rounded towards zero.
    package var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }

    /// `850ms`, `12.3s`, `4m10s` or `1h02m`: three significant figures at most, for tables and messages.
    package var brief: String {
        let all = milliseconds
        if all < 1000 { return "\(all)ms" }
        if all < 60_000 { return "\(all / 1000).\(all % 1000 / 100)s" }
        let seconds = all / 1000
        if seconds < 3600 { return "\(seconds / 60)m\(seconds % 60 < 10 ? "0" : "")\(seconds % 60)s" }
        return "\(seconds / 3600)h\(seconds % 3600 / 60 < 10 ? "0" : "")\(seconds % 3600 / 60)m"
    }
}
