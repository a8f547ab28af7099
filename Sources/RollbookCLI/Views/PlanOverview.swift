import ClusterModel
import RunEngine

/// Hosts by stages: one sign for each step, so that a person sees at a glance who is touched when.
struct PlanOverview {
    private let plan: Plan

    init(_ plan: Plan) { self.plan = plan }

    /// Nothing for a plan that the stages themselves show at a glance.
    var lines: [String] {
        let names = plan.cluster.hosts.map(\.name) + [.controller]
        var signs: [HostName: [String]] = [:]
        for step in plan.steps {
            signs[step.host, default: plan.stages.map { _ in "" }][step.stage] += sign(of: step)
        }
        let hosts = names.filter { signs[$0] != nil }
        guard hosts.count > 1, plan.stages.count > 1 else { return [] }
        var order: [[String]] = []
        var members: [[String]: [HostName]] = [:]
        for host in hosts {
            let row = signs[host] ?? []
            if members[row] == nil { order.append(row) }
            members[row, default: []].append(host)
        }
        let isLong = hosts.count > 8
        let rows = isLong ? order.map { (hostList(members[$0] ?? []), $0) } : hosts.map { ($0.text, signs[$0] ?? []) }
        let kinds = Dictionary(grouping: plan.steps, by: \.stage).mapValues { Set($0.map(\.kind)) }
        // Of checks that were left out by name nothing has to be shown.
        let used = plan.stages.indices.filter { stage in
            plan.skipped == nil || rows.contains { !$0.1[stage].isEmpty }
        }
        let header = used.map { title(of: $0, kinds[$0] ?? []) }
        // Many stages of few hosts, as preflight has them, are read more easily as a list of stages.
        let across = lines(["HOST"] + header, rows.map { row in [row.0] + used.map { row.1[$0] } })
        let down = lines(
            ["STAGE"] + rows.map(\.0),
            zip(header, used).map { title, stage in [title] + rows.map { $0.1[stage] } }
        )
        let isWide = (across.map(\.count).max() ?? 0) > Self.widest
        let table = isWide && (down.map(\.count).max() ?? 0) < (across.map(\.count).max() ?? 0) ? down : across
        return table + ["   + to do   = nothing to do   w warning   ? known later   ! blocked   . not in the stage"]
    }

    /// Columns that most terminals have.
    private static let widest = 100

    private func lines(_ header: [String], _ rows: [[String]]) -> [String] {
        let all = [header] + rows.map { $0.map { $0.isEmpty ? "." : $0 } }
        let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            var line = "   " + zip(row, widths).map { $0.padded(to: $1) }.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line
        }
    }

    /// The number of a stage, with what it does where that is one thing.
    private func title(of stage: Int, _ kinds: Set<String>) -> String {
        guard kinds.count == 1, let word = kinds.first?.split(separator: ".").last else { return String(stage + 1) }
        return "\(stage + 1) \(word)"
    }

    private func sign(of step: PlannedStep) -> String {
        switch step.decision {
        case .change: "+"
        case .noop: "="
        case .warning: "w"
        case .unknown: "?"
        case .blocked: "!"
        }
    }
}

extension String {
    func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}

/// `worker1`, `worker1, worker2`, or `480 hosts from worker1 to worker500`.
func hostList(_ hosts: [HostName]) -> String {
    guard hosts.count > 3, let first = hosts.first, let last = hosts.last else {
        return hosts.map(\.text).joined(separator: ", ")
    }
    return "\(hosts.count) hosts from \(first) to \(last)"
}
