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
        let header = ("HOST", plan.stages.indices.map { title(of: $0, kinds[$0] ?? []) })
        let first = ([header] + rows).map(\.0.count).max() ?? 0
        let widths = plan.stages.indices.map { stage in ([header] + rows).map { $0.1[stage].count }.max() ?? 0 }
        let table = ([header] + rows).map { name, cells in
            var line = "   " + name.padded(to: first)
            for (cell, width) in zip(cells, widths) { line += "  " + (cell.isEmpty ? "." : cell).padded(to: width) }
            while line.last == " " { line.removeLast() }
            return line
        }
        return table + ["   + to do   = nothing to do   w warning   ? known later   ! blocked   . not in the stage"]
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
