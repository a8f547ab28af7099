import ClusterModel
import Journal
import RunEngine

/// What the live view knows of a run: a fold over its events, without a clock and without a terminal.
///
/// `LiveBoard+Lines` makes text of it. All times are those of one clock that the caller reads.
struct LiveBoard: Sendable {
    private(set) var hosts: [LiveHost]
    private(set) var stage: (index: Int, name: String)?
    private(set) var gate: LiveGate?
    private(set) var signal: RunInterrupted.Signal?
    private(set) var stepsEnded: Int
    /// What the run was begun with.
    let title: String
    let run: String
    let stageCount: Int
    let stepCount: Int
    /// It only takes back what was done: how much that is, it finds out on the way.
    let isUndoing: Bool
    let began: Duration
    let pace: EarlierPace?
    let widestHost: Int
    let widestKind: Int
    /// Where the earlier run was when it had ended as much, and when that was reached.
    private var position: (moment: Duration, at: Duration)
    private let stages: [PlannedStage]
    private let stageOfStep: [StepID: Int]
    private var failuresOfStage: Set<HostName> = []
    private var isHolding = false
    private var ended: Set<StepID>
    private let places: [HostName: Int]

    /// `satisfied` are steps that earlier sessions of the run have done.
    init(
        _ plan: Plan,
        run: RunID,
        satisfied: Set<StepID> = [],
        isUndoing: Bool = false,
        pace: EarlierPace? = nil,
        began: Duration
    ) {
        title = "\(plan.runbook) on \(plan.cluster.id)"
        self.run = run.text
        self.isUndoing = isUndoing
        self.began = began
        self.pace = pace
        stages = plan.stages
        stageCount = plan.stages.count
        stepCount = plan.steps.count
        ended = satisfied
        stepsEnded = plan.steps.count { satisfied.contains($0.id) }
        var left: [HostName: [StepID]] = [:]
        for step in plan.steps { left[step.host, default: []].append(step.id) }
        stageOfStep = Dictionary(plan.steps.map { ($0.id, $0.stage) }) { first, _ in first }
        let order = [.controller] + plan.cluster.hosts.map(\.name)
        hosts = order.compactMap { name in
            guard let steps = left[name] else { return nil }
            var host = LiveHost(name: name)
            host.left = steps.filter { !satisfied.contains($0) }
            if host.left.isEmpty { host.phase = .done }
            return host
        }
        places = Dictionary(hosts.enumerated().map { ($1.name, $0) }) { first, _ in first }
        widestHost = hosts.map { CellWidth.of($0.name.text) }.max() ?? 0
        widestKind = plan.steps.map { CellWidth.of($0.kind) }.max() ?? 0
        position = (satisfied.compactMap { pace?.milestone(of: $0) }.max() ?? .zero, began)
    }

    /// Whether hosts that wait begin nothing any more, in this session.
    var holds: Bool { signal != nil || isHolding }

    mutating func take(_ event: RunEvent, at now: Duration) {
        switch event {
        case .stageBegan(let index, let name, _):
            stage = (index, name)
            gate = nil
            failuresOfStage = []
        case .gate(_, let kind, let passed, let detail):
            let isSame = gate.map { $0.kind == kind && $0.passed == passed } ?? false
            gate = LiveGate(kind: kind, passed: passed, detail: detail, since: isSame ? gate?.since ?? now : now)
        case .stepBegan(_, let host, let kind, let attempt):
            // Batches and their gates take turns: a step that begins means that the gate before it is behind.
            gate = nil
            change(host) { $0.begin(kind, attempt: attempt, at: now) }
        case .progress(_, let host, let text):
            change(host) { $0.detail = text.split(whereSeparator: \.isNewline).last.map(String.init) ?? $0.detail }
        case .stepEnded(let step, let host, let kind, let result, let message, let duration):
            change(host) { $0.end(step, kind, result, message, duration) }
            settle(step, of: host, result, at: now)
        case .recovered: break
        case .stopping(let signal): self.signal = signal
        }
    }

    /// A signal came; steps that run end first.
    mutating func stop(_ signal: RunInterrupted.Signal) { self.signal = signal }

    private mutating func change(_ name: HostName, _ work: (inout LiveHost) -> Void) {
        guard let place = places[name] else { return }
        work(&hosts[place])
    }

    private mutating func settle(
        _ step: StepID,
        of host: HostName,
        _ result: StepOutcome.Result,
        at now: Duration
    ) {
        switch result {
        case .ok, .skipped:
            guard ended.insert(step).inserted else { return }
            stepsEnded += 1
            if let moment = pace?.milestone(of: step), moment > position.moment { position = (moment, now) }
        case .failed, .refused, .unknown:
            failuresOfStage.insert(host)
            guard let index = stageOfStep[step], stages.indices.contains(index) else { return }
            let mayFail = stages[index].onFailure == .continue ? Int.max : stages[index].maxFailures ?? 0
            if failuresOfStage.count > mayFail || result == .unknown { isHolding = true }
        }
    }

    /// What is left, by the pace of an earlier run; nil when there was none, or when this one is slower than that can tell.
    func timeLeft(at now: Duration) -> Duration? {
        guard let pace, signal == nil, !isHolding, !isUndoing else { return nil }
        let left = pace.left(at: position.moment, waited: max(.zero, now - position.at))
        return left < .seconds(1) ? nil : left
    }
}
