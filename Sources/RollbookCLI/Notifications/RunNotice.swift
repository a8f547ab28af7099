import ClusterModel
import Crypto
import FoundationEssentials
import Journal

/// What is told of a run; the format is specified in Docs/Notifications.md.
struct RunNotice: Sendable {
    static let formatVersion = 1
    /// Problems that are told; a run over hundreds of hosts may have as many.
    private static let mostProblems = 20

    let occasion: NotifyPolicy.Occasion
    let action: String
    let cluster: ClusterID
    let runbook: String
    let run: RunID
    let moment: UTCMoment
    let controller: String
    let user: String
    /// Nil at the start.
    let outcome: RunOutcome?
    let took: Duration?

    private var event: String { outcome == nil ? "run.started" : "run.ended" }

    /// `nightly-backup on prod failed with 5 (failed) after 4m10s`.
    var headline: String {
        let what =
            action == "run" || action == "apply" ? "\(runbook) on \(cluster)" : "\(action) of \(runbook) on \(cluster)"
        guard let outcome, let took else { return "\(what) began (run \(run))" }
        switch occasion {
        case .start, .success: return "\(what) is done after \(took.brief) (run \(run))"
        case .partial: return "\(what) is partial after \(took.brief): some targets failed (run \(run))"
        case .failure:
            return "\(what) ended with \(outcome.code.rawValue) (\(outcome.code.word)) after \(took.brief) (run \(run))"
        }
    }

    /// Problems cut in number and length: what is told stays small whatever happened.
    private var problems: [OperatorMessage] {
        func cut(_ text: String) -> String { text.count <= 500 ? text : text.prefix(499) + "…" }
        return (outcome?.problems ?? []).prefix(Self.mostProblems).map {
            OperatorMessage(
                $0.code,
                at: $0.place.map(cut),
                cut($0.event),
                state: $0.state.map(cut),
                next: $0.next.map(cut)
            )
        }
    }

    var json: JSONValue {
        var fields: [String: JSONValue] = [
            "v": .integer(Int64(Self.formatVersion)), "event": .string(event), "occasion": .string(occasion.rawValue),
            "action": .string(action), "cluster": .string(cluster.text), "runbook": .string(runbook),
            "run": .string(run.text), "time": .string(moment.description), "controller": .string(controller),
            "user": .string(user), "text": .string(headline),
        ]
        if let outcome, let took {
            fields["result"] = .string(outcome.result)
            fields["exitCode"] = .integer(Int64(outcome.code.rawValue))
            fields["durationMs"] = .integer(took.milliseconds)
            fields["problems"] = .array(
                problems.map { problem in
                    .object([
                        "code": .integer(Int64(problem.code.rawValue)),
                        "place": problem.place.map { .string($0) } ?? .null,
                        "event": .string(problem.event), "state": problem.state.map { .string($0) } ?? .null,
                        "next": problem.next.map { .string($0) } ?? .null,
                    ])
                }
            )
            fields["problemCount"] = .integer(Int64(outcome.problems.count))
            fields["summary"] = .array(outcome.facts.map { .string($0) })
        }
        return .object(fields)
    }

    var text: String { String(decoding: CanonicalJSON.bytes(of: json), as: UTF8.self) }

    /// Slack's incoming webhooks: one `text`, with the three characters escaped that have a meaning there.
    var slackText: String {
        var lines = [headline]
        for problem in problems.prefix(5) { lines.append("• " + problem.description) }
        let left = (outcome?.problems.count ?? 0) - 5
        if left > 0 { lines.append("and \(left) more: rollbook show \(run)") }
        lines += outcome?.facts ?? []
        let escaped = lines.joined(separator: "\n").escapedForTerminal.reduce(into: "") { text, character in
            switch character {
            case "&": text += "&amp;"
            case "<": text += "&lt;"
            case ">": text += "&gt;"
            default: text.append(character)
            }
        }
        return String(decoding: CanonicalJSON.bytes(of: .object(["text": .string(escaped)])), as: UTF8.self)
    }

    func body(for preset: NotifyPolicy.Preset) -> String {
        switch preset {
        case .generic: text
        case .slack: slackText
        }
    }

    /// Headers of a call; with a key, HMAC-SHA256 over time, a full stop and the body.
    func headers(signing body: String, with key: [UInt8]?) -> [String] {
        let time = String(moment.seconds)
        var lines = [
            "Content-Type: application/json", "User-Agent: rollbook/\(Version.number)", "X-Rollbook-Event: \(event)",
            "X-Rollbook-Timestamp: \(time)",
        ]
        if let key {
            let code = HMAC<SHA256>.authenticationCode(
                for: Array("\(time).\(body)".utf8),
                using: SymmetricKey(data: key)
            )
            let digits = code.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            lines.append("X-Rollbook-Signature: sha256=\(digits)")
        }
        return lines
    }
}

/// How a run ended, as reports tell it.
struct RunOutcome: Sendable {
    let code: ExitCode
    /// `done`, `partial`, `held`, `stopped`, `abandoned`, or `refused` when nothing was begun.
    let result: String
    var problems: [OperatorMessage] = []
    var facts: [String] = []
    /// A person said no when asked.
    var isDeclined = false

    static let notConfirmed = OperatorMessage(.refused, "not confirmed", state: "Nothing was changed")

    init(_ code: ExitCode, _ result: String, problems: [OperatorMessage] = [], facts: [String] = []) {
        self.code = code
        self.result = result
        self.problems = problems
        self.facts = facts
    }

    /// What was thrown before a run could end by itself.
    init(_ error: any Error) {
        let message = (error as? any OperatorMessageConvertible)?.operatorMessage
        let fallback = (error as? CommandEnding)?.code ?? .fault
        code = message?.code ?? fallback
        result = code.rawValue > 128 ? "stopped" : "refused"
        problems = message.map { [$0] } ?? []
        isDeclined = message == Self.notConfirmed
    }

    var occasion: NotifyPolicy.Occasion {
        switch code {
        case .done: .success
        case .partial: .partial
        default: .failure
        }
    }
}
