package import ClusterModel

/// The raw port to one host: runs a command line and moves bytes.
///
/// `FramedConnection` makes results out of it.
///
/// One value is one logged-in connection. It may run one command after another and several at the same time.
package protocol ExecTransport: Sendable {
    var host: HostName { get }

    /// Runs `request` and returns when the channel is closed and both streams were delivered to their end.
    ///
    /// An exit status of 0 in the result proves nothing (libssh2 reports 0 on a lost link): only the trailer does.
    func exec(_ request: ExecRequest) async throws(TransportError) -> ChannelEnd

    /// Ends the connection; commands still running on the host are not touched.
    func close() async
}

/// One command line with its streams and limits.
package struct ExecRequest: Sendable {
    package var commandLine: String
    /// Bytes for standard input; end of file follows the last one.
    package var input: (any ByteSource)?
    /// Receives standard output in order.
    ///
    /// Not returning is the back-pressure. A sink that does not say `mayBlock` runs on the connection's own executor and
    /// must not wait for anything. None is called after `exec` has returned.
    package var output: any ByteSink
    /// Receives standard error in order, on the same terms.
    package var errorOutput: any ByteSink
    /// Time for the whole command.
    package var deadline: Duration
    /// Longest silence in both directions, or nil for none.
    package var idleLimit: Duration?

    package init(
        commandLine: String,
        input: (any ByteSource)? = nil,
        output: any ByteSink,
        errorOutput: any ByteSink,
        deadline: Duration,
        idleLimit: Duration? = nil
    ) {
        self.commandLine = commandLine
        self.input = input
        self.output = output
        self.errorOutput = errorOutput
        self.deadline = deadline
        self.idleLimit = idleLimit
    }
}

/// Takes bytes in order.
///
/// Calls never overlap.
package protocol ByteSink: Sendable {
    func write(_ bytes: RawSpan) throws

    /// Whether writing may take its time (a file, a hash of much data): then it is not done where it holds others up.
    var mayBlock: Bool { get }
}

extension ByteSink {
    package var mayBlock: Bool { false }
}

/// Gives bytes in order.
///
/// Calls never overlap.
package protocol ByteSource: Sendable {
    /// Returns the next bytes, at most `limit`; empty is the end.
    func read(upTo limit: Int) throws -> [UInt8]
}

/// How a channel ended, as the server told it.
package struct ChannelEnd: Sendable, Hashable {
    package let exitStatus: Int32
    package let signal: String?

    package init(exitStatus: Int32, signal: String? = nil) {
        self.exitStatus = exitStatus
        self.signal = signal
    }
}
