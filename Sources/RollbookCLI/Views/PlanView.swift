import ClusterModel
import RunEngine

/// A plan as a person reads it before a key is pressed.
struct PlanView {
    let plan: Plan
    let id: String
    let isVerbose: Bool

    var text: String {
        var lines = [
            "Plan of \(plan.runbook) for cluster \(plan.cluster.id)", "  id        \(id)",
            "  made      \(plan.createdAt)",
        ]
        for (name, value) in plan.inputs.sorted(by: { $0.key < $1.key }) {
            lines.append("  input     \(name)=\(value)")
        }
        for host in plan.hosts {
            if let problem = host.unreachable { lines.append("  host      \(host.name): \(problem.event)") }
        }
        for (index, stage) in plan.stages.enumerated() { lines += [""] + text(of: stage, index) }
        lines += [""] + summary
        return lines.map(\.escapedForTerminal).joined(separator: "\n")
    }

    private func text(of stage: PlannedStage, _ index: Int) -> [String] {
        var lines = ["\(index + 1). \(stage.name)\(pace(of: stage))"]
        for gate in stage.require {
            if let closed = gate.closed {
                lines.append("   gate      \(gate.kind) is CLOSED: \(closed.event)")
            } else {
                lines.append("   gate      \(gate.kind): \(gate.detail ?? "")")
            }
            lines += gate.remarks.map { "             note: \($0)" }
        }
        let steps = plan.steps(ofStage: index)
        let width = steps.map(\.host.text.count).max() ?? 0
        let kindWidth = steps.map(\.kind.count).max() ?? 0
        for step in steps {
            let host = step.host.text + String(repeating: " ", count: width - step.host.text.count)
            let kind = step.kind + String(repeating: " ", count: kindWidth - step.kind.count)
            let rows = describe(step)
            lines.append("   \(host)  \(kind)  \(rows[0])")
            let indent = String(repeating: " ", count: 3 + width + 2 + kindWidth + 2)
            lines += rows.dropFirst().map { indent + $0 }
        }
        for gate in stage.gates { lines.append("   then wait for \(gate.kind)") }
        return lines
    }

    private func pace(of stage: PlannedStage) -> String {
        let hosts = stage.batches.reduce(0) { $0 + $1.count }
        var words: [String] = []
        if hosts == 0 {
            words.append("no hosts")
        } else if stage.batches.count > 1 {
            words.append(
                "\(stage.batches.count) batches of \(stage.batches.map { String($0.count) }.joined(separator: ", "))"
            )
        } else if hosts > 1 {
            words.append("\(hosts) hosts at once")
        }
        if stage.onFailure == .continue { words.append("goes on after failures") }
        return words.isEmpty ? "" : "  (\(words.joined(separator: "; ")))"
    }

    private func describe(_ step: PlannedStep) -> [String] {
        switch step.decision {
        case .noop(let reason): return ["nothing to do: \(reason)"]
        case .unknown(let until): return ["known only after \(until)"]
        case .blocked(let message): return ["BLOCKED: \(message.event)"]
        case .change(let changes):
            var rows = changes.flatMap { change in
                [change.summary] + (isVerbose ? change.diff + change.commands.map { "$ \($0)" } : [])
            }
            if case .irreversible(let reason) = step.reversal { rows.append("cannot be undone: \(reason)") }
            return rows.isEmpty ? ["change"] : rows
        }
    }

    private var summary: [String] {
        var counts = (change: 0, noop: 0, unknown: 0, blocked: 0)
        for step in plan.steps {
            switch step.decision {
            case .change: counts.change += 1
            case .noop: counts.noop += 1
            case .unknown: counts.unknown += 1
            case .blocked: counts.blocked += 1
            }
        }
        var words = ["\(counts.change) to do", "\(counts.noop) with nothing to do"]
        if counts.unknown > 0 { words.append("\(counts.unknown) not known yet") }
        if counts.blocked > 0 { words.append("\(counts.blocked) blocked") }
        return ["\(plan.steps.count) steps: \(words.joined(separator: ", ")). Planning changed nothing."]
            + (plan.obstacles.isEmpty ? [] : ["It cannot be executed now."])
    }
}
