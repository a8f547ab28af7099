package import ClusterModel
package import Journal
package import RunEngine

/// A verified run, with the words that the text view uses of it.
package struct ReportedRun: Sendable {
    package let run: RunID
    package let plan: Plan
    package let records: [JournalRecord]
    package let state: RunState
    /// How long its sessions worked, without the time between them.
    package let duration: Duration?
    /// Bytes of an unfinished last record that are not counted.
    package let tornBytes: Int?
    /// `root@ops1, rollbook 0.9.0, pid 4711`.
    package let by: String
    /// `done, exit code 0`.
    package let status: String
    /// The literal next command, when there is one.
    package let next: String?
    /// Runs of the same runbook on the same cluster before this one, the newest first.
    package let earlier: [EarlierRun]

    package init(
        run: RunID,
        plan: Plan,
        records: [JournalRecord],
        state: RunState,
        duration: Duration?,
        tornBytes: Int? = nil,
        by: String,
        status: String,
        next: String?,
        earlier: [EarlierRun] = []
    ) {
        self.run = run
        self.plan = plan
        self.records = records
        self.state = state
        self.duration = duration
        self.tornBytes = tornBytes
        self.by = by
        self.status = status
        self.next = next
        self.earlier = earlier
    }

    /// What the last session ended with.
    var problems: [OperatorMessage] {
        (try? state.end?.summary["problems"]?.decode([OperatorMessage].self)) ?? []
    }

    var verdict: Verdict { Verdict(state) }
}

/// An earlier run as far as a comparison needs it.
package struct EarlierRun: Sendable {
    package let run: RunID
    package let started: UTCMoment?
    package let duration: Duration?
    package let verdict: Verdict

    package init(run: RunID, started: UTCMoment?, duration: Duration?, verdict: Verdict) {
        self.run = run
        self.started = started
        self.duration = duration
        self.verdict = verdict
    }
}

/// How a run stands, in one word, with the exit code of its last session.
package struct Verdict: Sendable, Hashable {
    let word: String
    let tone: Tone
    let exitCode: Int32?

    package init(_ state: RunState) {
        exitCode = state.end?.exitCode.rawValue
        switch state.status {
        case .notBegun: (word, tone) = ("not begun", .plain)
        case .open: (word, tone) = ("open", .unknown)
        case .done: (word, tone) = ("done", .good)
        case .partial: (word, tone) = ("partial", .warning)
        case .abandoned: (word, tone) = ("abandoned", .plain)
        case .held:
            word = state.end?.exitCode.word ?? "held"
            tone = state.end?.exitCode == .outcomeUnknown ? .unknown : .bad
        }
    }

    /// Whether every step was done, or had nothing to do.
    package var isDone: Bool { tone == .good }

    /// A journal that does not verify.
    package static let damaged = Verdict(word: "DAMAGED", tone: .bad, exitCode: nil)

    private init(word: String, tone: Tone, exitCode: Int32?) {
        self.word = word
        self.tone = tone
        self.exitCode = exitCode
    }
}

/// How something is to be taken; each has a colour, and a sign for those who see none.
enum Tone: String, Sendable, Hashable {
    case good, warning, bad, unknown, plain

    var sign: String {
        switch self {
        case .good: "\u{2713}"
        case .warning: "!"
        case .bad: "\u{2715}"
        case .unknown: "?"
        case .plain: "\u{2013}"
        }
    }
}

extension Optional where Wrapped == StepState.Phase {
    /// The word for it, and how to take it.
    var spoken: (word: String, tone: Tone) {
        switch self {
        case nil: ("not begun", .plain)
        case .started: ("started", .unknown)
        case .unknown: ("unknown", .unknown)
        case .notDone: ("not done", .warning)
        case .ok: ("ok", .good)
        case .failed: ("failed", .bad)
        case .skipped: ("skipped", .plain)
        case .refused: ("refused", .bad)
        }
    }
}

extension UTCMoment {
    /// `2026-11-20 22:19:40`.
    var day: String { String(description.prefix(10)) }
    /// `22:19:40.123`.
    var clock: String { String(description.dropFirst(11).dropLast()) }
    /// `2026-11-20 22:19:40 UTC`.
    var spoken: String { "\(day) \(clock.prefix(8)) UTC" }
}
