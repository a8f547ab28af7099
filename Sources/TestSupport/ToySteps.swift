package import ClusterModel
package import Journal
package import RemoteShell
package import RunEngine

/// A text on a simulated host.
package struct ToyValue: Fact {
    package static let name = "toy.value"
    package let key: String

    package init(_ key: String) { self.key = key }

    package var command: RemoteCommand { RemoteCommand(ToyCommand.get, [key], as: .login) }

    package func parse(_ answer: ProbeBatch.Answer) throws -> String? {
        switch answer.exitCode {
        case 0: answer.text
        case 3: nil
        default: throw OperatorMessage(.refused, "the toy said \(answer.exitCode)")
        }
    }

    /// An absent value binds nothing; what comes later does not make a plan stale.
    package func bound(_ value: String?) throws -> JSONValue? { value.map { .string($0) } }
}

/// `toy.read`: class read; its output is the value.
package struct ToyRead: Step {
    package static let signature = KindSignature(
        kind: "toy.read",
        summary: "",
        parameters: [Parameter("key", .string, required: true, "")]
    )
    package static let stepClass = StepClass.read
    package let key: String

    package func facts(on target: StepTarget) -> [FactRequest] { [FactRequest(ToyValue(key), on: target.name)] }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        _ = try await facts.read(ToyValue(key), on: target.name)
        return .change([PlannedChange("read \(key)")])
    }

    package func perform(_ context: StepContext) async throws -> String? {
        let answer = try await context.connection.run(ToyValue(key).command)
        return try ToyValue(key).parse(ProbeBatch.Answer(exitCode: answer.exitCode, output: answer.output.bytes))
    }

    package func probe(_ context: StepContext) async throws -> Probe { .notDone(detail: "read again") }
}

/// `toy.set`: class idempotent; nothing to do when the value is there, and nothing to undo.
package struct ToySet: Step {
    package static let signature = KindSignature(
        kind: "toy.set",
        summary: "",
        parameters: [
            Parameter("key", .string, required: true, ""), Parameter("value", .string, required: true, ""),
        ]
    )
    package static let stepClass = StepClass.idempotent
    package static let reversal = Reversal.undoable
    package let key: String
    package let value: String

    package func facts(on target: StepTarget) -> [FactRequest] { [FactRequest(ToyValue(key), on: target.name)] }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let present = try await facts.read(ToyValue(key), on: target.name)
        if present == value { return .noop("\(key) is \(value) already") }
        if let present, present.hasPrefix("forbidden") {
            let next = present.split(separator: "; next: ").dropFirst().first.map(String.init)
            return .blocked(OperatorMessage(.refused, "\(key) must not be changed", next: next))
        }
        return .change([PlannedChange("set \(key)", diff: ["- \(present ?? "")", "+ \(value)"])])
    }

    package func perform(_ context: StepContext) async throws -> String {
        let result = try await context.connection.run(RemoteCommand(ToyCommand.set, [key, value]))
        guard result.succeeded else { throw OperatorMessage(.stepFailed, "the toy cannot be set") }
        return value
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        let present = try await context.facts.read(ToyValue(key), on: context.target.name)
        return present == value
            ? .done(output: .string(value), detail: "it is set") : .notDone(detail: "it is not set")
    }
}

/// `toy.add`: class guarded; doing it twice would show.
package struct ToyAdd: Step {
    package static let signature = KindSignature(
        kind: "toy.add",
        summary: "",
        parameters: [
            Parameter("key", .string, required: true, ""), Parameter("entry", .string, required: true, ""),
            Parameter("fails", .boolean, ""), Parameter("reads", .string, ""), Parameter("outage", .boolean, ""),
        ]
    )
    package static let stepClass = StepClass.guarded
    package static let reversal = Reversal.irreversible(reason: "what is added stays")
    package var traits: StepTraits { StepTraits(Self.stepClass, Self.reversal, isOutage: outage ?? false) }
    package let key: String
    package let entry: String
    package let fails: Bool?
    /// A value the decision relies on.
    package let reads: String?
    package let outage: Bool?

    package func facts(on target: StepTarget) -> [FactRequest] {
        reads.map { [FactRequest(ToyValue($0), on: target.name)] } ?? []
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        if let reads { _ = try await facts.read(ToyValue(reads), on: target.name) }
        return .change([PlannedChange("add \(entry) to \(key)")])
    }

    package func perform(_ context: StepContext) async throws -> String {
        let command =
            fails == true ? RemoteCommand(ToyCommand.fail) : RemoteCommand(ToyCommand.add, [key, entry])
        let outcome = try await context.guarded(command, deadline: .seconds(120)) {
            $0.isEmpty ? nil : "it says: \($0)"
        }
        guard outcome.exitCode == 0 else {
            throw OperatorMessage(.stepFailed, "the toy said \(outcome.exitCode)", next: "look at the toy")
        }
        return outcome.text
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        let present = try await context.facts.read(ToyValue(key), on: context.target.name) ?? ""
        return present.split(separator: ";").contains(Substring(entry))
            ? .done(output: .string("added \(entry)"), detail: "the entry is there") : .notDone(detail: "no such entry")
    }
}

/// `toy.add-twice`: class guarded, two operations in one step.
package struct ToyAddTwice: Step {
    package static let signature = KindSignature(
        kind: "toy.add-twice",
        summary: "",
        parameters: [Parameter("key", .string, required: true, "")]
    )
    package static let stepClass = StepClass.guarded
    package let key: String

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision { .change([]) }

    package func perform(_ context: StepContext) async throws -> String {
        for part in ["first", "second"] {
            let command = RemoteCommand(ToyCommand.add, [key, part])
            _ = try await context.guarded(command, part: part, deadline: .seconds(120))
        }
        return "both"
    }

    package func probe(_ context: StepContext) async throws -> Probe { .cannotTell(detail: "there are two parts") }
}

/// `toy.turn`: class manual; sent without a record, so only a person can say what came of it.
package struct ToyTurn: Step {
    package static let signature = KindSignature(
        kind: "toy.turn",
        summary: "",
        parameters: [
            Parameter("key", .string, required: true, ""),
            Parameter("probe", .choice(["done", "notDone", "cannotTell"]), ""),
        ]
    )
    package static let stepClass = StepClass.manual
    package let key: String
    package let probe: String?

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        .change([PlannedChange("turn \(key)")])
    }

    package func perform(_ context: StepContext) async throws -> String {
        _ = try await context.connection.run(RemoteCommand(ToyCommand.add, [key, "turned"]))
        return "turned"
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        switch probe {
        case "done": .done(output: .string("turned"), detail: "it looks turned")
        case "notDone": .notDone(detail: "it looks as before")
        default: .cannotTell(detail: "a key looks the same from all sides")
        }
    }
}

/// `toy.after`: what it has to do is known only when an earlier step ran.
package struct ToyAfter: Step {
    package static let signature = KindSignature(
        kind: "toy.after",
        summary: "",
        parameters: [
            Parameter("key", .string, required: true, ""), Parameter("serves", .choice(["before", "after"]), ""),
        ]
    )
    package static let stepClass = StepClass.idempotent
    package var traits: StepTraits {
        StepTraits(Self.stepClass, purpose: serves.map { $0 == "before" ? .preparation : .restoration })
    }
    package let key: String
    package let serves: String?

    package func facts(on target: StepTarget) -> [FactRequest] { [FactRequest(ToyValue(key), on: target.name)] }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        switch try await facts.read(ToyValue(key), on: target.name) {
        case nil: .unknown(until: "toy.set")
        case "done": .noop("done already")
        case "doubtful": .warning("it is doubtful")
        case "forbidden": .blocked(OperatorMessage(.refused, "it is forbidden"))
        default: .change([PlannedChange("copy \(key)")])
        }
    }

    package func perform(_ context: StepContext) async throws -> String {
        _ = try await context.connection.run(RemoteCommand(ToyCommand.set, ["after", "copied"]))
        return "copied"
    }

    package func probe(_ context: StepContext) async throws -> Probe { .notDone(detail: "copied again") }
}

/// `toy.is`: open when a value is as wanted on every host that has the key's role.
package struct ToyGate: Gate {
    package static let signature = KindSignature(
        kind: "toy.is",
        summary: "",
        parameters: [
            Parameter("key", .string, required: true, ""), Parameter("value", .string, required: true, ""),
        ]
    )
    package let key: String
    package let value: String

    package func facts(in cluster: Cluster) -> [FactRequest] {
        cluster.hosts(in: .master).map { FactRequest(ToyValue(key), on: $0.name) }
    }

    package func evaluate(_ facts: any FactReader) async throws -> GateVerdict {
        for host in facts.cluster.hosts(in: .master) {
            let present = try await facts.read(ToyValue(key), on: host.name)
            guard present == value else {
                return .closed(OperatorMessage(.refused, "\(key) of \(host.name) is \(present ?? "nothing")"))
            }
        }
        return .open(detail: "\(key) is \(value)", remarks: [])
    }

    package func evaluate(_ facts: any FactReader, after batch: [HostName]) async throws -> GateVerdict {
        guard case .open(let detail, _) = try await evaluate(facts) else { return try await evaluate(facts) }
        return .open(detail: "\(detail) after \(batch.map(\.text).joined(separator: ", "))", remarks: [])
    }
}

extension StepRegistry {
    package static var toys: StepRegistry {
        var registry = StepRegistry()
        registry.register(ToyRead.self)
        registry.register(ToySet.self)
        registry.register(ToyHold.self)
        registry.register(ToyAdd.self)
        registry.register(ToyAddTwice.self)
        registry.register(ToyTurn.self)
        registry.register(ToyAfter.self)
        registry.register(ToyGate.self)
        return registry
    }
}
