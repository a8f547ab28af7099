package import ClusterModel
package import RemoteShell
import Synchronization

/// A connection that gives prepared answers in order, and remembers what it was asked.
package final class ScriptedConnection: HostConnection {
    package let host: HostName
    private let state: Mutex<(answers: [Result<CommandResult, TransportError>], asked: [RemoteCommand])>

    package init(host: HostName, _ answers: [Result<CommandResult, TransportError>]) {
        self.host = host
        state = Mutex((answers, []))
    }

    package var asked: [RemoteCommand] { state.withLock { $0.asked } }

    package func run(
        _ command: RemoteCommand,
        input: CommandInput,
        limits: CommandLimits
    ) async throws(TransportError)
        -> CommandResult
    {
        let answer = state.withLock { state in
            state.asked.append(command)
            return state.answers.isEmpty ? nil : state.answers.removeFirst()
        }
        guard let answer else { throw TransportError(.lost, host: host, "nothing was prepared for this command") }
        return try answer.get()
    }

    package func download(
        _ command: RemoteCommand,
        to sink: any ByteSink,
        limits: CommandLimits
    )
        async throws(TransportError) -> CommandResult
    {
        let result = try await run(command, input: .none, limits: limits)
        do { try sink.write(unsafe result.output.bytes.span.bytes) } catch {
            throw TransportError(.localStream, host: host, "\(error)", commandMayHaveStarted: true)
        }
        return CommandResult(exitCode: result.exitCode, output: CapturedBytes(), errorOutput: result.errorOutput)
    }
}
