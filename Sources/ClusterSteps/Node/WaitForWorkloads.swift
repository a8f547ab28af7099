import ClusterModel
package import Journal
package import RunEngine

/// `kubernetes.wait-workloads`: waits until what this run evicted runs again elsewhere.
///
/// On a node of what its own drain evicted, on the controller of all drains. As many ready replicas as before are wanted, or fewer
/// where fewer are wanted by now.
package struct WaitForWorkloads: Step {
    package static let signature = KindSignature(
        kind: "kubernetes.wait-workloads",
        summary: "Wait until what was evicted runs again elsewhere",
        parameters: [Parameter("timeout", .duration, "how long to wait (10m)")]
    )
    package static let stepClass = StepClass.read

    package let timeout: String?

    package init(timeout: String? = nil) { self.timeout = timeout }

    package struct Output: Codable, Sendable {
        /// How many workloads were looked at.
        package let workloads: Int
    }

    private var patience: Duration { timeout.flatMap(parseDuration) ?? .seconds(600) }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        .unknown(until: DrainNode.signature.kind)
    }

    package func perform(_ context: StepContext) async throws -> Output {
        var wanted: [WorkloadName: Int] = [:]
        for result in try context.results(of: DrainNode.signature.kind) where result.succeeded {
            guard context.target.host == nil || result.host == context.target.name, result.output != .null else {
                continue
            }
            for entry in try result.output.decode(DrainNode.Output.self).workloads {
                wanted[entry.workload] = max(wanted[entry.workload] ?? 0, entry.ready)
            }
        }
        guard !wanted.isEmpty else { return Output(workloads: 0) }
        let end = context.time.uptime + patience
        while true {
            let lacking: [String]
            do {
                let facts = context.lookAgain()
                let api = try await KubernetesAPI.chosen(facts, avoiding: context.target.name)
                lacking = Self.lacking(
                    wanted,
                    try await facts.read(ClusterWorkloads(api), on: api.master.name).workloads
                )
            } catch let failure as FactFailure { lacking = [failure.message.event] } catch let message
                as OperatorMessage
            {
                lacking = [message.event]
            }
            if lacking.isEmpty { return Output(workloads: wanted.count) }
            context.progress("waiting for \(lacking[0])\(lacking.count > 1 ? " and \(lacking.count - 1) more" : "")")
            guard context.time.uptime < end else {
                throw OperatorMessage(
                    .deadline,
                    "after \(patience.brief) not all that was evicted runs again: "
                        + lacking.prefix(10).joined(separator: ", "),
                    next: "rollbook resume \(context.run)"
                )
            }
            try await context.time.sleep(for: .seconds(5))
        }
    }

    /// `ReplicaSet demo/web (1 of 2 ready)` for each that is not back; what is gone, or wanted no more, lacks nothing.
    static func lacking(_ wanted: [WorkloadName: Int], _ now: [WorkloadEntry]) -> [String] {
        var found: [(workload: WorkloadName, text: String)] = []
        for entry in now {
            guard let before = wanted[entry.workload] else { continue }
            let needed = min(before, entry.desired)
            if entry.ready < needed {
                found.append((entry.workload, "\(entry.workload) (\(entry.ready) of \(needed) ready)"))
            }
        }
        return found.sorted { $0.workload < $1.workload }.map(\.text)
    }

    package func probe(_ context: StepContext) async throws -> Probe { .notDone(detail: "it only waits") }
}
