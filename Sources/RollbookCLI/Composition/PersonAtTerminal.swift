import ClusterModel
import ClusterSteps
import Journal
import RunEngine

/// The person at the terminal, if there is one, and what they answered beforehand.
struct PersonAtTerminal: Attendance {
    let answers: [String: Bool]
    let absence: String?
    let person: String
    let time: any TimeSource

    /// `mayAsk` is false when the command was told not to ask.
    init(_ surroundings: Surroundings, answers: [String: Bool] = [:], mayAsk: Bool = true) {
        self.answers = answers
        let who = surroundings.operatorIdentity
        person = "\(who.user)@\(who.host)"
        time = surroundings.time
        absence = !mayAsk ? "it runs with --yes" : surroundings.asksOnTerminal ? nil : "there is no terminal"
    }

    /// For a plan that others may execute.
    init(planningOnly surroundings: Surroundings, answers: [String: Bool]) {
        let other = PersonAtTerminal(surroundings, answers: answers)
        (self.answers, absence, person, time) = (answers, nil, other.person, other.time)
    }

    func ask(_ question: String, within limit: Duration) async throws -> Bool? {
        let end = time.uptime + limit
        var line = TerminalLine()
        Terminal.error("\n\(question.escapedForTerminal)\nType yes or no, within \(limit.brief):")
        while time.uptime < end {
            switch line.read() {
            case .none: try await time.sleep(for: .milliseconds(100))
            case .end: throw OperatorMessage(.refused, "the terminal was closed before the answer")
            case .line(let text):
                switch text.lowercased() {
                case "yes": return true
                case "no": return false
                default: Terminal.error("Type the whole word: yes or no")
                }
            }
        }
        return nil
    }

    /// Refuses to begin what nobody would answer, before anything is sent.
    ///
    /// - Throws: `OperatorMessage` with code `refused`.
    func check(_ plan: Plan, _ state: RunState? = nil) throws {
        guard let absence else { return }
        for step in plan.steps where step.kind == Confirm.signature.kind && state?[step.id]?.isSatisfied != true {
            let question = try JSONValue.object(step.parameters).decode(Confirm.self)
            if question.answeredBy == nil { throw question.unattended(absence).completed(place: step.id.text) }
        }
    }

    /// Refuses an answer to a question that the plan does not ask.
    func check(answersAreAskedIn plan: Plan) throws(OperatorMessage) {
        let names = plan.steps.filter { $0.kind == Confirm.signature.kind }.compactMap {
            $0.parameters["name"]?.stringValue
        }
        for name in answers.keys.sorted() where !names.contains(name) {
            let hint = nearest(to: name, among: names).map { "; did you mean '\($0)'?" } ?? ""
            throw OperatorMessage(.usage, at: "--answer \(name)", "the runbook has no such question\(hint)")
        }
    }
}
