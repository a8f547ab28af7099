import ClusterModel
import Journal
import RunEngine

/// Makes bars and gates out of records, one after the other.
struct TimelineGatherer {
    private(set) var bars: [Timeline.Bar] = []
    private(set) var gates: [Timeline.Gate] = []

    private let axis: TimelineAxis
    private let lanes: [HostName: Int]
    private let steps: [StepID: PlannedStep]
    private let plan: Plan
    /// Attempts that were begun and have no outcome yet.
    private var open: [StepID: (attempt: Int, since: TimelineAxis.Place, at: UTCMoment)] = [:]
    private var wait: Wait?
    private var last = TimelineAxis.Place(elapsed: .zero, session: 0)

    /// Looks at a stage's gates that follow one another.
    private struct Wait {
        let stage: String
        let kind: String?
        let place: Int?
        let from: Duration
        var to: TimelineAxis.Place
        var reads: Int
        var passed: Bool
        var detail: String
    }

    init(_ plan: Plan, _ hosts: [HostName], _ axis: TimelineAxis) {
        self.axis = axis
        lanes = Dictionary(hosts.enumerated().map { ($1, $0) }) { first, _ in first }
        steps = Dictionary(plan.steps.map { ($0.id, $0) }) { first, _ in first }
        self.plan = plan
    }

    mutating func take(_ record: JournalRecord, at place: TimelineAxis.Place) {
        switch record.event {
        case .runResumed:
            finishWait()
            cut()
        case .stepIntent(let intent):
            finishWait()
            open[intent.step] = (intent.attempt, place, record.time)
        case .stepOutcome(let outcome):
            finishWait()
            take(outcome, record, at: place)
        case .stageGate(let gate): take(gate, at: place)
        default: break
        }
        last = place
    }

    /// What was begun and never ended, ends where the journal does.
    mutating func end() {
        finishWait()
        cut()
    }

    private mutating func take(_ outcome: StepOutcome, _ record: JournalRecord, at place: TimelineAxis.Place) {
        let begun = open.removeValue(forKey: outcome.step)
        let from = begun?.since.elapsed ?? max(axis.start(of: place.session), place.elapsed - outcome.duration)
        let mark: Timeline.Mark =
            switch outcome.result {
            case .ok: .ok
            case .failed: .failed
            case .unknown: .unknown
            case .skipped: .skipped
            case .refused: .refused
            }
        var words = outcome.result.rawValue
        if outcome.duration > .zero { words += " in \(outcome.duration.brief)" }
        if outcome.reattached { words += ", read from the host's record" }
        if let message = outcome.message { words += ": \(message)" }
        add(outcome.step, outcome.attempt, mark, from, place, words, begun?.at ?? record.time)
    }

    /// The session is over, or the journal is: what came of the attempts still open is not in this session.
    private mutating func cut() {
        for (step, begun) in open.sorted(by: { $0.key < $1.key }) {
            add(step, begun.attempt, .cut, begun.since.elapsed, last, "no outcome in this session", begun.at)
        }
        open = [:]
    }

    private mutating func add(
        _ step: StepID,
        _ attempt: Int,
        _ mark: Timeline.Mark,
        _ from: Duration,
        _ to: TimelineAxis.Place,
        _ words: String,
        _ began: UTCMoment
    ) {
        let name = step.text.hasPrefix("undo.") ? StepID(String(step.text.dropFirst(5))) ?? step : step
        guard let planned = steps[name], let lane = lanes[planned.host] else { return }
        let x = axis.x(from, session: to.session)
        let again = attempt > 1 ? ", attempt \(attempt)" : ""
        let undo = name == step ? "" : "undo of "
        bars.append(
            Timeline.Bar(
                step: step,
                attempt: attempt,
                lane: lane,
                stage: planned.stage,
                mark: mark,
                x: x,
                width: axis.x(to.elapsed, session: to.session) - x,
                title: "\(planned.host) \(undo)\(planned.kind)\(again): \(words) (\(began.clock.prefix(12)))"
            )
        )
    }

    private mutating func take(_ gate: StageGate, at place: TimelineAxis.Place) {
        if var known = wait, known.stage == gate.stage, known.kind == gate.gate, known.to.session == place.session {
            known.to = place
            known.reads += 1
            known.passed = gate.passed
            known.detail = gate.detail
            wait = known
        } else {
            finishWait()
            wait = Wait(
                stage: gate.stage,
                kind: gate.gate,
                place: plan.stage(of: gate),
                from: max(axis.start(of: place.session), place.elapsed - gate.waited),
                to: place,
                reads: 1,
                passed: gate.passed,
                detail: gate.detail
            )
        }
    }

    private mutating func finishWait() {
        guard let known = wait else { return }
        wait = nil
        let x = axis.x(known.from, session: known.to.session)
        let time = (known.to.elapsed - known.from).brief
        let reads = known.reads == 1 ? "1 look" : "\(known.reads) looks"
        gates.append(
            Timeline.Gate(
                stage: known.place,
                passed: known.passed,
                reads: known.reads,
                x: x,
                width: axis.x(known.to.elapsed, session: known.to.session) - x,
                title:
                    "gate \(known.kind.map { "\($0) " } ?? "")of \(known.stage): \(known.passed ? "open" : "CLOSED") after \(time), \(reads): \(known.detail)"
            )
        )
    }
}
