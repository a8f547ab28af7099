/// Exit codes of the program; documented API (Docs/ExitCodes.md), an unknown code must be taken as failure.
package enum ExitCode: Int32, Sendable, Codable, CaseIterable {
    case done = 0
    case fault = 1
    case usage = 2
    case invalidInput = 3
    case refused = 4
    case stepFailed = 5
    case outcomeUnknown = 6
    case locked = 7
    case stale = 8
    case integrity = 9
    case unreachable = 10
    case security = 11
    case storage = 12
    case partial = 13
    case deadline = 14
    case hungUp = 129
    case interrupted = 130
    case terminated = 143

    /// The word that heads a message of this class: `rollbook: failed: …`.
    package var word: String {
        switch self {
        case .done: "done"
        case .fault: "fault"
        case .usage: "usage"
        case .invalidInput: "input"
        case .refused: "refused"
        case .stepFailed: "failed"
        case .outcomeUnknown: "unknown"
        case .locked: "locked"
        case .stale: "stale"
        case .integrity: "integrity"
        case .unreachable: "unreachable"
        case .security: "security"
        case .storage: "storage"
        case .partial: "partial"
        case .deadline: "deadline"
        case .hungUp, .interrupted, .terminated: "stopped"
        }
    }

    /// Of several that apply, the one a person must see: 6, 9, 11, 12, 5, 14, 13, 10, then the rest by number.
    package static func mostSevere(_ codes: some Sequence<ExitCode>) -> ExitCode {
        let order: [ExitCode] = [
            .outcomeUnknown, .integrity, .security, .storage, .stepFailed, .deadline, .partial, .unreachable,
        ]
        let present = Set(codes)
        if let first = order.first(where: present.contains) { return first }
        return present.max { $0.rawValue < $1.rawValue } ?? .done
    }
}

/// A message in the three parts every refusal and failure has: what happened, the state it left, the next command.
package struct OperatorMessage: Error, Sendable, Hashable, Codable, CustomStringConvertible {
    package let code: ExitCode
    /// `master2/kubelet.upgrade`, a host, a file, or nil when there is no narrower place.
    package let place: String?
    /// What happened, as one sentence without its full stop.
    package let event: String
    /// What is true now, as one sentence without its full stop.
    package let state: String?
    /// The literal next command or action.
    package let next: String?

    package init(_ code: ExitCode, at place: String? = nil, _ event: String, state: String? = nil, next: String? = nil)
    {
        self.code = code
        self.place = place
        self.event = event
        self.state = state
        self.next = next
    }

    /// The message as one line, such as `rollbook: failed: master2/kubelet.upgrade: …` with its state and the next command.
    package var description: String {
        var text = "rollbook: \(code.word): "
        if let place { text += "\(place.escapedOnOneLine): " }
        text += event.escapedOnOneLine.asSentence
        if let state { text += " " + state.escapedOnOneLine.asSentence }
        if let next { text += " Next: \(next.escapedOnOneLine)" }
        return text
    }

    /// The same message with what only the caller knows filled in where it is still empty.
    ///
    /// A place within the one that is known (`lb2/files.collect` within `lb2`) takes its place.
    package func completed(place: String? = nil, state: String? = nil, next: String? = nil) -> OperatorMessage {
        let narrower = self.place.flatMap { known in place.flatMap { $0.hasPrefix(known + "/") ? $0 : nil } }
        return OperatorMessage(
            code,
            at: narrower ?? self.place ?? place,
            event,
            state: self.state ?? state,
            next: self.next ?? next
        )
    }
}

extension String {
    /// Ended by a full stop, unless it ends with a mark of its own.
    fileprivate var asSentence: String {
        guard let last, ".?!…".contains(last) else { return self + "." }
        return self
    }
}
