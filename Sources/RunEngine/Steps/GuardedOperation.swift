import ClusterModel
import Crypto
import FoundationEssentials
import Journal
package import RemoteShell

/// How a command under an operation record ended.
package struct OperationOutcome: Sendable, Hashable {
    package let exitCode: Int
    package let output: [UInt8]
    package let errorOutput: [UInt8]

    package var text: String { String(decoding: output, as: UTF8.self) }
    package var errorText: String { String(decoding: errorOutput, as: UTF8.self) }
}

extension StepContext {
    /// Seconds between two answers of a host about what it runs.
    private static var look: Int64 { 10 }

    /// Runs `command` at most once on the step's host and waits for its end, through lost links.
    ///
    /// The record stays on the host until the step's outcome is durable; then the engine removes it.
    ///
    /// - Parameters:
    ///   - command: what runs on the host, detached from the link.
    ///   - part: tells several operations of one step apart.
    ///   - deadline: how long to wait for the end; the command is not killed when it passes.
    ///   - telling: what a person is told while it runs, made of the last line that it wrote; nil for nothing.
    /// - Returns: its exit code and what it printed.
    /// - Throws: `OperatorMessage` with code `outcomeUnknown` when the host was restarted, the process vanished, or it
    ///   still runs at the deadline. `TransportError` with `commandMayHaveStarted` when the link stays lost.
    package func guarded(
        _ command: RemoteCommand,
        part: String = "main",
        deadline: Duration,
        telling: (String) -> String? = { _ in nil }
    ) async throws
        -> OperationOutcome
    {
        let record = OperationRecord(
            id: "\(run.short).\(step.text).\(attempt).\(part)",
            epoch: epoch,
            command: command,
            commandDigest: Self.digest(of: command)
        )
        let end = time.uptime + deadline
        var link = LostLink(wasSent: operations.attaches)
        var told: String?
        while true {
            let patience = Int(max(1, min(Self.look, (end - time.uptime).components.seconds)))
            let answer: CommandResult
            do {
                let sent = operations.onlyLooks ? record.look(patience: patience) : record.start(patience: patience)
                answer = try await connection.run(sent, limits: CommandLimits(deadline: .seconds(patience + 30)))
                link.isBack()
            } catch let error as TransportError {
                let pause = try link.pause(after: error, isLate: time.uptime >= end)
                progress("link lost, attaching again")
                await connections.drop(target.name)
                try await time.sleep(for: pause)
                continue
            }
            let state = OperationRecord.state(from: answer.output.bytes)
            if case .running(let said) = state, let text = telling(said), text != told {
                progress(text)
                told = text
            }
            if let outcome = try outcome(of: record, state, answer, isLate: time.uptime >= end, deadline) {
                return outcome
            }
        }
    }

    /// What the host said of the operation; nil when it is still running and there is time to wait.
    private func outcome(
        of record: OperationRecord,
        _ state: OperationRecord.State?,
        _ answer: CommandResult,
        isLate: Bool,
        _ deadline: Duration
    ) throws -> OperationOutcome? {
        switch state {
        case .done(let code, let output, let errorOutput):
            operations.settle(record)
            return OperationOutcome(exitCode: code, output: output, errorOutput: errorOutput)
        case .running where !isLate:
            return nil
        case .running:
            throw OperatorMessage(
                .outcomeUnknown,
                at: place,
                "still running after \(deadline.brief); nothing was forced",
                next: "rollbook resume \(run) attaches to it"
            )
        case .rebooted:
            operations.noteRestart()
            operations.giveUp()
            throw OperatorMessage(.outcomeUnknown, at: place, "the host was restarted while it ran")
        case .vanished:
            operations.giveUp()
            throw OperatorMessage(.outcomeUnknown, at: place, "its process ended without leaving an exit code")
        case .absent where operations.onlyLooks:
            throw OperationNotBegun()
        case .fenced(let other):
            throw OperatorMessage(
                .locked,
                at: place,
                "the host is owned by a newer run (epoch \(other), this run has \(epoch ?? 0))",
                state: "Nothing was sent",
                next: "find out who: rollbook runs, here and on the other controller"
            )
        case .conflict:
            throw OperatorMessage(
                .integrity,
                at: place,
                "the host's record of operation \(record.id) is of another command"
            )
        case .absent, nil:
            let said = answer.errorOutput.text.split(separator: "\n").last.map(String.init) ?? "no answer"
            throw OperatorMessage(.storage, at: place, "cannot keep an operation record: \(said)")
        }
    }

    private var place: String { "\(target.name)/\(step.text)" }

    private static func digest(of command: RemoteCommand) -> String {
        var hash = SHA256()
        for text in [command.script] + command.arguments {
            hash.update(data: Array(text.utf8))
            hash.update(data: [0])
        }
        return hash.finalize().map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }
}

/// How often a lost link is taken up again, and what is known when it is not.
private struct LostLink {
    private static let tolerated = 5
    /// The operation may have reached the host.
    private var wasSent: Bool
    private var losses = 0

    init(wasSent: Bool) { self.wasSent = wasSent }

    mutating func isBack() {
        wasSent = true
        losses = 0
    }

    /// The pause before the next try: 1, 2, 4, 8, 8 s.
    ///
    /// - Throws: the error when there is to be no next try; it then says whether anything may have been sent.
    mutating func pause(after error: TransportError, isLate: Bool) throws(TransportError) -> Duration {
        wasSent = wasSent || error.commandMayHaveStarted
        let final = TransportError(
            error.kind,
            host: error.host,
            error.event,
            next: error.next,
            commandMayHaveStarted: wasSent
        )
        guard wasSent || error.kind == .lost, error.kind != .cancelled, error.exitCode != .security else { throw final }
        guard losses < Self.tolerated, !isLate else { throw final }
        losses += 1
        return .seconds(min(8, 1 << (losses - 1)))
    }
}
