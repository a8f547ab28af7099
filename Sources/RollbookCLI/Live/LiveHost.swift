import ClusterModel
import Journal

/// One host as the live view knows it.
struct LiveHost: Sendable {
    enum Phase: Sendable, Hashable { case waiting, running, failed, unknown, done }

    let name: HostName
    var phase: Phase = .waiting
    /// Steps of the plan that are not satisfied yet, in plan order.
    var left: [StepID] = []
    /// The kind of the step that runs, or ended last.
    var kind = ""
    /// When the step began, or how long it took when it ended.
    var began: Duration = .zero
    var took: Duration?
    /// The last line of progress, or why the step ended as it did.
    var detail = ""

    init(name: HostName) { self.name = name }

    var isTroubled: Bool { phase == .failed || phase == .unknown }

    mutating func begin(_ kind: String, attempt: Int, at now: Duration) {
        phase = .running
        self.kind = kind
        began = now
        took = nil
        detail = attempt > 1 ? "attempt \(attempt)" : ""
    }

    mutating func end(
        _ step: StepID,
        _ kind: String,
        _ result: StepOutcome.Result,
        _ message: String?,
        _ took: Duration
    ) {
        self.kind = kind
        self.took = took
        detail = message ?? ""
        switch result {
        case .ok, .skipped:
            left.removeAll { $0 == step }
            phase = left.isEmpty ? .done : .waiting
        case .failed, .refused: phase = .failed
        case .unknown: phase = .unknown
        }
    }
}

/// A gate as it stood when it was last looked at.
struct LiveGate: Sendable {
    let kind: String
    let passed: Bool
    let detail: String
    /// Since when it has been like that.
    let since: Duration
}
