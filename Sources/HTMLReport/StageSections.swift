import ClusterModel
import Journal
import RunEngine

/// Stages with their steps: what was planned, what happened, and on what evidence.
struct StageSections {
    private let reported: ReportedRun
    private let stories: StepStories
    private let outputs: any OutputStore

    /// In a run of more steps those with nothing to tell are shown only when asked.
    private static let most = 40
    /// So few are never worth a click.
    private static let fewest = 4
    /// Looks at a stage's gates; those of one wait that found a gate the same are told once.
    private static let mostLooks = 24
    private static let longestFact = 1200

    init(_ reported: ReportedRun, _ stories: StepStories, _ outputs: any OutputStore) {
        self.reported = reported
        self.stories = stories
        self.outputs = outputs
    }

    var fields: [Fields] {
        let steps = Dictionary(grouping: reported.plan.steps, by: \.stage)
        var isFirst = true
        let sections = reported.plan.stages.enumerated().map { index, stage -> Fields in
            let fields = section(stage, index, steps[index] ?? [], isFirst: isFirst)
            if fields["isFirst"] as? Bool == true { isFirst = false }
            return fields
        }
        return sections + undone
    }

    private func section(
        _ stage: PlannedStage,
        _ index: Int,
        _ steps: [PlannedStep],
        isFirst: Bool
    ) -> Fields {
        var quiet = reported.plan.steps.count > Self.most ? steps.filter(isQuiet) : []
        if quiet.count < Self.fewest { quiet = [] }
        let isQuiet = Set(quiet.map(\.id))
        let loud = steps.filter { !isQuiet.contains($0.id) }
        return [
            "anchor": "stage-\(index + 1)", "number": "\(index + 1)", "tint": index % 8, "name": stage.name,
            "pace": Self.pace(of: stage, steps), "counts": counts(of: steps), "gates": gates(of: stage, index),
            "steps": loud.map(row), "hasSteps": !steps.isEmpty, "isFirst": isFirst && !loud.isEmpty,
            "hasGates": !stage.require.isEmpty || !stage.gates.isEmpty,
            "quiet": optional(
                quiet.isEmpty ? nil : ["rows": quiet.map(row), "summary": summary(of: quiet)] as Fields
            ),
        ]
    }

    private func summary(of quiet: [PlannedStep]) -> String {
        let hadNothingToDo = quiet.allSatisfy { reported.state[$0.id]?.phase == .skipped }
        return "\(quiet.count) steps \(hadNothingToDo ? "had nothing to do" : "went as planned")"
    }

    /// Whether a person may pass over it.
    private func isQuiet(_ step: PlannedStep) -> Bool {
        if case .warning = step.decision { return false }
        return reported.state[step.id]?.isSatisfied ?? false
    }

    private func spoken(_ step: PlannedStep) -> (word: String, tone: Tone) {
        let phase = reported.state[step.id]?.phase
        if case .warning = step.decision, phase == nil || phase == .skipped { return ("warning", .warning) }
        return phase.spoken
    }

    /// What an abandoned run took back.
    private var undone: [Fields] {
        let undos = reported.state.steps.filter { $0.key.text.hasPrefix("undo.") }.sorted { $0.key < $1.key }
        guard !undos.isEmpty else { return [] }
        let rows = undos.map { id, known -> Fields in
            base(id, host: "", kind: id.text, known: known).merging(["planned": false as any Sendable]) { old, _ in old
            }
        }
        let none: [Fields] = []
        return [
            [
                "anchor": "taken-back", "number": "", "tint": 0, "name": "Taken back", "pace": "", "counts": none,
                "gates": none, "steps": rows, "hasSteps": true, "isFirst": false, "hasGates": false,
                "quiet": false,
            ]
        ]
    }

    private static func pace(of stage: PlannedStage, _ steps: [PlannedStep]) -> String {
        let hosts = stage.batches.reduce(0) { $0 + $1.count }
        var words: [String] = []
        if hosts == 0 {
            words.append("no hosts")
        } else if stage.batches.count > 1 {
            words.append("\(stage.batches.count) batches")
        } else if hosts > 1 {
            words.append("\(hosts) hosts at once")
        }
        if stage.onFailure == .continue { words.append("goes on after failures") }
        if let budget = stage.maxFailures { words.append("\(budget) may fail") }
        return words.joined(separator: "; ")
    }

    private func counts(of steps: [PlannedStep]) -> [Fields] {
        var order: [String] = []
        var counts: [String: (Int, Tone)] = [:]
        for step in steps {
            let (word, tone) = spoken(step)
            if counts[word] == nil { order.append(word) }
            counts[word] = ((counts[word]?.0 ?? 0) + 1, tone)
        }
        return order.map { ["text": "\(counts[$0]?.0 ?? 0) \($0)", "tone": (counts[$0]?.1 ?? .plain).rawValue] }
    }

    private func gates(of stage: PlannedStage, _ index: Int) -> [Fields] {
        var rows: [Fields] = []
        for gate in stage.require {
            let text =
                gate.closed.map { "CLOSED when planned: \($0.event)" } ?? "open when planned: \(gate.detail ?? "")"
            let words = ([text] + gate.remarks.map { "note: \($0)" }).joined(separator: "; ")
            rows.append([
                "kind": gate.kind, "text": words, "tone": gate.closed == nil ? "good" : "bad", "clock": "required",
            ])
        }
        for gate in stage.gates {
            rows.append(["kind": gate.kind, "text": "after each batch", "tone": "plain", "clock": "waits for"])
        }
        for look in looks(at: index) {
            let words = look.isAlike ? "\(look.count) looks in a row" : "the last of \(look.count) looks"
            let again = look.count > 1 ? " (\(words))" : ""
            rows.append([
                "kind": look.passed ? "open" : "CLOSED",
                "text": (look.kind.map { "\($0): " } ?? "") + look.detail + again,
                "tone": look.passed ? "good" : "bad", "clock": look.time.clock,
            ])
        }
        guard rows.count > Self.mostLooks else { return rows }
        let left = rows.count - Self.mostLooks
        let note: Fields = ["kind": "…", "text": "\(left) more, all in the journal", "tone": "plain", "clock": ""]
        return Array(rows.prefix(Self.mostLooks / 2)) + [note] + Array(rows.suffix(Self.mostLooks / 2))
    }

    /// Looks at one gate that found it the same, with no step between them.
    private struct Look {
        let time: UTCMoment
        let kind: String?
        let passed: Bool
        /// What the last of them found.
        var detail: String
        var count = 1
        var isAlike = true
    }

    /// What the stage's gates were found to be; gates of a stage are looked at by turns.
    private func looks(at stage: Int) -> [Look] {
        var looks: [Look] = []
        var wait = 0
        for record in reported.records {
            if case .stageGate(let gate) = record.event, reported.plan.stage(of: gate) == stage {
                let last = looks[wait...].lastIndex { $0.kind == gate.gate }
                if let last, looks[last].passed == gate.passed {
                    looks[last].count += 1
                    looks[last].isAlike = looks[last].isAlike && looks[last].detail == gate.detail
                    looks[last].detail = gate.detail
                } else {
                    looks.append(Look(time: record.time, kind: gate.gate, passed: gate.passed, detail: gate.detail))
                }
            } else if record.event.step != nil {
                wait = looks.count
            }
        }
        return looks
    }

    private func row(_ step: PlannedStep) -> Fields {
        let known = reported.state[step.id]
        var fields = base(step.id, host: step.host.text, kind: step.kind, known: known)
        let planned = Planned(step)
        if known?.outcome?.message == nil { fields["what"] = planned.headline }
        let (word, tone) = spoken(step)
        fields.merge(["tone": tone.rawValue, "sign": tone.sign, "word": word]) { $1 }
        fields["planned"] = planned.fields
        fields["evidence"] = evidence(of: step)
        fields["hasEvidence"] = !step.preconditions.isEmpty
        fields["evidenceCount"] = step.preconditions.count == 1 ? "1 fact" : "\(step.preconditions.count) facts"
        return fields
    }

    /// What every row has, of a step or of its undo.
    private func base(_ id: StepID, host: String, kind: String, known: StepState?) -> Fields {
        let (word, tone) = (known?.phase).spoken
        let none: [Fields] = []
        return [
            "id": id.text, "host": host, "kind": kind, "word": word, "tone": tone.rawValue, "sign": tone.sign,
            "what": known?.outcome?.message ?? "",
            "attempts": known.map { $0.attempt > 1 ? "\($0.attempt)" : "" } ?? "",
            "took": known?.outcome.map { $0.duration > .zero ? $0.duration.brief : "" } ?? "",
            "isOpen": tone == .bad || tone == .unknown, "story": stories.fields(of: id),
            "hasStory": known != nil, "output": optional(output(of: known)), "evidence": none, "hasEvidence": false,
        ]
    }

    private func output(of known: StepState?) -> Fields? {
        guard let known, let outcome = known.outcome else { return nil }
        let stored = outcome.outputs.first.map { "\($0.name) of the run's folder" }
        do {
            let value = try outputs.output(of: known) ?? outcome.output
            return OutputView(value, place: stored ?? "journal.jsonl of the run's folder").fields
        } catch {
            return OutputView(
                .object([
                    "not shown": .string("\(stored ?? "the output") is missing or is not what the journal recorded")
                ]),
                place: ""
            ).fields
        }
    }

    private func evidence(of step: PlannedStep) -> [Fields] {
        step.preconditions.map { fact in
            let (shown, isCut) = OutputView.cut(OutputView.text(of: fact.value), to: Self.longestFact)
            let note = isCut ? "cut; all of it is in plan.json of the run's folder" : nil
            return ["host": fact.host.text, "fact": fact.fact, "value": shown, "note": optional(note)]
        }
    }
}

/// What a plan says of a step.
private struct Planned {
    private let step: PlannedStep

    init(_ step: PlannedStep) { self.step = step }

    /// One line.
    var headline: String {
        switch step.decision {
        case .noop(let reason): "nothing to do: \(reason)"
        case .warning(let reason): reason
        case .unknown(let until): "known only after \(until)"
        case .blocked(let message): "blocked: \(message.event)"
        case .change(let changes): changes.isEmpty ? "change" : changes.map(\.summary).joined(separator: "; ")
        }
    }

    var fields: Fields {
        var changes: [Fields] = []
        if case .change(let planned) = step.decision {
            changes = planned.map { change in
                [
                    "summary": change.summary, "commands": change.commands.map { ["text": $0] as Fields },
                    "hasCommands": !change.commands.isEmpty, "diff": change.diff.map(Self.line),
                    "hasDiff": !change.diff.isEmpty,
                ]
            }
        }
        var next: String?
        if case .blocked(let message) = step.decision { next = message.next }
        var reversal: String?
        if !changes.isEmpty {
            switch step.reversal {
            case .irreversible(let reason): reversal = "cannot be undone: \(reason)"
            case .undoable: reversal = "can be undone"
            case .nothingToUndo: reversal = nil
            }
        }
        let parameters = step.parameters.sorted { $0.key < $1.key }.map { name, value -> Fields in
            ["name": name, "value": OutputView.cut(OutputView.text(of: value), to: 400).shown]
        }
        return [
            "headline": optional(changes.isEmpty ? headline : nil), "changes": changes, "next": optional(next),
            "reversal": optional(reversal), "parameters": parameters, "hasParameters": !parameters.isEmpty,
        ]
    }

    private static func line(_ text: String) -> Fields {
        let tone = text.hasPrefix("+") ? "add" : text.hasPrefix("-") ? "remove" : "keep"
        return ["text": text, "tone": tone]
    }
}
