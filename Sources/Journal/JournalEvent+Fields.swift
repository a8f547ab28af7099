import ClusterModel

// The fields of every type, written and read: one function each way, so that they can be compared line by line with
// Format.md.

extension JournalEvent {
    /// The fields of this type, without those every record has.
    var fields: [String: JSONValue] {
        switch self {
        case .runBegin(let begin): begin.fields
        case .runResumed(let resumed): resumed.fields
        case .lockTaken(let taken): ["epoch": .integer(taken.epoch)]
        case .stepIntent(let intent): intent.fields
        case .stepOutcome(let outcome): outcome.fields
        case .stepProbe(let probe): probe.fields
        case .stepResolved(let resolved): resolved.fields
        case .stageGate(let gate): gate.fields
        case .note(let note): ["kind": .string(note.kind), "detail": note.detail]
        case .runInterrupted(let interrupted): ["signal": .string(interrupted.signal.rawValue)]
        case .runEnd(let end): end.fields
        }
    }

    /// Reads the fields of `type`; nil when version 1 has no such type.
    init?(type: String, fields: RecordFields) throws(MalformedRecord) {
        switch type {
        case "run.begin": self = .runBegin(try RunBegin(fields))
        case "run.resumed": self = .runResumed(try RunResumed(fields))
        case "lock.taken": self = .lockTaken(LockTaken(epoch: try fields.integer("epoch")))
        case "step.intent": self = .stepIntent(try StepIntent(fields))
        case "step.outcome": self = .stepOutcome(try StepOutcome(fields))
        case "step.probe": self = .stepProbe(try StepProbe(fields))
        case "step.resolved": self = .stepResolved(try StepResolved(fields))
        case "stage.gate": self = .stageGate(try StageGate(fields))
        case "note": self = .note(Note(kind: try fields.string("kind"), detail: try fields.value("detail")))
        case "run.interrupted": self = .runInterrupted(RunInterrupted(signal: try fields.choice("signal")))
        case "run.end": self = .runEnd(try RunEnd(fields))
        default: return nil
        }
    }
}

extension Operator {
    fileprivate var fields: [String: JSONValue] {
        ["program": .string(program), "host": .string(host), "user": .string(user), "pid": .integer(pid)]
    }

    fileprivate init(_ fields: RecordFields) throws(MalformedRecord) {
        self.init(
            program: try fields.string("program"),
            host: try fields.string("host"),
            user: try fields.string("user"),
            pid: try fields.integer("pid")
        )
    }
}

extension RunBegin {
    fileprivate var fields: [String: JSONValue] {
        var fields = by.fields
        fields["plan"] = .hash(plan)
        fields["cluster"] = .string(cluster.text)
        fields["runbook"] = .string(runbook)
        fields["steps"] = .integer(steps)
        if let previous {
            fields["previousRun"] = .string(previous.run.text)
            fields["previousHead"] = .hash(previous.head)
        }
        return fields
    }

    fileprivate init(_ fields: RecordFields) throws(MalformedRecord) {
        var previous: RunWitness?
        switch (try fields.optionalString("previousRun"), try fields.optionalString("previousHead")) {
        case (nil, nil): break
        case (.some, .some):
            previous = RunWitness(
                run: try fields.parsed("previousRun") { RunID($0) },
                head: try fields.hash("previousHead")
            )
        default: throw MalformedRecord(reason: "'previousRun' and 'previousHead' must come together")
        }
        self.init(
            plan: try fields.hash("plan"),
            by: try Operator(fields),
            cluster: try fields.parsed("cluster") { ClusterID($0) },
            runbook: try fields.string("runbook"),
            steps: try fields.integer("steps"),
            previous: previous
        )
    }
}

extension RunResumed {
    fileprivate var fields: [String: JSONValue] {
        var fields = by.fields
        fields["purpose"] = .string(purpose.rawValue)
        fields["cuts"] = .array(
            cuts.map {
                .object(["file": .string($0.file), "bytes": .integer($0.bytes), "sha256": .hash($0.sha256)])
            }
        )
        return fields
    }

    fileprivate init(_ fields: RecordFields) throws(MalformedRecord) {
        var cuts: [JournalCut] = []
        for element in try fields.array("cuts") {
            let cut = try RecordFields(element, as: "a member of 'cuts'")
            cuts.append(
                JournalCut(
                    file: try cut.string("file"),
                    bytes: try cut.integer("bytes"),
                    sha256: try cut.hash("sha256")
                )
            )
        }
        self.init(purpose: try fields.choice("purpose"), by: try Operator(fields), cuts: cuts)
    }
}

extension RunEnd {
    fileprivate var fields: [String: JSONValue] {
        ["result": .string(result.rawValue), "exitCode": .integer(Int(exitCode.rawValue)), "summary": summary]
    }

    fileprivate init(_ fields: RecordFields) throws(MalformedRecord) {
        let number = try fields.integer("exitCode")
        guard let code = Int32(exactly: number).flatMap(ExitCode.init(rawValue:)) else {
            throw MalformedRecord(reason: "field 'exitCode' is not an exit code of Rollbook")
        }
        self.init(result: try fields.choice("result"), exitCode: code, summary: try fields.value("summary"))
    }
}

extension StageGate {
    fileprivate var fields: [String: JSONValue] {
        var fields: [String: JSONValue] = [
            "stage": .string(stage), "passed": .bool(passed), "waitedMs": .integer(waited.milliseconds),
            "detail": .string(detail),
        ]
        fields["gate"] = gate.map { .string($0) }
        return fields
    }

    fileprivate init(_ fields: RecordFields) throws(MalformedRecord) {
        self.init(
            stage: try fields.string("stage"),
            gate: try fields.optionalString("gate"),
            passed: try fields.bool("passed"),
            waited: try fields.milliseconds("waitedMs"),
            detail: try fields.string("detail")
        )
    }
}

extension StepIntent {
    fileprivate var fields: [String: JSONValue] {
        [
            "step": .string(step.text), "attempt": .integer(attempt), "op": .string(operation),
            "class": .string(stepClass.rawValue), "args": .hash(arguments),
        ]
    }

    fileprivate init(_ fields: RecordFields) throws(MalformedRecord) {
        self.init(
            step: try fields.step(),
            attempt: try fields.attempt(),
            operation: try fields.string("op"),
            stepClass: try fields.choice("class"),
            arguments: try fields.hash("args")
        )
    }
}

extension StepOutcome {
    fileprivate var fields: [String: JSONValue] {
        var fields: [String: JSONValue] = [
            "step": .string(step.text), "attempt": .integer(attempt), "outcome": .string(result.rawValue),
            "reattached": .bool(reattached), "output": output, "durationMs": .integer(duration.milliseconds),
        ]
        fields["message"] = message.map { .string($0) }
        fields["outputs"] = .array(
            outputs.map {
                .object([
                    "name": .string($0.name), "sha256": .hash($0.sha256), "bytes": .integer($0.bytes),
                    "truncated": .bool($0.truncated),
                ])
            }
        )
        return fields
    }

    fileprivate init(_ fields: RecordFields) throws(MalformedRecord) {
        var outputs: [OutputRecord] = []
        for element in try fields.array("outputs") {
            let output = try RecordFields(element, as: "a member of 'outputs'")
            outputs.append(
                OutputRecord(
                    name: try output.string("name"),
                    sha256: try output.hash("sha256"),
                    bytes: try output.integer("bytes"),
                    truncated: try output.bool("truncated")
                )
            )
        }
        self.init(
            step: try fields.step(),
            attempt: try fields.attempt(),
            result: try fields.choice("outcome"),
            reattached: try fields.bool("reattached"),
            output: try fields.value("output"),
            message: try fields.optionalString("message"),
            outputs: outputs,
            duration: try fields.milliseconds("durationMs")
        )
    }
}

extension StepProbe {
    fileprivate var fields: [String: JSONValue] {
        [
            "step": .string(step.text), "attempt": .integer(attempt), "probe": .string(finding.rawValue),
            "detail": .string(detail),
        ]
    }

    fileprivate init(_ fields: RecordFields) throws(MalformedRecord) {
        self.init(
            step: try fields.step(),
            attempt: try fields.attempt(),
            finding: try fields.choice("probe"),
            detail: try fields.string("detail")
        )
    }
}

extension StepResolved {
    fileprivate var fields: [String: JSONValue] {
        [
            "step": .string(step.text), "attempt": .integer(attempt), "by": .string(by), "as": .string(answer.rawValue),
            "why": .string(why),
        ]
    }

    fileprivate init(_ fields: RecordFields) throws(MalformedRecord) {
        self.init(
            step: try fields.step(),
            attempt: try fields.attempt(),
            by: try fields.string("by"),
            answer: try fields.choice("as"),
            why: try fields.string("why")
        )
    }
}
