package import ClusterModel
import Journal

/// Makes plans out of a runbook, a cluster and facts.
///
/// It can only read.
package struct Planner: Sendable {
    private let cluster: Cluster
    private let registry: StepRegistry
    private let facts: FactCache
    private let views: StepServices
    private let includes: @Sendable (String) throws -> Runbook

    /// `views` are read-only views of the controller for `decide`; `includes` finds a runbook that another one includes.
    package init(
        cluster: Cluster,
        registry: StepRegistry,
        facts: FactCache,
        views: StepServices,
        includes: @escaping @Sendable (String) throws -> Runbook
    ) {
        self.cluster = cluster
        self.registry = registry
        self.facts = facts
        self.views = views
        self.includes = includes
    }

    /// Everything a plan is made of besides cluster and facts; given by the caller so that equal inputs give equal bytes.
    package struct Request: Sendable {
        package let runbook: Runbook
        package let inputs: [String: String]
        package let bindings: PlanBindings
        package let program: String
        package let moment: UTCMoment
        /// Only these of the hosts that the stages pick; steps on the controller stay.
        package let limit: HostSelector?
        /// Hosts left out of every stage: away, and not to be waited for.
        package let without: [HostName]
        /// Kinds whose steps are left out.
        package let skipped: Set<String>

        package init(
            runbook: Runbook,
            inputs: [String: String],
            bindings: PlanBindings,
            program: String,
            moment: UTCMoment,
            limit: HostSelector? = nil,
            without: [HostName] = [],
            skipped: Set<String> = []
        ) {
            self.skipped = skipped
            self.without = without
            self.limit = limit
            self.runbook = runbook
            self.inputs = inputs
            self.bindings = bindings
            self.program = program
            self.moment = moment
        }
    }

    /// Computes the plan.
    ///
    /// - Throws: `OperatorMessage` with code `invalidInput` or `usage` when runbook, inputs and inventory do not fit;
    ///   what hosts say or fail to say never throws but becomes part of the plan.
    package func plan(_ request: Request) async throws -> Plan {
        let inputs = try InputValues(declared: request.runbook.inputs, given: request.inputs)
        var included: [String: String] = [:]
        let drafts = try draft(
            try flatten(request.runbook, noting: &included),
            inputs: inputs,
            limit: request.limit,
            without: request.without,
            skipped: request.skipped
        )
        let identities = drafts.flatMap(\.hosts).map { FactRequest(HostIdentity(), on: $0.name) }
        let wanted = drafts.flatMap { $0.steps.flatMap { $0.step.facts(on: $0.target) } + $0.requireFacts }
        await facts.prefetch(identities + wanted)

        var stages: [PlannedStage] = []
        var steps: [PlannedStep] = []
        var changes = PlannedSubjects()
        for draft in drafts {
            stages.append(
                PlannedStage(
                    name: draft.source.name,
                    onFailure: draft.source.onFailure,
                    batches: draft.batches,
                    parallel: draft.cap,
                    maxFailures: draft.maxFailures,
                    require: try await gates(draft.require, evaluate: true),
                    gates: try await gates(draft.gates, evaluate: false)
                )
            )
            var decided: [PlannedStep] = []
            for step in draft.steps {
                decided.append(changes.judge(try await decide(step, after: changes.kinds), step.step))
            }
            steps += Self.withoutVainPreparations(decided, draft.steps.map(\.step.traits.purpose))
        }
        steps = Self.withoutVainStages(steps, drafts.map(\.source.isPreparation))
        let touched = try await hosts(of: drafts)
        return Plan(
            v: Plan.formatVersion,
            program: request.program,
            createdAt: request.moment,
            runbook: request.runbook.name,
            report: request.runbook.report,
            inputs: inputs.values,
            bindings: request.bindings.adding(included),
            cluster: cluster.asPlanned,
            hosts: touched,
            without: without(request),
            skipped: request.skipped.isEmpty ? nil : request.skipped.sorted(),
            stages: stages,
            steps: steps
        )
    }

    private func without(_ request: Request) -> [HostName]? {
        let left = cluster.hosts.map(\.name).filter(request.without.contains)
        return left.isEmpty ? nil : left
    }

    private func hosts(of drafts: [StageDraft]) async throws -> [PlannedHost] {
        let names = Set(drafts.flatMap(\.hosts).map(\.name))
        var planned: [PlannedHost] = []
        for host in cluster.hosts where names.contains(host.name) {
            let reader = RecordingFactReader(cluster: cluster, cache: facts, views: views)
            do {
                let identity = try await reader.read(HostIdentity(), on: host.name)
                planned.append(PlannedHost(name: host.name, machineID: identity.machineID, unreachable: nil))
            } catch {
                planned.append(PlannedHost(name: host.name, machineID: nil, unreachable: error.message))
            }
        }
        return planned
    }

    /// A step as facts read now decide it; `mended` are the kinds of which the plan has a step with something to do already.
    private func decide(_ draft: StepDraft, after mended: Set<String>) async throws -> PlannedStep {
        let reader = RecordingFactReader(cluster: cluster, cache: facts, views: views)
        let decision = await Self.decision(of: draft.step, reader, draft.target)
        let traits = draft.step.traits
        let outlook: PlannedStep.Outlook =
            switch decision {
            case .noop(let reason): .noop(reason: reason)
            case .warning(let reason): .warning(reason: reason)
            case .change(let changes): .change(changes)
            case .unknown(let step): .unknown(until: step)
            case .blockedUntil(let kind, _) where mended.contains(kind): .unknown(until: kind)
            case .blocked(let message), .blockedUntil(_, let message):
                .blocked(message.completed(place: "\(draft.target.name)/\(draft.call.kind)"))
            }
        return PlannedStep(
            id: draft.id,
            stage: draft.stage,
            host: draft.target.name,
            kind: draft.call.kind,
            parameters: draft.parameters,
            stepClass: traits.stepClass,
            reversal: traits.reversal,
            takesHostAway: traits.takesHostAway ? true : nil,
            outage: traits.isOutage ? true : nil,
            decision: outlook,
            preconditions: outlook.isDecidedLater ? [] : reader.preconditions
        )
    }

    /// A decision, with everything that can be thrown on the way turned into `blocked`.
    static func decision(of step: any Step, _ reader: any FactReader, _ target: StepTarget) async -> Decision {
        do { return try await step.decide(reader, on: target) } catch let failure as FactFailure {
            return .blocked(failure.message)
        } catch let message as OperatorMessage {
            return .blocked(message)
        } catch {
            return .blocked(OperatorMessage(.fault, "\(error)"))
        }
    }

    private func gates(_ calls: [ResolvedGate], evaluate: Bool) async throws -> [PlannedGate] {
        var planned: [PlannedGate] = []
        for call in calls {
            var detail: String?
            var remarks: [String] = []
            var closed: OperatorMessage?
            if evaluate {
                switch await Self.verdict(
                    of: call.gate,
                    RecordingFactReader(cluster: cluster, cache: facts, views: views)
                ) {
                case .open(let text, let notes): (detail, remarks) = (text, notes)
                case .closed(let message): closed = message.completed(place: call.kind)
                }
            }
            planned.append(
                PlannedGate(
                    kind: call.kind,
                    parameters: call.parameters,
                    detail: detail,
                    remarks: remarks,
                    closed: closed
                )
            )
        }
        return planned
    }

    /// A gate's verdict; a fact it cannot read closes it.
    static func verdict(
        of gate: any Gate,
        _ reader: any FactReader,
        after batch: [HostName]? = nil
    ) async -> GateVerdict {
        do {
            guard let batch else { return try await gate.evaluate(reader) }
            return try await gate.evaluate(reader, after: batch)
        } catch let failure as FactFailure {
            return .closed(failure.message)
        } catch let message as OperatorMessage {
            return .closed(message)
        } catch {
            return .closed(OperatorMessage(.fault, "\(error)"))
        }
    }

    /// The stages of a runbook with those of included ones in their place; notes the digest of every included one.
    private func flatten(
        _ runbook: Runbook,
        within outer: [String] = [],
        noting digests: inout [String: String]
    ) throws
        -> [RunbookStage]
    {
        guard !outer.contains(runbook.name) else {
            throw OperatorMessage(.invalidInput, at: runbook.name, "runbooks include each other in a circle")
        }
        var stages: [RunbookStage] = []
        for stage in runbook.stages {
            if let name = stage.include {
                let included = try includes(name)
                digests[name] = included.digest
                let inner = try flatten(included, within: outer + [runbook.name], noting: &digests)
                stages += inner.map { $0.standing(for: stage) }
            } else {
                stages.append(stage)
            }
        }
        return stages
    }

    private func draft(
        _ stages: [RunbookStage],
        inputs: InputValues,
        limit: HostSelector?,
        without: [HostName],
        skipped: Set<String>
    ) throws -> [StageDraft] {
        var allowed = Set(cluster.hosts.map(\.name))
        do { if let limit { allowed.formIntersection(try limit.hosts(in: cluster).map(\.name)) } } catch {
            throw OperatorMessage(.usage, at: "--on", "\(error)")
        }
        for name in without where cluster.host(named: name) == nil {
            throw OperatorMessage(.usage, at: "--without", "the inventory has no host \(name)")
        }
        allowed.subtract(without)
        var used: [String: Int] = [:]
        return try stages.enumerated().map { index, stage in
            try StageDraft(
                stage,
                index: index,
                cluster: cluster,
                registry: registry,
                inputs: inputs,
                views: views,
                allowed: allowed,
                without: without,
                skipped: skipped,
                used: &used
            )
        }
    }
}
