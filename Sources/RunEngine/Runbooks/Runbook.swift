package import ClusterModel

/// A runbook: inputs, then stages of steps on selectors.
///
/// The typed form of a YAML file, not yet bound to a cluster.
package struct Runbook: Sendable, Hashable {
    package let name: String
    package let summary: String
    package let inputs: [RunbookInput]
    package let stages: [RunbookStage]
    /// What to tell the outside world after each run of it, whatever the outcome.
    package let report: RunReport
    /// `sha256:…` of the file's bytes; plans bind it.
    package let digest: String

    package init(
        name: String,
        summary: String,
        inputs: [RunbookInput] = [],
        stages: [RunbookStage],
        report: RunReport = .none,
        digest: String
    ) {
        self.name = name
        self.summary = summary
        self.inputs = inputs
        self.stages = stages
        self.report = report
        self.digest = digest
    }
}

/// Which figures and pings follow a run.
package enum RunReport: String, Sendable, Hashable, Codable, CaseIterable {
    case none
    /// Metrics and dead-man ping of the inventory's backup policy.
    case backup
}

/// A value a person may give with `--set name=value`.
package struct RunbookInput: Sendable, Hashable {
    package let name: String
    package let type: ParameterType
    package let isRequired: Bool
    package let defaultValue: String?
    package let summary: String?

    package init(
        name: String,
        type: ParameterType,
        isRequired: Bool = false,
        defaultValue: String? = nil,
        summary: String? = nil
    ) {
        self.name = name
        self.type = type
        self.isRequired = isRequired
        self.defaultValue = defaultValue
        self.summary = summary
    }
}

/// Steps on the hosts of one selector.
package struct RunbookStage: Sendable, Hashable {
    /// How many hosts work at the same time.
    package enum Pace: Sendable, Hashable {
        /// Batches of these sizes, the last one repeated; each is a count or a percentage of the stage's hosts.
        case serial([HostShare])
        /// All hosts, at most this many at once (nil: the program's limit).
        case parallel(cap: Int?)
    }

    package enum FailurePolicy: String, Sendable, Hashable, Codable, CaseIterable {
        /// Stop scheduling; the rest of the run is held.
        case hold
        /// Other hosts and later stages go on; the run ends as partial.
        case `continue`
    }

    package private(set) var name: String
    package let selector: String
    package let pace: Pace
    package private(set) var onFailure: FailurePolicy
    /// How many hosts may fail while the others go on; nil for what `onFailure` says.
    package private(set) var maxFailures: HostShare?
    /// Conditions that must hold when the stage is about to begin; a closed one refuses the run.
    package let require: [StepCall]
    /// Conditions waited for after each batch.
    package let gates: [StepCall]
    package let steps: [StepCall]
    /// Another runbook whose stages stand here instead of steps.
    package let include: String?
    /// Whether it is there for the sake of the other stages alone: where none of them has anything to do, neither has it.
    package private(set) var isPreparation: Bool
    package let location: SourceLocation

    package init(
        name: String,
        selector: String,
        pace: Pace = .parallel(cap: nil),
        onFailure: FailurePolicy = .hold,
        maxFailures: HostShare? = nil,
        require: [StepCall] = [],
        gates: [StepCall] = [],
        steps: [StepCall],
        include: String? = nil,
        isPreparation: Bool = false,
        location: SourceLocation
    ) {
        self.isPreparation = isPreparation
        self.name = name
        self.selector = selector
        self.pace = pace
        self.onFailure = onFailure
        self.maxFailures = maxFailures
        self.require = require
        self.gates = gates
        self.steps = steps
        self.include = include
        self.location = location
    }
}

extension RunbookStage {
    /// The stage as it stands in the place of one that includes its runbook: told apart by that one's name, as much needed, and as
    /// patient.
    func standing(for outer: RunbookStage) -> RunbookStage {
        var stage = self
        stage.name = "\(outer.name): \(name)"
        stage.isPreparation = isPreparation || outer.isPreparation
        if outer.onFailure == .continue { (stage.onFailure, stage.maxFailures) = (.continue, nil) }
        return stage
    }
}

/// A part of a stage's hosts: a count, or a percentage that is rounded down.
package enum HostShare: Sendable, Hashable {
    case count(Int)
    case percent(Int)

    package func hosts(of total: Int) -> Int {
        switch self {
        case .count(let count): count
        case .percent(let percent): total * percent / 100
        }
    }
}

/// `{ uses: kind, with: {…} }` of a runbook: a step or a gate by its permanent name.
///
/// Texts in `parameters` may still hold `${inputs.x}` and `${host.x}`; the planner substitutes them.
package struct StepCall: Sendable, Hashable {
    package let kind: String
    package let parameters: [String: JSONValue]
    package let location: SourceLocation

    package init(kind: String, parameters: [String: JSONValue] = [:], location: SourceLocation) {
        self.kind = kind
        self.parameters = parameters
        self.location = location
    }
}
