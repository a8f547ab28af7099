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
    /// Runs `command` at most once on the step's host and waits for its end, through lost links.
    ///
    /// - Parameters:
    ///   - part: tells several operations of one step apart.
    ///   - deadline: how long to wait for the end; the command is not killed when it passes.
    /// - Throws: `OperatorMessage` with code `outcomeUnknown` when the host was restarted or the process vanished, and
    ///   `deadline` when time ran out while it still runs.
    package func guarded(_ command: RemoteCommand, part: String = "main", deadline: Duration) async throws
        -> OperationOutcome
    {
        let record = OperationRecord(
            id: operationID(part: part), epoch: epoch, command: command, commandDigest: Self.digest(of: command))
        let end = time.uptime + deadline
        var losses = 0
        while true {
            do {
                let patience = Int(max(1, min(20, (end - time.uptime).components.seconds)))
                let answer = try await connection.run(
                    record.start(patience: patience), limits: CommandLimits(deadline: .seconds(patience + 30)))
                losses = 0
                switch OperationRecord.state(from: answer.output.bytes) {
                case .done(let code, let output, let errorOutput):
                    return OperationOutcome(exitCode: code, output: output, errorOutput: errorOutput)
                case .running where time.uptime < end:
                    continue
                case .running:
                    throw OperatorMessage(
                        .deadline, at: place, "still running after \(deadline.brief); nothing was forced")
                case .rebooted:
                    throw OperatorMessage(.outcomeUnknown, at: place, "the host was restarted while it ran")
                case .vanished:
                    throw OperatorMessage(.outcomeUnknown, at: place, "its process ended without leaving an exit code")
                case .fenced(let other):
                    throw OperatorMessage(
                        .locked, at: place, "the host is owned by a newer run (epoch \(other), this run has \(epoch))")
                case .conflict:
                    throw OperatorMessage(
                        .integrity, at: place, "the host's record of operation \(record.id) is of another command")
                case .absent, nil:
                    let said = answer.errorOutput.text.split(separator: "\n").last.map(String.init) ?? "no answer"
                    throw OperatorMessage(.storage, at: place, "cannot keep an operation record: \(said)")
                }
            } catch let error as TransportError where error.kind == .lost && losses < 5 && time.uptime < end {
                losses += 1
                progress("link lost, attaching again")
                try await time.sleep(for: .seconds(min(8, 1 << (losses - 1))))
            }
        }
    }

    /// Removes the operation's record from the host; failure is harmless, old records are swept after 30 days.
    package func forget(part: String = "main") async {
        let record = OperationRecord(
            id: operationID(part: part), epoch: epoch, command: RemoteCommand("true"), commandDigest: "")
        _ = try? await connection.run(record.removal)
    }

    private var place: String { "\(target.name)/\(step.text)" }

    private func operationID(part: String) -> String { "\(run.short).\(step.text).\(attempt).\(part)" }

    private static func digest(of command: RemoteCommand) -> String {
        var hash = SHA256()
        for text in [command.script] + command.arguments {
            hash.update(data: Array(text.utf8))
            hash.update(data: [0])
        }
        return hash.finalize().map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }
}
