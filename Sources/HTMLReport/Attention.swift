import ClusterModel
import Journal
import RunEngine

/// What a person has to see first: what went wrong, is not known, is blocked, or was warned of.
struct Attention {
    private struct Item: Hashable {
        let word: String
        let tone: Tone
        let what: String
        let event: String
        let state: String?
        var next: String?
    }

    private var order: [Item] = []
    /// Hosts and next commands of those items that are alike but for them.
    private var members: [Item: (hosts: [HostName], nexts: [String])] = [:]
    /// Warnings of preflight's checks, which have a section of their own.
    private var checkWarnings = 0

    init(_ reported: ReportedRun) {
        let plan = reported.plan
        let state = reported.state
        var problems = reported.problems
        var told: [(Item, HostName?)] = []
        var warnings: [(Item, HostName?)] = []
        for step in plan.steps {
            let known = state[step.id]
            let place = "\(step.host)/\(step.kind)"
            if let known, let (word, tone) = Self.trouble(known.phase) {
                let index = problems.firstIndex {
                    $0.place == place || $0.place == step.id.text
                        || ($0.place == step.host.text && $0.event == known.outcome?.message)
                }
                let problem = index.map { problems.remove(at: $0) }
                told.append((Self.item(word, tone, step, problem, known, reported), step.host))
            } else if known == nil, case .blocked(let message) = step.decision {
                told.append((Self.item("blocked", .bad, step, message), step.host))
            }
            if case .warning(let reason) = step.decision {
                guard !step.kind.hasPrefix("preflight.") else {
                    checkWarnings += 1
                    continue
                }
                warnings.append((Self.item("warning", .warning, step, Self.message(reason)), step.host))
            }
        }
        for (undo, known) in state.steps.sorted(by: { $0.key < $1.key }) where undo.text.hasPrefix("undo.") {
            guard let (word, tone) = Self.trouble(known.phase) else { continue }
            let item = Item(
                word: word,
                tone: tone,
                what: undo.text,
                event: known.outcome?.message ?? known.probe?.detail ?? "",
                state: nil,
                next: nil
            )
            told.append((item, nil))
        }
        let rest = problems.map { problem -> (Item, HostName?) in
            let item = Item(
                word: problem.code.word,
                tone: problem.code == .outcomeUnknown ? .unknown : .bad,
                what: problem.place ?? plan.runbook,
                event: problem.event,
                state: problem.state,
                next: problem.next
            )
            return (item, nil)
        }
        for (item, host) in rest + told + warnings { add(item, host) }
    }

    var isEmpty: Bool { order.isEmpty && checkWarnings == 0 }

    var fields: Fields {
        let items = order.map { item -> Fields in
            let names = members[item]?.hosts ?? []
            return [
                "word": item.word, "tone": item.tone.rawValue, "sign": item.tone.sign, "what": item.what,
                "hosts": optional(names.isEmpty ? nil : hostList(names)),
                "allHosts": names.map(\.text).joined(separator: ", "),
                "event": item.event.asSentence, "state": optional(item.state?.asSentence),
                "nexts": Commands(members[item]?.nexts ?? []).fields,
            ]
        }
        let checks = checkWarnings == 1 ? "1 check warns" : "\(checkWarnings) checks warn"
        return ["items": items, "checkWarnings": optional(checkWarnings == 0 ? nil : checks)]
    }

    private mutating func add(_ item: Item, _ host: HostName?) {
        var key = item
        key.next = nil
        if members[key] == nil {
            order.append(key)
            members[key] = ([], [])
        }
        if let host { members[key]?.hosts.append(host) }
        if let next = item.next, members[key]?.nexts.contains(next) == false { members[key]?.nexts.append(next) }
    }

    /// Phases that nobody may overlook.
    static func trouble(_ phase: StepState.Phase) -> (String, Tone)? {
        switch phase {
        case .failed, .refused, .unknown, .started, .notDone: Optional(phase).spoken
        case .ok, .skipped: nil
        }
    }

    private static func item(
        _ word: String,
        _ tone: Tone,
        _ step: PlannedStep,
        _ problem: OperatorMessage?,
        _ known: StepState,
        _ reported: ReportedRun
    ) -> Item {
        var blocked: OperatorMessage?
        if case .blocked(let message) = step.decision { blocked = message }
        let event = problem?.event ?? known.outcome?.message ?? known.probe?.detail ?? blocked?.event
        let isOpen = known.needsProbe && reported.state.end == nil
        return Item(
            word: word,
            tone: tone,
            what: step.kind,
            event: event ?? (isOpen ? "it was begun, and no outcome is recorded" : "no reason is recorded"),
            state: problem?.state ?? blocked?.state,
            next: problem?.next ?? blocked?.next
        )
    }

    private static func item(_ word: String, _ tone: Tone, _ step: PlannedStep, _ message: OperatorMessage) -> Item {
        Item(word: word, tone: tone, what: step.kind, event: message.event, state: message.state, next: message.next)
    }

    /// A warning's reason, with its command apart where it has one (`… Next: command`).
    static func message(_ reason: String) -> OperatorMessage {
        guard let range = reason.firstRange(of: ". Next: ") else { return OperatorMessage(.partial, reason) }
        return OperatorMessage(
            .partial,
            String(reason[..<range.lowerBound]),
            next: String(reason[range.upperBound...])
        )
    }
}
