/// How the transport behaves towards all hosts; what differs by host is in `SSHSettings`.
package struct SSHOptions: Sendable {
    /// Silence after which the server is asked for a sign of life, in whole seconds (libssh2 counts them so).
    package var keepAliveInterval: Duration
    /// Unanswered intervals after which the link counts as lost: 3 × 15 s finds a dead one within 45 s.
    package var keepAliveCount: Int
    /// Handshakes and logins under way at once, over all hosts.
    package var maximumHandshakes: Int
    /// The same towards hosts behind one jump host (sshd's `MaxStartups` starts to drop at 10).
    package var perJumpHandshakes: Int
    /// Receive window of a channel in bytes: a round trip of 20 ms needs 8 MiB for 300 MB/s, and above that libssh2's packet list makes transfers slower.
    package var windowSize: Int
    /// The socket of the SSH agent, when there is one.
    package var agentSocketPath: String?

    package init(
        keepAliveInterval: Duration = .seconds(15),
        keepAliveCount: Int = 3,
        maximumHandshakes: Int = 48,
        perJumpHandshakes: Int = 8,
        windowSize: Int = 8 * 1024 * 1024,
        agentSocketPath: String? = nil
    ) {
        self.keepAliveInterval = keepAliveInterval
        self.keepAliveCount = keepAliveCount
        self.maximumHandshakes = maximumHandshakes
        self.perJumpHandshakes = perJumpHandshakes
        self.windowSize = windowSize
        self.agentSocketPath = agentSocketPath
    }
}
