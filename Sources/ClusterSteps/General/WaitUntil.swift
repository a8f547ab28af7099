import ClusterModel
package import Journal
package import RemoteShell
package import RunEngine

/// `wait.until`: asks a host again and again until the answer is the right one.
///
/// The script only reads. A host that does not answer meanwhile is asked on, until the time is up.
package struct WaitUntil: Step {
    package static let signature = KindSignature(
        kind: "wait.until",
        summary: "Wait for an answer of a host",
        parameters: [
            Parameter("run", .script, required: true, "a script that only reads; asked until it ends with 0"),
            Parameter("arguments", .strings, "its $1, $2, …"),
            Parameter("equals", .string, "what it must print, too, without blanks around it"),
            Parameter("for", .string, "what is waited for, in words for people"),
            Parameter("every", .duration, "the time between two questions (default 5s)"),
            Parameter("timeout", .duration, "how long in all (default 5m)"),
            Parameter("as", .choice(["root", "login"]), "whose rights it has (default root)"),
        ]
    )
    package static let stepClass = StepClass.read

    package let run: String
    package let arguments: [String]?
    package let equals: String?
    package let `for`: String?
    package let every: String?
    package let timeout: String?
    package let `as`: RemoteCommand.Privilege?

    package struct Output: Codable, Sendable {
        /// The last answer, shortened.
        package let answer: String
        package let questions: Int
    }

    private var limit: Duration { timeout.flatMap(parseDuration) ?? .seconds(300) }
    private var pause: Duration { max(.seconds(1), every.flatMap(parseDuration) ?? .seconds(5)) }
    private var purpose: String { self.for ?? equals.map { "the answer '\($0)'" } ?? "its script to end with 0" }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        guard target.host != nil else {
            return .blocked(OperatorMessage(.invalidInput, "it asks hosts, not the controller"))
        }
        return .change([
            PlannedChange(
                "wait for \(purpose), \(limit.brief) at most",
                commands: run.split(separator: "\n").map(String.init)
                    + ((arguments ?? []).isEmpty ? [] : ["with \((arguments ?? []).joined(separator: " "))"])
            )
        ])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let end = context.time.uptime + limit
        let command = RemoteCommand(Self.runner, [run, "rollbook"] + (arguments ?? []), as: self.as ?? .root)
        var questions = 0
        while true {
            questions += 1
            let said: String
            do {
                let result = try await context.connection.run(command, limits: CommandLimits(deadline: .seconds(75)))
                let answer = Self.trimmed(result.output.text)
                if result.succeeded, equals == nil || equals == answer {
                    return Output(answer: String(answer.prefix(1000)), questions: questions)
                }
                said = result.succeeded ? "'\(Self.brief(answer))'" : "it ended with \(result.exitCode)"
            } catch let error as TransportError
                where error.exitCode == .unreachable || error.exitCode == .outcomeUnknown
            {
                guard error.kind != .cancelled else { throw error }
                await context.reconnect()
                said = error.event
            }
            guard context.time.uptime < end else {
                throw OperatorMessage(
                    .deadline,
                    "still waits for \(purpose) after \(limit.brief); last answer: \(said)",
                    next: "rollbook resume \(context.run) waits again"
                )
            }
            context.progress("waits for \(purpose): \(said)")
            try await context.time.sleep(for: pause)
        }
    }

    private static let runner: StaticString = "exec timeout 60 /bin/sh -c \"$@\""

    private static func trimmed(_ text: String) -> String {
        let isBlank: (Character) -> Bool = { $0.isWhitespace }
        let head = text.drop(while: isBlank)
        return String(head.reversed().drop(while: isBlank).reversed())
    }

    private static func brief(_ text: String) -> String {
        let line = text.split(separator: "\n").last.map(String.init) ?? ""
        return line.count <= 80 ? line : line.prefix(79) + "…"
    }

    package func probe(_ context: StepContext) async throws -> Probe { .notDone(detail: "it is asked again") }
}
