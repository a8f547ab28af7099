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
        if let without = plan.without { lines.append("  without   \(without.map(\.text).joined(separator: ", "))") }
        if let skipped = plan.skipped { lines.append("  left out  \(skipped.joined(separator: ", "))") }
        let steps = Dictionary(grouping: plan.steps, by: \.stage)
        for (index, stage) in plan.stages.enumerated() {
            let own = steps[index] ?? []
            // Of what was left out by name nothing has to be said again.
            if own.isEmpty, plan.skipped != nil, stage.require.isEmpty, stage.gates.isEmpty { continue }
            lines += [""] + text(of: stage, index, own)
        }
        let overview = PlanOverview(plan).lines
        lines += (overview.isEmpty ? [] : [""] + overview) + [""] + summary
        return lines.map(\.escapedForTerminal).joined(separator: "\n")
    }

    private func text(of stage: PlannedStage, _ index: Int, _ steps: [PlannedStep]) -> [String] {
        var lines = ["\(index + 1). \(stage.name)\(pace(of: stage))"]
        for gate in stage.require {
            if let closed = gate.closed {
                lines.append("   gate      \(gate.kind) is CLOSED: \(closed.event)")
            } else {
                lines.append("   gate      \(gate.kind): \(gate.detail ?? "")")
            }
            lines += gate.remarks.map { "             note: \($0)" }
        }
        let groups = Self.groups(of: steps.map { ($0, describe($0)) })
        let width = groups.map(\.hosts.count).max() ?? 0
        let kindWidth = steps.map(\.kind.count).max() ?? 0
        for group in groups {
            let host = group.hosts + String(repeating: " ", count: width - group.hosts.count)
            let kind = group.kind + String(repeating: " ", count: kindWidth - group.kind.count)
            lines.append("   \(host)  \(kind)  \(group.rows[0])")
            let indent = String(repeating: " ", count: 3 + width + 2 + kindWidth + 2)
            lines += group.rows.dropFirst().map { indent + $0 }
        }
        for gate in stage.gates { lines.append("   then wait for \(gate.kind)") }
        return lines
    }

    /// What some hosts do alike, told once.
    private struct Group {
        let hosts: String
        let kind: String
        let rows: [String]
    }

    /// What will be done on few hosts is told one by one, in the order of the plan; of many hosts, and where nothing will be done,
    /// those that are alike are told together.
    private static func groups(of steps: [(step: PlannedStep, rows: [String])]) -> [Group] {
        let areMany = Set(steps.map(\.step.host)).count > 8
        var order: [[String]] = []
        var members: [[String]: [HostName]] = [:]
        for (step, rows) in steps {
            var key = [step.kind] + rows
            if !areMany, !step.isLeftAlone { key.append(step.host.text) }
            if members[key] == nil { order.append(key) }
            members[key, default: []].append(step.host)
        }
        return order.map { key in
            let hosts = members[key] ?? []
            let rows = key.dropFirst().dropLast(key.last == hosts.first?.text ? 1 : 0)
            return Group(hosts: hostList(hosts), kind: key[0], rows: Array(rows))
        }
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
        if let budget = stage.maxFailures { words.append("\(budget) may fail") }
        return words.isEmpty ? "" : "  (\(words.joined(separator: "; ")))"
    }

    private func describe(_ step: PlannedStep) -> [String] {
        switch step.decision {
        case .noop(let reason): return ["nothing to do: \(reason)"]
        case .warning(let reason): return ["WARNING: \(reason)"]
        case .unknown(let until): return ["known only after \(until)"]
        case .blocked(let message): return ["BLOCKED: \(message.event)"] + (message.next.map { ["Next: \($0)"] } ?? [])
        case .change(let changes):
            var rows = changes.flatMap { change in
                [change.summary] + (isVerbose ? change.diff + change.commands.map { "$ \($0)" } : [])
            }
            if case .irreversible(let reason) = step.reversal { rows.append("cannot be undone: \(reason)") }
            return rows.isEmpty ? ["change"] : rows
        }
    }

    private var summary: [String] {
        var counts = (change: 0, noop: 0, warning: 0, unknown: 0, blocked: 0)
        for step in plan.steps {
            switch step.decision {
            case .change: counts.change += 1
            case .noop: counts.noop += 1
            case .warning: counts.warning += 1
            case .unknown: counts.unknown += 1
            case .blocked: counts.blocked += 1
            }
        }
        var words = ["\(counts.change) to do", "\(counts.noop) with nothing to do"]
        if counts.warning > 0 { words.append("\(counts.warning) with a warning") }
        if counts.unknown > 0 { words.append("\(counts.unknown) not known yet") }
        if counts.blocked > 0 { words.append("\(counts.blocked) blocked") }
        let radius = BlastRadius(of: plan).text
        return ["\(plan.steps.count) steps: \(words.joined(separator: ", ")). Planning changed nothing."]
            + [radius.prefix(1).uppercased() + radius.dropFirst() + "."]
            + (plan.obstacles.isEmpty ? [] : ["It cannot be executed now."])
    }
}

extension PlannedStep {
    fileprivate var isLeftAlone: Bool {
        switch decision {
        case .noop, .warning: true
        case .change, .unknown, .blocked: false
        }
    }
}
