package import ClusterModel
package import Journal
package import RunEngine

/// `confirm`: a person answers a question before the run goes on.
///
/// Never in an unattended run: there it is refused when the plan is made, unless the answer was given beforehand.
package struct Confirm: Step {
    package static let signature = KindSignature(
        kind: "confirm",
        summary: "A person answers before the run goes on",
        parameters: [
            Parameter("name", .string, required: true, "a word by which it is answered beforehand: --answer name=yes"),
            Parameter("question", .string, required: true, "what is asked"),
            Parameter("timeout", .duration, "how long to wait for the answer (default 15m)"),
        ]
    )
    package static let stepClass = StepClass.read

    package let name: String
    package let question: String
    package let timeout: String?
    /// Who answered yes beforehand; filled in when the plan is made.
    package let answeredBy: String?

    package struct Output: Codable, Sendable {
        package let answer: String
        package let by: String
        package let at: UTCMoment
        package let beforehand: Bool
    }

    private var limit: Duration { timeout.flatMap(parseDuration) ?? .seconds(900) }

    package static func completed(
        _ parameters: [String: JSONValue],
        at location: SourceLocation,
        _ views: StepServices
    ) throws -> [String: JSONValue] {
        let name = parameters["name"]?.stringValue ?? ""
        guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "=") }) else {
            throw refusal(location, signature.kind, "name is one word")
        }
        let attendance = try views.get((any Attendance).self)
        guard let answer = attendance.answers[name] else { return parameters }
        guard answer else {
            throw OperatorMessage(.refused, at: "--answer \(name)", "answered with no", state: "Nothing was changed")
        }
        return parameters.merging(["answeredBy": .string(attendance.person)]) { $1 }
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        guard target.host == nil else {
            return .blocked(OperatorMessage(.invalidInput, "a person is asked once; write on: controller"))
        }
        if let answeredBy {
            return .change([PlannedChange("answered with yes beforehand by \(answeredBy): \(question)")])
        }
        if let absence = try facts.view((any Attendance).self).absence { return .blocked(unattended(absence)) }
        return .change([PlannedChange("ask, and wait \(limit.brief) for the answer: \(question)")])
    }

    /// Why nobody can be asked, as a message.
    package func unattended(_ absence: String) -> OperatorMessage {
        OperatorMessage(
            .refused,
            "nobody can be asked '\(question)': \(absence)",
            state: "Nothing was changed",
            next: "run it on a terminal without --yes, or answer beforehand: --answer \(name)=yes"
        )
    }

    package func perform(_ context: StepContext) async throws -> Output {
        if let answeredBy {
            return Output(answer: "yes", by: answeredBy, at: context.time.now, beforehand: true)
        }
        let attendance = try context.service((any Attendance).self)
        if let absence = attendance.absence { throw unattended(absence) }
        context.progress("waits for a person: \(question)")
        guard let answer = try await attendance.ask(question, within: limit) else {
            throw OperatorMessage(
                .deadline,
                "nobody answered '\(question)' within \(limit.brief)",
                next: "rollbook resume \(context.run) asks again"
            )
        }
        guard answer else {
            throw OperatorMessage(
                .refused,
                "\(attendance.person) answered '\(question)' with no",
                next:
                    "rollbook resume \(context.run) asks again; rollbook abandon \(context.run) takes back what was done"
            )
        }
        return Output(answer: "yes", by: attendance.person, at: context.time.now, beforehand: false)
    }

    package func probe(_ context: StepContext) async throws -> Probe { .notDone(detail: "it is asked again") }
}

/// The person at the terminal, if there is one; the composition root provides it.
package protocol Attendance: Sendable {
    /// Answers given beforehand, by the names of the questions.
    var answers: [String: Bool] { get }
    /// Why nobody can be asked; nil when somebody can.
    var absence: String? { get }
    /// Who answers, for the journal.
    var person: String { get }
    /// Asks until there is a clear answer; nil when there was none in time.
    func ask(_ question: String, within limit: Duration) async throws -> Bool?
}
