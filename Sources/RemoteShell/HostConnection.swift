package import ClusterModel

/// A logged-in host as steps see it: commands in, proven results out.
package protocol HostConnection: Sendable {
    var host: HostName { get }

    /// Runs `command` to its end and captures what it prints (the ends of it, when it is very much).
    ///
    /// Returns only with the command's own exit code; throws when that is not known.
    func run(
        _ command: RemoteCommand,
        input: CommandInput,
        limits: CommandLimits
    ) async throws(TransportError)
        -> CommandResult

    /// Like `run`, with standard output going to `sink` instead of into memory.
    ///
    /// Guarantee: when this returns, the sink has received every byte the command wrote, and nothing else.
    func download(
        _ command: RemoteCommand,
        to sink: any ByteSink,
        limits: CommandLimits
    ) async throws(TransportError)
        -> CommandResult
}

extension HostConnection {
    package func run(
        _ command: RemoteCommand,
        limits: CommandLimits = .short
    ) async throws(TransportError)
        -> CommandResult
    {
        try await run(command, input: .none, limits: limits)
    }
}

/// What a command reads on standard input.
package enum CommandInput: Sendable {
    case none
    case bytes([UInt8])
    case secret(Secret)
    case stream(any ByteSource)
}

/// How long a command may take, and how long it may be silent.
package struct CommandLimits: Sendable, Hashable {
    package let deadline: Duration
    package let idle: Duration?

    package init(deadline: Duration, idle: Duration? = nil) {
        self.deadline = deadline
        self.idle = idle
    }

    /// For questions that answer at once.
    package static let short = CommandLimits(deadline: .seconds(60))
    /// For transfers: no limit on the whole but an hour, a minute without a byte is too long.
    package static let transfer = CommandLimits(deadline: .seconds(3600), idle: .seconds(60))
}
