import ClusterModel
import Journal

/// A stage bound to its hosts, with its steps and gates made; what the planner then decides on.
struct StageDraft {
    let source: RunbookStage
    let hosts: [Host]
    let batches: [[HostName]]
    let cap: Int
    let maxFailures: Int?
    let steps: [StepDraft]
    let require: [ResolvedGate]
    let gates: [ResolvedGate]
    let requireFacts: [FactRequest]

    init(
        _ stage: RunbookStage,
        index: Int,
        cluster: Cluster,
        registry: StepRegistry,
        inputs: InputValues,
        views: StepServices,
        allowed: Set<HostName>,
        without: [HostName],
        skipped: Set<String>,
        used: inout [String: Int]
    ) throws {
        let selected = try Self.select(stage, inputs, in: cluster)
        hosts = selected.hosts.filter { allowed.contains($0.name) }
        source = stage
        let targets =
            hosts.map { StepTarget(host: $0, cluster: cluster, without: without) }
            + (selected.controller ? [StepTarget(host: nil, cluster: cluster, without: without)] : [])
        maxFailures = stage.maxFailures?.hosts(of: targets.count)
        (batches, cap) = Self.batches(of: targets.map(\.name), pace: stage.pace)

        var drafts: [StepDraft] = []
        for target in targets {
            for call in stage.steps where !skipped.contains(call.kind) {
                let parameters = try registry.stepType(call.kind).completed(
                    try inputs.substitute(call, for: target, registry.stepSignatures[call.kind]),
                    at: call.location,
                    views
                )
                let base = "\(index + 1).\(target.name).\(call.kind)"
                let count = used[base, default: 0] + 1
                used[base] = count
                let text = count == 1 ? base : "\(base)-\(count)"
                guard let id = StepID(text) else {
                    throw OperatorMessage(.invalidInput, at: call.kind, "'\(text)' cannot name a step")
                }
                let step = try registry.step(call.kind, parameters)
                drafts.append(
                    StepDraft(id: id, stage: index, target: target, call: call, parameters: parameters, step: step)
                )
            }
        }
        steps = drafts
        func resolve(_ calls: [StepCall]) throws -> [ResolvedGate] {
            try calls.map { call in
                let target = StepTarget(host: nil, cluster: cluster)
                let parameters = try inputs.substitute(call, for: target, registry.gateSignatures[call.kind])
                return ResolvedGate(
                    kind: call.kind,
                    parameters: parameters,
                    gate: try registry.gate(call.kind, parameters)
                )
            }
        }
        require = try resolve(stage.require)
        gates = try resolve(stage.gates)
        requireFacts = require.flatMap { $0.gate.facts(in: cluster) }
    }

    private static func select(
        _ stage: RunbookStage,
        _ inputs: InputValues,
        in cluster: Cluster
    ) throws -> (hosts: [Host], controller: Bool) {
        do {
            let selector = try HostSelector(try inputs.substitute(stage.selector))
            return (try selector.hosts(in: cluster), selector.picksController)
        } catch {
            // What a person gave as an input is theirs to mend, not the runbook's author's.
            let isGiven = stage.selector.contains("${inputs.")
            throw OperatorMessage(isGiven ? .usage : .invalidInput, at: "stage '\(stage.name)'", "\(error)")
        }
    }

    private static func batches(of names: [HostName], pace: RunbookStage.Pace) -> ([[HostName]], Int) {
        switch pace {
        case .parallel(let cap):
            return (names.isEmpty ? [] : [names], cap ?? 0)
        case .serial(let sizes):
            var batches: [[HostName]] = []
            var rest = names[...]
            var remaining = sizes[...]
            while !rest.isEmpty {
                let size = max(1, (remaining.first ?? sizes.last ?? .count(1)).hosts(of: names.count))
                remaining = remaining.dropFirst()
                batches.append(Array(rest.prefix(size)))
                rest = rest.dropFirst(size)
            }
            return (batches, 0)
        }
    }
}

/// One step of a draft.
struct StepDraft {
    let id: StepID
    let stage: Int
    let target: StepTarget
    let call: StepCall
    let parameters: [String: JSONValue]
    let step: any Step
}

/// One gate with its parameters filled in.
struct ResolvedGate {
    let kind: String
    let parameters: [String: JSONValue]
    let gate: any Gate
}
