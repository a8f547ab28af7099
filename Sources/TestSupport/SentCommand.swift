import ClusterModel
import RemoteShell

/// What a text that was sent to a host asks for, read from the text itself.
enum SentCommand {
    case batch(nonce: String, [RemoteCommandText])
    case begin(id: String, patience: Int, digest: String, epoch: Int?, RemoteCommandText)
    case look(id: String, patience: Int)
    case remove(id: String)
    case survey
    case claim(epoch: Int, owner: String, controller: String, takesOver: Bool, ownOperations: String)
    case release(run: String)
    case other(RemoteCommand)

    /// The script and the arguments of a command within another one.
    struct RemoteCommandText {
        let script: String
        let arguments: [String]
    }

    init(_ command: RemoteCommand) {
        let arguments = command.arguments
        if command.script.hasPrefix("q() {") {
            self = Self.batch(in: command.script)
        } else if command.script.hasPrefix("base=/var/lib/rollbook-host; op=$1") {
            if command.script.contains("rollbook-operation") {
                let inner = RemoteCommandText(script: arguments[4], arguments: Array(arguments.dropFirst(5)))
                self = .begin(
                    id: arguments[0],
                    patience: Int(arguments[1]) ?? 0,
                    digest: arguments[2],
                    epoch: Int(arguments[3]),
                    inner
                )
            } else {
                self = .look(id: arguments[0], patience: Int(arguments[1]) ?? 0)
            }
        } else if command.script == OperationRecord.removal(ofAll: "").script {
            self = .remove(id: arguments[0])
        } else if command == HostFence.survey {
            self = .survey
        } else if command.script.contains("mv \"$base/owner.tmp\"") {
            self = .claim(
                epoch: Int(arguments[0]) ?? 0,
                owner: arguments[0..<4].joined(separator: " "),
                controller: arguments[2],
                takesOver: arguments[4] == "yes",
                ownOperations: arguments[5]
            )
        } else if command.script.contains("rm -f \"$base/owner\"") {
            self = .release(run: arguments[1])
        } else {
            self = .other(command)
        }
    }

    var kind: SimulatedCluster.Call.Kind {
        switch self {
        case .batch(_, let probes): .facts(probes.count)
        case .begin(let id, _, _, _, _): .begin(id)
        case .look(let id, _): .look(id)
        case .remove(let id): .remove(id)
        case .survey: .survey
        case .claim(let epoch, _, _, _, _): .claim(epoch)
        case .release: .release
        case .other(let command): command.script.hasPrefix("cat /etc/machine-id") ? .identity : .command(command.script)
        }
    }

    /// Takes a probe batch apart: its nonce, and each probe's script with its arguments unquoted.
    private static func batch(in script: String) -> SentCommand {
        let nonce = script.firstRange(of: "RBP1 ").map { String(script[$0.upperBound...].prefix { $0 != " " }) } ?? ""
        var probes: [RemoteCommandText] = []
        var rest = script[...]
        while let open = rest.firstRange(of: "(set --"),
            let close = rest.firstRange(of: "\n) </dev/null; q \"\(probes.count) rc=$? END\"")
        {
            let (arguments, body) = words(rest[open.upperBound..<close.lowerBound])
            probes.append(RemoteCommandText(script: body, arguments: arguments))
            rest = rest[close.upperBound...]
        }
        return .batch(nonce: nonce, probes)
    }

    /// Reads ` 'one' 'it'\''s'` up to the newline behind it, as a shell would.
    private static func words(_ text: Substring) -> (words: [String], rest: String) {
        var words: [String] = []
        var rest = text
        while rest.hasPrefix(" '") {
            rest = rest.dropFirst(2)
            var word = ""
            while let quote = rest.firstIndex(of: "'") {
                word += rest[..<quote]
                rest = rest[rest.index(after: quote)...]
                guard rest.hasPrefix("\\''") else { break }
                word += "'"
                rest = rest.dropFirst(3)
            }
            words.append(word)
        }
        return (words, String(rest.dropFirst()))
    }
}

extension SimulatedHost {
    /// Answers what was sent, and says how long that took.
    mutating func execute(
        _ sent: SentCommand,
        at uptime: Duration,
        operationTime: Duration
    ) -> (CommandResult, Duration) {
        switch sent {
        case .other(let command): return (execute(command), .zero)
        case .remove(let id):
            operations = operations.filter { known, operation in
                if case .running(let until, _, _) = operation.state, until > uptime { return true }
                return !known.hasPrefix(id + ".")
            }
            return (CommandResult(text: ""), .zero)
        case .look(let id, let patience): return waited(for: id, patience, at: uptime)
        case .begin(let id, let patience, let digest, let epoch, let command):
            if let epoch, self.epoch > epoch { return (CommandResult(text: "fenced \(self.epoch)\n"), .zero) }
            if let known = operations[id] {
                guard known.digest == digest else { return (CommandResult(text: "conflict\n"), .zero) }
            } else {
                begun.append((epoch ?? self.epoch, String(id.prefix(8))))
                begin(id, digest, command, ending: uptime + operationTime)
            }
            return waited(for: id, patience, at: uptime)
        case .survey: return (CommandResult(text: "epoch \(epoch)\nowner \(owner)\n"), .zero)
        case .claim(let epoch, let owner, let controller, let takesOver, let own):
            return (CommandResult(text: claim(epoch, owner, controller, takesOver, own, at: uptime)), .zero)
        case .release(let run):
            if owner.split(separator: " ").dropFirst().first.map(String.init) == run { owner = "" }
            operations = operations.filter { !$0.key.hasPrefix(run.suffix(8) + ".") }
            return (CommandResult(text: ""), .zero)
        case .batch(let nonce, let probes):
            var output = ""
            var errors = ""
            for (index, probe) in probes.enumerated() {
                let result = execute(answering: probe)
                output +=
                    "\nRBP1 \(nonce) \(index) BEGIN\n\(result.output.text)\nRBP1 \(nonce) \(index) rc=\(result.exitCode) END\n"
                errors +=
                    "\nRBP1 \(nonce) \(index) BEGIN\n\(result.errorOutput.text)\nRBP1 \(nonce) \(index) rc=\(result.exitCode) END\n"
            }
            return (CommandResult(text: output, errorText: errors), .zero)
        }
    }

    private mutating func claim(
        _ epoch: Int,
        _ owner: String,
        _ controller: String,
        _ takesOver: Bool,
        _ own: String,
        at uptime: Duration
    ) -> String {
        if self.owner == owner { return "owns\n" }
        if self.epoch >= epoch { return "fenced \(self.epoch)\n" }
        if !self.owner.isEmpty, !takesOver, !self.owner.contains(" \(controller) ") { return "owned \(self.owner)\n" }
        for (id, operation) in operations where !id.hasPrefix(own + ".") {
            if case .running(let until, _, _) = operation.state, until > uptime { return "busy \(id)\n" }
        }
        (self.epoch, self.owner) = (epoch, owner)
        return "owns\n"
    }

    /// Has an operation end without an exit code.
    mutating func interrupt(_ sent: SentCommand, _ fault: SimulatedCluster.Fault?) {
        if case .begin(let id, _, let digest, _, let command) = sent, operations[id] == nil {
            if fault != .rebootBefore { _ = execute(answering: command) }
            operations[id] = Operation(digest: digest, state: fault == .vanish ? .vanished : .rebooted)
        } else if case .other(let command) = sent, fault != .rebootBefore {
            _ = execute(command)
        }
        if fault != .vanish { reboot() }
    }

    private mutating func begin(
        _ id: String,
        _ digest: String,
        _ command: SentCommand.RemoteCommandText,
        ending: Duration
    ) {
        let result = execute(answering: command)
        operations[id] = Operation(
            digest: digest,
            state: .running(until: ending, exitCode: result.exitCode, output: result.output.bytes)
        )
    }

    private mutating func waited(for id: String, _ patience: Int, at uptime: Duration) -> (CommandResult, Duration) {
        switch operations[id]?.state {
        case nil: return (CommandResult(text: "absent\n"), .zero)
        case .rebooted: return (CommandResult(text: "rebooted\n"), .zero)
        case .vanished: return (CommandResult(text: "vanished\n"), .zero)
        case .ended(let code, let output): return (done(code, output), .zero)
        case .running(let until, let code, let output):
            let left = until - uptime
            guard left <= .seconds(patience) else {
                let said = values["said"].map { "\($0) \(left.components.seconds / 60)\n" } ?? ""
                return (CommandResult(text: "running\n" + said), .seconds(patience))
            }
            operations[id]?.state = .ended(exitCode: code, output: output)
            return (done(code, output), max(.zero, left))
        }
    }

    private func done(_ code: Int, _ output: [UInt8]) -> CommandResult {
        CommandResult(exitCode: 0, output: CapturedBytes(Array("done \(code) \(output.count) 0\n".utf8) + output))
    }
}
