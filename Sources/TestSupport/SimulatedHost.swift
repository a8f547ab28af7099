import ClusterModel
package import RemoteShell
import RunEngine

/// A host as a value: texts by key, a log of every change, and the records of operations.
package struct SimulatedHost: Sendable {
    package var machineID: String
    package var bootNumber = 1
    /// What the toy steps read and write.
    package var values: [String: String] = [:]
    /// Every change in the order it was made: one entry each time, so that doing something twice shows.
    package var effects: [String] = []
    package var operations: [String: Operation] = [:]
    /// Answers to commands that are not the toy ones.
    package var answers: [RemoteCommand: CommandResult] = [:]
    /// Does what a script asks that no answer is kept for; nil for a script it does not know.
    package var responder: Responder?
    /// What a responder keeps of the host's disk, by path.
    package var files: [String: [UInt8]] = [:]
    package var isUp = true
    /// The fence, as RemoteShell's Format.md describes it.
    package var epoch = 0
    package var owner = ""
    /// Epoch and run of every operation in the order they were begun.
    package var begun: [(epoch: Int, run: String)] = []

    package typealias Responder =
        @Sendable (_ host: inout SimulatedHost, _ script: String, _ arguments: [String]) -> CommandResult?

    package struct Operation: Sendable, Hashable {
        package enum State: Sendable, Hashable {
            case ended(exitCode: Int, output: [UInt8])
            case running(until: Duration, exitCode: Int, output: [UInt8])
            case rebooted
            case vanished
        }
        package let digest: String
        package var state: State

        package init(digest: String, state: State) {
            self.digest = digest
            self.state = state
        }
    }

    package init(machineID: String) { self.machineID = machineID }

    /// Runs one command to its end.
    mutating func execute(_ command: RemoteCommand) -> CommandResult {
        if let known = answers[command] { return known }
        return perform(command.script, command.arguments)
    }

    /// Runs a command whose text was read out of another one.
    mutating func execute(answering text: SentCommand.RemoteCommandText) -> CommandResult {
        if let known = answers.first(where: { $0.key.script == text.script && $0.key.arguments == text.arguments }) {
            return known.value
        }
        return perform(text.script, text.arguments)
    }

    private mutating func perform(_ script: String, _ arguments: [String]) -> CommandResult {
        switch script {
        case HostIdentityText.script:
            return CommandResult(text: "\(machineID)\nboot-\(bootNumber)\nhost\n")
        case ToyCommand.get.description:
            guard let value = values[arguments[0]] else { return CommandResult(exitCode: 3, text: "") }
            return CommandResult(text: value)
        case ToyCommand.set.description:
            values[arguments[0]] = arguments[1]
            effects.append("set \(arguments[0])=\(arguments[1])")
            return CommandResult(text: "")
        case ToyCommand.add.description:
            values[arguments[0], default: ""] += arguments[1] + ";"
            effects.append("add \(arguments[0])+\(arguments[1])")
            return CommandResult(text: "added \(arguments[1])")
        case ToyCommand.fail.description:
            return CommandResult(exitCode: 7, text: "")
        default:
            let responder = responder
            return responder?(&self, script, arguments)
                ?? CommandResult(exitCode: 127, text: "", errorText: "not understood")
        }
    }

    /// Ends what is running without an exit code, and everything that was in memory.
    package mutating func reboot() {
        bootNumber += 1
        for (id, operation) in operations {
            if case .running = operation.state { operations[id]?.state = .rebooted }
        }
    }
}

/// The few commands a simulated host understands.
package enum ToyCommand {
    package static let get: StaticString = "toy get"
    package static let set: StaticString = "toy set"
    package static let add: StaticString = "toy add"
    package static let fail: StaticString = "toy fail"
}

extension CommandResult {
    package init(exitCode: Int = 0, text: String, errorText: String = "") {
        self.init(
            exitCode: exitCode,
            output: CapturedBytes(Array(text.utf8)),
            errorOutput: CapturedBytes(Array(errorText.utf8))
        )
    }
}

/// The identity fact's command, taken from the fact itself.
enum HostIdentityText {
    static let script = HostIdentity().command.script
}
