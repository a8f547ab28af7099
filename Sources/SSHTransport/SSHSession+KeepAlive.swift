import NIOCore
import RemoteShell

extension SSHSession {
    /// Runs `action` on this session after `delay`, replacing what was planned before.
    func after(_ delay: Duration, _ action: @escaping @Sendable (SSHSession) -> Void) {
        timer?.cancel()
        guard !hasEnded else { return }
        let bound = NIOLoopBound(self, eventLoop: loop)
        timer = loop.scheduleTask(in: TimeAmount(delay)) {
            // A task that was due in the same tick as the session's end is not held up by cancelling it.
            guard !bound.value.hasEnded else { return }
            action(bound.value)
        }
    }

    /// Looks for a dead link, and shows the server that this end lives.
    ///
    /// After an interval without a byte received, or without one sent, the server is asked for an answer. When one
    /// question less than `keepAliveCount` went unanswered for an interval each, the session ends: 3 × 15 s find a dead
    /// link within 45 s, and waking from a suspended machine costs questions, not connections. Bytes not sent count
    /// because of servers that ask themselves (`ClientAliveInterval`): libssh2 answers only while a channel is open.
    func watchLink() {
        let interval = TimeAmount(settings.options.keepAliveInterval)
        let now = loop.now
        // Bytes that wait here for a slow sink are a sign of life that was not looked at yet.
        if edge.unread > 0 { lastReceived = now }
        if lastReceived > lastQuestion { unanswered = 0 }
        let since = unanswered == 0 ? min(lastReceived, lastSent) : lastQuestion
        guard now - since >= interval else {
            let rest = since + interval - now
            return after(.nanoseconds(rest.nanoseconds)) { $0.watchLink() }
        }
        guard unanswered + 1 < settings.options.keepAliveCount else {
            return end(lossFault("no answer for \(Duration.nanoseconds((now - lastReceived).nanoseconds).roundedText)"))
        }
        do throws(LibraryFailure) { try handle.sendKeepAlive() } catch { return end(fault(for: error)) }
        unanswered += 1
        lastQuestion = now
        pump()
        after(settings.options.keepAliveInterval) { $0.watchLink() }
    }
}
