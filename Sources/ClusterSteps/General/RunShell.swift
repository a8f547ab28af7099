package import ClusterModel
package import Journal
package import RemoteShell
package import RunEngine

/// `shell.run`: a person's own script, for what has no kind yet.
///
/// Nothing is ever pasted into a script: values reach it as `$1`, `$2`, …, and its braces are the shell's own. One that
/// changes something says with `probe` how to find out whether it was done; it runs under an operation record, and the
/// probe has the last word on whether it worked.
package struct RunShell: Step {
    package static let signature = KindSignature(
        kind: "shell.run",
        summary: "A script of your own",
        parameters: [
            Parameter("script", .script, required: true, "what /bin/sh runs on the host"),
            Parameter("arguments", .strings, "its $1, $2, …"),
            Parameter("changes", .boolean, "false when it only reads; else a probe is needed"),
            Parameter("probe", .script, "read-only script: 0 there is nothing to do (any more), 1 there is"),
            Parameter("undo", .script, "takes it back, and may be run twice"),
            Parameter("as", .choice(["root", "login"]), "whose rights it has (default root)"),
            Parameter("timeout", .duration, "how long to wait for its end (default 5m)"),
            Parameter("takesHostAway", .boolean, "true when the host serves less meanwhile"),
        ]
    )
    package static let stepClass = StepClass.guarded

    package let script: String
    package let arguments: [String]?
    package let changes: Bool?
    package let probe: String?
    package let undo: String?
    package let `as`: RemoteCommand.Privilege?
    package let timeout: String?
    package let takesHostAway: Bool?

    package struct Output: Codable, Sendable {
        package let output: String
        package let errorOutput: String
    }

    package var traits: StepTraits {
        let reversal: Reversal =
            isReading ? .nothingToUndo : undo == nil ? .irreversible(reason: "its script names no undo") : .undoable
        return StepTraits(
            isReading ? .read : Self.stepClass,
            reversal,
            takesHostAway: takesHostAway ?? false
        )
    }

    /// Its probe may ask for anything, so an earlier step can make it have something to do.
    package var subjects: [StepSubject] { isReading ? [] : [.anything] }

    private var isReading: Bool { changes == false }
    private var deadline: Duration { timeout.flatMap(parseDuration) ?? .seconds(300) }

    package func facts(on target: StepTarget) -> [FactRequest] {
        question.map { [FactRequest($0, on: target.name)] } ?? []
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        guard target.host != nil else {
            return .blocked(OperatorMessage(.invalidInput, "it runs on hosts, not on the controller"))
        }
        let lines = script.split(separator: "\n").map(String.init)
        let plan = PlannedChange(
            isReading ? "run a script that only reads" : "run a script",
            commands: lines + ((arguments ?? []).isEmpty ? [] : ["with \((arguments ?? []).joined(separator: " "))"])
        )
        guard let question else {
            return isReading
                ? .change([plan])
                : .blocked(OperatorMessage(.invalidInput, "it needs a probe, or 'changes: false'"))
        }
        switch try await facts.read(question, on: target.name) {
        case .done: return .noop("its probe says there is nothing to do")
        case .notDone: return .change([plan])
        case .cannotTell(let why): return .blocked(OperatorMessage(.refused, "its probe cannot tell: \(why)"))
        }
    }

    package func perform(_ context: StepContext) async throws -> Output {
        if isReading { return try await read(context) }
        let outcome = try await context.guarded(operation(script, context), deadline: deadline)
        guard outcome.exitCode == 0 else {
            throw OperatorMessage(.stepFailed, "the script ended with \(outcome.exitCode): \(lastLine(of: outcome))")
        }
        let finding = try await ask(context)
        guard finding == .done else {
            throw OperatorMessage(.stepFailed, "the script ended with 0, but its probe says \(finding.spoken)")
        }
        return Output(output: outcome.text, errorOutput: outcome.errorText)
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        switch try await ask(context) {
        case .done:
            .done(
                output: try JSONValue(encoding: Output(output: "", errorOutput: "")),
                detail: "its probe says it is done"
            )
        case .notDone: .notDone(detail: "its probe says it is not done")
        case .cannotTell(let why): .cannotTell(detail: "its probe cannot tell: \(why)")
        }
    }

    package func undo(_ output: Output, _ context: StepContext) async throws {
        guard let undo else { throw StepFault("a script without undo is never undone") }
        let outcome = try await context.guarded(operation(undo, context), deadline: deadline)
        guard outcome.exitCode == 0 else {
            throw OperatorMessage(.stepFailed, "the undo ended with \(outcome.exitCode): \(lastLine(of: outcome))")
        }
    }

    private func read(_ context: StepContext) async throws -> Output {
        let result = try await context.connection.run(command(script), limits: CommandLimits(deadline: deadline))
        guard result.succeeded else {
            throw OperatorMessage(
                .stepFailed,
                "the script ended with \(result.exitCode): \(result.errorOutput.lastLine)"
            )
        }
        return Output(output: result.output.text, errorOutput: result.errorOutput.text)
    }

    private var question: ShellProbe? {
        probe.map { ShellProbe(script: $0, arguments: arguments ?? [], privilege: self.as ?? .root) }
    }

    private func ask(_ context: StepContext) async throws -> ShellProbe.Value {
        guard let question else { return .cannotTell("there is no probe") }
        return try await context.facts.read(question, on: context.target.name)
    }

    private func command(_ text: String) -> RemoteCommand {
        RemoteCommand(ShellProbe.runner, [text, "rollbook"] + (arguments ?? []), as: self.as ?? .root)
    }

    /// An operation record begins as root; the script then gets the rights that it shall have.
    private func operation(_ text: String, _ context: StepContext) -> RemoteCommand {
        guard self.as == .login, let user = context.target.host?.ssh.user else { return command(text) }
        return RemoteCommand(Self.loginRunner, [user, text, "rollbook"] + (arguments ?? []))
    }

    /// `$1` the login name, then what `ShellProbe.runner` gets.
    private static let loginRunner: StaticString = """
        user=$1; shift
        [ "$(id -u)" = 0 ] && [ "$user" != root ] || exec /bin/sh -c "$@"
        home=$(getent passwd "$user" | cut -d: -f6)
        exec env HOME="${home:-/}" USER="$user" LOGNAME="$user" runuser -u "$user" -- /bin/sh -c "$@"
        """

    private func lastLine(of outcome: OperationOutcome) -> String {
        (outcome.errorText.isEmpty ? outcome.text : outcome.errorText).split(separator: "\n").last.map(String.init)
            ?? "it printed nothing"
    }
}

/// What a script's own probe says: 0 is done, 1 is not done, all else is no answer.
package struct ShellProbe: Fact {
    package enum Value: Codable, Sendable, Hashable {
        case done, notDone
        case cannotTell(String)

        var spoken: String {
            switch self {
            case .done: "it is done"
            case .notDone: "it is not done"
            case .cannotTell(let why): "nothing clear (\(why))"
            }
        }
    }

    package static let name = "shell.probe"
    /// Runs a person's script with its arguments; the script is a value, never a part of another.
    static let runner: StaticString = "exec /bin/sh -c \"$@\""

    let script: String
    let arguments: [String]
    let privilege: RemoteCommand.Privilege

    package var command: RemoteCommand {
        RemoteCommand(Self.runner, [script, "rollbook"] + arguments, as: privilege)
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        switch answer.exitCode {
        case 0: .done
        case 1: .notDone
        default: .cannotTell("it ended with \(answer.exitCode)")
        }
    }

    /// Earlier steps of the same run may be what changes the answer, so it makes no plan stale; it is asked again after.
    package func bound(_ value: Value) throws -> JSONValue? { nil }
}
