import ClusterModel
import Journal

/// What the steps planned so far are going to change, host by host: a step about the same is decided when its turn comes.
struct PlannedSubjects {
    private var changing: [HostName: [(subject: StepSubject, kind: String)]] = [:]
    /// The kinds of the steps that have something to do for sure, on any host.
    private(set) var kinds: Set<String> = []

    /// The step as it stands in the plan.
    mutating func judge(_ planned: PlannedStep, _ step: some Step) -> PlannedStep {
        var planned = planned
        if let earlier = decider(of: planned, step.subjects) {
            planned.decision = .unknown(until: earlier)
            planned.preconditions = []
        }
        if case .change = planned.decision { kinds.insert(planned.kind) }
        switch planned.decision {
        case .change where planned.stepClass == .read, .unknown where planned.stepClass == .read: break
        case .change, .unknown: changing[planned.host, default: []] += step.subjects.map { ($0, planned.kind) }
        case .noop, .warning, .blocked: break
        }
        return planned
    }

    /// The last earlier kind after which alone it can be decided.
    private func decider(of planned: PlannedStep, _ subjects: [StepSubject]) -> String? {
        let earlier = changing[planned.host] ?? []
        let known = earlier.last { $0.subject != .anything && subjects.contains($0.subject) }?.kind
        switch planned.decision {
        // What only reads will read what is there at its turn.
        case .change where planned.stepClass == .read: return nil
        // It has named itself what it waits for.
        case .unknown: return nil
        case .change, .warning: return known
        case .blocked(let message) where message.code != .refused: return nil
        case .noop, .blocked:
            guard !subjects.isEmpty else { return nil }
            return known ?? earlier.last { $0.subject == .anything || subjects.contains(.anything) }?.kind
        }
    }
}
