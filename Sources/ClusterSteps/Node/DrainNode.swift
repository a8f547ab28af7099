import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `node.drain`: cordons a node and evicts its pods, as their disruption budgets allow.
///
/// Done by short calls of `kubectl drain` on another master, so that a controller that dies leaves nothing running for long; each
/// call may be repeated. At the deadline the pods that are left are named, with the budgets that hold them, and the node stays
/// cordoned. DaemonSets' pods stay always; evictions always respect budgets.
package struct DrainNode: Step {
    package static let signature = KindSignature(
        kind: "node.drain",
        summary: "Cordon a node and evict its pods within their disruption budgets",
        parameters: [
            Parameter("timeout", .duration, "how long evictions may take (10m)"),
            Parameter("deleteLocalData", .boolean, "pods with emptyDir volumes may go, and their data with them"),
            Parameter("allowUnmanaged", .boolean, "pods that nothing makes anew may go, for good"),
        ]
    )
    package static let stepClass = StepClass.idempotent
    package static let reversal = Reversal.undoable
    package var traits: StepTraits { StepTraits(Self.stepClass, Self.reversal, purpose: .preparation) }

    package let timeout: String?
    package let deleteLocalData: Bool?
    package let allowUnmanaged: Bool?

    package init(timeout: String? = nil, deleteLocalData: Bool? = nil, allowUnmanaged: Bool? = nil) {
        self.timeout = timeout
        self.deleteLocalData = deleteLocalData
        self.allowUnmanaged = allowUnmanaged
    }

    package struct Output: Codable, Sendable {
        /// By this run; else it was before.
        package let cordoned: Bool
        package let evicted: Int
        /// The first of them by name.
        package let pods: [String]
        /// What was to make them anew, as it was before.
        package let workloads: [WorkloadEntry]
    }

    /// How long one call of `kubectl drain` waits.
    private static let slice = 20
    private static let namesKept = 50

    private var patience: Duration { timeout.flatMap(parseDuration) ?? .seconds(600) }

    package func facts(on target: StepTarget) -> [FactRequest] { NodeFacts.requests(target) }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let (api, node) = try await NodeFacts.node(facts, target)
        let pods = try await facts.read(ClusterPods(api), on: api.master.name).pods(on: node.name)
        let workloads = try await facts.read(ClusterWorkloads(api), on: api.master.name)
        let outlook = DrainOutlook(pods, budgets: workloads.budgets)
        if node.isCordoned, outlook.evicted.isEmpty { return .noop("it is cordoned, and no pod has to leave") }
        if let obstacle = outlook.obstacle(
            deleteLocalData: deleteLocalData ?? false,
            allowUnmanaged: allowUnmanaged ?? false
        ) {
            return .blocked(obstacle)
        }
        let cordon =
            switch (node.isCordoned, node.cordonedBy) {
            case (false, _): ""
            case (true, nil): "\(node.name) is cordoned by somebody else, and stays so; "
            case (true, let run?): "\(node.name) is cordoned by run \(run); "
            }
        return .change([
            PlannedChange(
                cordon + outlook.summary,
                commands: ["kubectl drain \(node.name) " + flags.joined(separator: " ")]
            )
        ])
    }

    private var flags: [String] {
        ["--ignore-daemonsets"] + (deleteLocalData == true ? ["--delete-emptydir-data"] : [])
            + (allowUnmanaged == true ? ["--force"] : [])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let end = context.time.uptime + patience
        let (api, node) = try await NodeFacts.node(context.lookAgain(), context.target)
        let cordon = try await NodeCordon.cordon(node.name, in: context, api)
        let facts = context.lookAgain()
        let before = try await facts.read(ClusterWorkloads(api), on: api.master.name)
        let pods = try await facts.read(ClusterPods(api, on: node.name), on: api.master.name).pods(on: node.name)
        let leaving = DrainOutlook(pods, budgets: before.budgets)
        let owners = Set(leaving.evicted.compactMap(\.owner))
        if !leaving.evicted.isEmpty { try await evict(leaving.evicted.count, from: node.name, in: context, until: end) }
        let isOurs =
            switch cordon {
            case .cordoned: true
            case .wasCordoned(let run): run == context.run.text
            }
        return Output(
            cordoned: isOurs,
            evicted: leaving.evicted.count,
            pods: leaving.evicted.prefix(Self.namesKept).map(\.id),
            workloads: before.workloads.filter { owners.contains($0.workload) }
        )
    }

    /// Calls `kubectl drain` until nothing is left, the time is up, or it says that it never will.
    private func evict(_ count: Int, from node: String, in context: StepContext, until end: Duration) async throws {
        var left = count
        context.progress("\(left == 1 ? "1 pod" : "\(left) pods") to evict")
        var lastProblem: OperatorMessage?
        while true {
            let remaining = (end - context.time.uptime).components.seconds
            do {
                // Chosen anew each time: the master it began with may be gone.
                let api = try await KubernetesAPI.chosen(context.lookAgain(), avoiding: context.target.name)
                let slice = Int(max(1, min(Int64(Self.slice), remaining)))
                let command = Self.command(node, seconds: slice, flags, api)
                let result = try await api.run(command, in: context, deadline: .seconds(slice + 60))
                let answer = DrainAnswer(result)
                if answer.isDone { return }
                if let refusal = answer.refusal { throw DrainRefused(message: refusal) }
                if let pods = answer.pods {
                    left = DrainOutlook(pods, budgets: []).evicted.count
                    context.progress("\(left == 1 ? "1 pod" : "\(left) pods") left")
                }
                lastProblem = answer.complaint.map { OperatorMessage(.stepFailed, $0) }
            } catch let refused as DrainRefused {
                throw refused.message.completed(state: "\(node) stays cordoned; \(count - left) pods were evicted")
            } catch let message as OperatorMessage {
                lastProblem = message
            } catch let error as TransportError where error.kind == .lost {
                lastProblem = OperatorMessage(.unreachable, error.description)
            }
            guard context.time.uptime < end else {
                throw try await late(node, evicted: count - left, lastProblem, in: context)
            }
            try await context.time.sleep(for: .seconds(2))
        }
    }

    /// What keeps the node from being empty at the deadline.
    private func late(
        _ node: String,
        evicted: Int,
        _ problem: OperatorMessage?,
        in context: StepContext
    ) async throws -> OperatorMessage {
        let next = "see to them, then rollbook resume \(context.run); or give up: rollbook abandon \(context.run)"
        let state = "\(node) stays cordoned; \(evicted) pods were evicted"
        do {
            let facts = context.lookAgain()
            let api = try await KubernetesAPI.chosen(facts, avoiding: context.target.name)
            let pods = try await facts.read(ClusterPods(api, on: node), on: api.master.name).pods(on: node)
            let budgets = try await facts.read(ClusterWorkloads(api), on: api.master.name).budgets
            let outlook = DrainOutlook(pods, budgets: budgets)
            let number = outlook.evicted.count
            return OperatorMessage(
                .deadline,
                "after \(patience.brief) \(number == 1 ? "1 pod is" : "\(number) pods are") still there: \(outlook.culprits)",
                state: state,
                next: next
            )
        } catch let error where !(error is CancellationError) {
            let why = problem?.event ?? "nobody knows which pods are left"
            return OperatorMessage(
                .deadline,
                "it is not drained after \(patience.brief): \(why)",
                state: state,
                next: next
            )
        }
    }

    static func command(_ node: String, seconds: Int, _ flags: [String], _ api: KubernetesAPI) -> RemoteCommand {
        api.command(script, ClusterPods.script, with: [node, String(seconds)] + flags)
    }

    /// `$1` node, `$2` seconds, the rest flags; then the pods that are left, by the script that follows.
    private static let script: StaticString = #"""
        node=$1; seconds=$2; shift 2
        calls=$limit; limit=$((seconds + 15))
        K drain "$node" --timeout="${seconds}s" "$@"
        printf 'drain\t%s\n' "$?"
        limit=$calls; set -- "spec.nodeName=$node"

        """#

    package func probe(_ context: StepContext) async throws -> Probe {
        let facts = context.lookAgain()
        let (api, node) = try await NodeFacts.node(facts, context.target)
        guard node.isCordoned else { return .notDone(detail: "it is not cordoned") }
        let pods = try await facts.read(ClusterPods(api, on: node.name), on: api.master.name).pods(on: node.name)
        let left = DrainOutlook(pods, budgets: []).evicted.count
        guard left == 0 else { return .notDone(detail: left == 1 ? "1 pod is left" : "\(left) pods are left") }
        let output = Output(cordoned: node.cordonedBy == context.run.text, evicted: 0, pods: [], workloads: [])
        return .done(output: try JSONValue(encoding: output), detail: "it is cordoned, and no pod has to leave")
    }

    package func undo(_ output: Output, _ context: StepContext) async throws {
        guard output.cordoned else { return }
        try await NodeCordon.takeBack(context)
    }
}

private struct DrainRefused: Error { let message: OperatorMessage }

/// What one call of `kubectl drain` came to, and which pods are left.
struct DrainAnswer {
    /// Nil when they could not be listed.
    let pods: [PodEntry]?
    let complaint: String?
    private let code: Int?

    init(_ result: CommandResult) {
        let answer = ProbeBatch.Answer(exitCode: result.exitCode, output: result.output.bytes)
        pods = try? ClusterPods.read(answer).pods
        complaint = KubernetesAPI.complaint(result.errorOutput.text)
        code = result.output.text.split(separator: "\n").first { $0.hasPrefix("drain\t") }
            .flatMap { Int($0.dropFirst("drain\t".count)) }
    }

    var isDone: Bool { code == 0 }

    /// What no waiting changes.
    var refusal: OperatorMessage? {
        guard let complaint, code != 0 else { return nil }
        if complaint.contains("use --delete-emptydir-data to override") {
            return OperatorMessage(.refused, complaint, next: "if that may be lost: deleteLocalData: true")
        }
        if complaint.contains("use --force to override") {
            return OperatorMessage(.refused, complaint, next: "if they may be gone for good: allowUnmanaged: true")
        }
        return complaint.contains("(NotFound): nodes") ? OperatorMessage(.refused, complaint) : nil
    }
}
