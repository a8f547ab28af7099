package import ClusterModel
import FoundationEssentials
package import Journal

/// What a run will do, decided before anything is done: immutable, and named by the SHA-256 of its bytes.
///
/// Formats are permanent: Format.md of this module says what every field means.
package struct Plan: Sendable, Hashable, Codable {
    /// Version of the plan format this program writes and executes.
    package static let formatVersion = 1

    package let v: Int
    package let program: String
    package let createdAt: UTCMoment
    package let runbook: String
    package let report: RunReport
    package let inputs: [String: String]
    package let bindings: PlanBindings
    package let cluster: Cluster
    package let hosts: [PlannedHost]
    /// Hosts that a person left out with `--without`; nil when none.
    package let without: [HostName]?
    /// Kinds of the runbook whose steps a person left out, sorted; nil when none.
    package let skipped: [String]?
    package let stages: [PlannedStage]
    package let steps: [PlannedStep]

    /// Canonical bytes: keys sorted, no white space, integers only.
    package func bytes() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(self))
    }

    /// Reads a stored plan; a plan of another format is refused with code `stale`, an unreadable one with `integrity`.
    package static func read(_ bytes: [UInt8], from place: String) throws(OperatorMessage) -> Plan {
        struct Head: Decodable { let v: Int }
        let head: Head
        do { head = try JSONDecoder().decode(Head.self, from: Data(bytes)) } catch {
            throw OperatorMessage(.integrity, at: place, "is not a plan")
        }
        guard head.v == formatVersion else {
            throw OperatorMessage(
                .stale,
                at: place,
                "the plan has format \(head.v), this program writes and executes \(formatVersion)",
                next: "make it again with rollbook plan, or use the program that made it"
            )
        }
        do { return try JSONDecoder().decode(Plan.self, from: Data(bytes)) } catch {
            throw OperatorMessage(.integrity, at: place, "the plan cannot be read: \(error)")
        }
    }

    package func steps(ofStage index: Int) -> [PlannedStep] { steps.filter { $0.stage == index } }

    /// Reasons why this plan must not be executed: closed gates and blocked steps where a failure holds the run.
    ///
    /// A host whose identity is in doubt stops everything, whatever could be done on the others.
    package var obstacles: [OperatorMessage] {
        let alarms = hosts.compactMap(\.unreachable).filter { $0.code == .security }
        guard alarms.isEmpty else { return alarms }
        if let risk = BlastRadius(of: self).risk { return [risk] }
        let gates = stages.flatMap(\.require).compactMap(\.closed)
        let blocked = steps.compactMap { step -> OperatorMessage? in
            guard case .blocked(let message) = step.decision else { return nil }
            return stages[step.stage].onFailure == .hold || message.code == .security ? message : nil
        }
        var seen: Set<OperatorMessage> = []
        return (gates + blocked).filter { seen.insert($0).inserted }
    }

    /// Whether executing it would do anything at all.
    package var hasChanges: Bool { steps.contains { !$0.decision.isNothingToDo } }
}

/// What the plan was computed from; a saved plan is refused when one of them is another now.
package struct PlanBindings: Sendable, Hashable, Codable {
    package let inventory: String
    package let runbook: String
    package let knownHosts: String
    /// Digests of the runbooks it includes, at any depth, by name.
    package let includes: [String: String]
    /// Absolute path of the runbook when a person named a file; nil when it is found by its name.
    package let runbookFile: String?

    package init(
        inventory: String,
        runbook: String,
        knownHosts: String,
        includes: [String: String] = [:],
        runbookFile: String? = nil
    ) {
        self.runbookFile = runbookFile
        self.inventory = inventory
        self.runbook = runbook
        self.knownHosts = knownHosts
        self.includes = includes
    }

    /// The same with the runbooks that turned out to be included.
    func adding(_ included: [String: String]) -> PlanBindings {
        PlanBindings(
            inventory: inventory,
            runbook: runbook,
            knownHosts: knownHosts,
            includes: included,
            runbookFile: runbookFile
        )
    }
}

/// A host the plan touches, and the machine it was when the plan was made.
package struct PlannedHost: Sendable, Hashable, Codable {
    package let name: HostName
    package let machineID: String?
    /// Why it could not be read, when it could not.
    package let unreachable: OperatorMessage?
}

/// Steps on some hosts, in batches.
package struct PlannedStage: Sendable, Hashable, Codable {
    package let name: String
    package let onFailure: RunbookStage.FailurePolicy
    /// Hosts of each batch; a batch begins when the one before ended and its gates are open.
    package let batches: [[HostName]]
    /// Hosts at the same time within a batch; 0 is the program's limit.
    package let parallel: Int
    /// Hosts that may fail before nothing new begins; nil for what `onFailure` says.
    package let maxFailures: Int?
    package let require: [PlannedGate]
    package let gates: [PlannedGate]
}

/// A gate, and how it stood when the plan was made.
package struct PlannedGate: Sendable, Hashable, Codable {
    package let kind: String
    package let parameters: [String: JSONValue]
    package let detail: String?
    package let remarks: [String]
    package let closed: OperatorMessage?
}

/// One step on one host.
package struct PlannedStep: Sendable, Hashable, Codable {
    package enum Outlook: Sendable, Hashable {
        case noop(reason: String)
        /// Nothing is done about what the reason says, and a person should know.
        case warning(reason: String)
        case change([PlannedChange])
        case unknown(until: String)
        case blocked(OperatorMessage)

        /// Facts read now decide nothing then.
        var isDecidedLater: Bool { if case .unknown = self { true } else { false } }

        var isNothingToDo: Bool {
            switch self {
            case .noop, .warning: true
            case .change, .unknown, .blocked: false
            }
        }
    }

    package let id: StepID
    package let stage: Int
    package let host: HostName
    package let kind: String
    package let parameters: [String: JSONValue]
    package let stepClass: StepClass
    package let reversal: Reversal
    /// Its host serves less while it runs; nil for no.
    package let takesHostAway: Bool?
    /// Stopping the whole cluster is what the runbook is for; nil for no.
    package let outage: Bool?
    package internal(set) var decision: Outlook
    package internal(set) var preconditions: [Precondition]

    func withNothingToDo(because reason: String) -> Self {
        var step = self
        step.decision = .noop(reason: reason)
        return step
    }
}
