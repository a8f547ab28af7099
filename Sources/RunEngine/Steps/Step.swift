package import ClusterModel
package import Journal
import RemoteShell

/// What can be taken back of a step.
package enum Reversal: Sendable, Hashable {
    case undoable
    case nothingToUndo
    case irreversible(reason: String)
}

/// A typed action.
///
/// Its stored properties are its parameters, as runbooks give them under `with:`.
///
/// A step file reads top to bottom: parameters, facts, decide, perform, probe, undo.
package protocol Step: Codable, Sendable {
    associatedtype Output: Codable & Sendable
    /// The permanent kind and the parameters it takes: journals and plans refer to it.
    static var signature: KindSignature { get }
    static var stepClass: StepClass { get }
    static var reversal: Reversal { get }
    /// What the engine has to know of this step; by default what its kind says.
    var traits: StepTraits { get }
    /// What of its host the step is about, such as `file /etc/hosts`; by default nothing that other steps change.
    var subjects: [StepSubject] { get }

    /// The parameters with what is taken from the controller once, when the plan is made; `location` is the step's in its runbook.
    ///
    /// Also the place to refuse values that no host could make right.
    static func completed(
        _ parameters: [String: JSONValue],
        at location: SourceLocation,
        _ views: StepServices
    ) throws -> [String: JSONValue]

    /// The facts `decide` will ask for; read ahead, all of a host in one round trip.
    func facts(on target: StepTarget) -> [FactRequest]
    /// Decides from facts alone what there is to do.
    func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision
    func perform(_ context: StepContext) async throws -> Output
    /// Answers for an attempt whose outcome is not known.
    func probe(_ context: StepContext) async throws -> Probe
    func undo(_ output: Output, _ context: StepContext) async throws
}

extension Step {
    package static var reversal: Reversal { .nothingToUndo }
    package var traits: StepTraits { StepTraits(Self.stepClass, Self.reversal) }
    package var subjects: [StepSubject] { [] }
    package static func completed(
        _ parameters: [String: JSONValue],
        at location: SourceLocation,
        _ views: StepServices
    ) throws -> [String: JSONValue] { parameters }
    package func facts(on target: StepTarget) -> [FactRequest] { [] }
    package func undo(_ output: Output, _ context: StepContext) async throws {}
}

/// What a step is for, when it is only there for the sake of other steps of its stage on its host.
package enum StepPurpose: Sendable, Hashable {
    /// Makes room for them, as a drain does: where there are some and they have nothing to do, neither has it.
    case preparation
    /// Takes a preparation back, as an uncordon does: where nothing was prepared, only what is there already is mended.
    case restoration
}

/// Something of a host that several steps of a plan may be about.
///
/// What an earlier step of the plan is going to change cannot be decided on beforehand: the later step is then planned as known only
/// after the earlier one, and decided at its turn. After a step that may change anything that is so where a later one has nothing to
/// do, or is refused.
package enum StepSubject: Sendable, Hashable {
    /// One thing by its name.
    case thing(String)
    /// It may change anything, and whatever others change may be what it is about.
    case anything
}

/// How the engine may treat a step.
package struct StepTraits: Sendable, Hashable {
    package var stepClass: StepClass
    package var reversal: Reversal
    /// Whether it changes what runs on its host, or what will: then the run must own the host (the fence).
    package var changesHost: Bool
    /// Whether its host serves less while it runs: then quorum and the load balancer pair are minded.
    package var takesHostAway: Bool
    /// Whether it is part of stopping the whole cluster on purpose: then all may be away, and the plan says so.
    package var isOutage: Bool
    /// Nil for a step that is done for its own sake.
    package var purpose: StepPurpose?

    package init(
        _ stepClass: StepClass,
        _ reversal: Reversal = .nothingToUndo,
        changesHost: Bool? = nil,
        takesHostAway: Bool = false,
        isOutage: Bool = false,
        purpose: StepPurpose? = nil
    ) {
        self.stepClass = stepClass
        self.reversal = reversal
        self.changesHost = changesHost ?? (stepClass != .read)
        self.takesHostAway = takesHostAway
        self.isOutage = isOutage
        self.purpose = purpose
    }
}

/// Where a step acts: a host of the inventory, or the controller when `host` is nil.
package struct StepTarget: Sendable {
    package let host: Host?
    package let cluster: Cluster
    /// Hosts that a person left out of the plan (`--without`): a step that minds hosts besides its own does without them.
    package let without: [HostName]

    package init(host: Host?, cluster: Cluster, without: [HostName] = []) {
        self.host = host
        self.cluster = cluster
        self.without = without
    }

    package var name: HostName { host?.name ?? .controller }
}

/// The verdict of `decide`.
package enum Decision: Sendable, Hashable {
    /// Nothing to do, and why not.
    case noop(String)
    /// Something is not as it should be, and policy lets it pass: nothing is done about it.
    case warning(String)
    case change([PlannedChange])
    /// It cannot be known before the named step ran.
    case unknown(until: String)
    case blocked(OperatorMessage)
    /// It is refused as things are; a step of `kind` that the plan has before it, on whatever host, is there to mend that.
    case blockedUntil(kind: String, OperatorMessage)
}

/// One thing a step will do, as a person reads it in the plan.
package struct PlannedChange: Sendable, Hashable, Codable {
    package let summary: String
    /// Lines that begin with `+`, `-` or a space.
    package let diff: [String]
    /// The commands it will send, secrets never in them.
    package let commands: [String]

    package init(_ summary: String, diff: [String] = [], commands: [String] = []) {
        self.summary = summary
        self.diff = diff
        self.commands = commands
    }
}

/// The answer to "was it done?" after an outcome was lost.
package enum Probe: Sendable {
    /// It was done; the output is what `perform` would have returned.
    case done(output: JSONValue, detail: String)
    case notDone(detail: String)
    case cannotTell(detail: String)
}

/// A condition on facts.
package protocol Gate: Codable, Sendable {
    static var signature: KindSignature { get }
    func facts(in cluster: Cluster) -> [FactRequest]
    func evaluate(_ facts: any FactReader) async throws -> GateVerdict
    /// The verdict after a batch of a stage; `batch` are its hosts, in the order of the inventory.
    ///
    /// By default the same as anywhere else. A condition on the hosts just changed (a node is Ready at its new version) is judged here.
    func evaluate(_ facts: any FactReader, after batch: [HostName]) async throws -> GateVerdict
}

extension Gate {
    package func evaluate(_ facts: any FactReader, after batch: [HostName]) async throws -> GateVerdict {
        try await evaluate(facts)
    }
}

package enum GateVerdict: Sendable, Hashable {
    /// The condition holds; remarks are what a person should know all the same.
    case open(detail: String, remarks: [String])
    /// It does not hold; the message names what it waits for.
    case closed(OperatorMessage)
}
