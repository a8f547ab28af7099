import ClusterModel
import RunEngine

/// What a stage is for, where it is not there for its own sake.
enum StagePurpose: String, CaseIterable { case preparation }

/// Reads one stage of a runbook.
struct StageReader {
    private let section: Section
    private let calls: CallReader
    private var log: ProblemLog { section.log }

    init(_ section: Section, calls: CallReader) {
        self.section = section
        self.calls = calls
    }

    /// Returns nil when the stage has no usable name; that is logged.
    func read() -> RunbookStage? {
        let name = section.string("name", required: true)
        let problems = log.count
        refuseReference(in: name?.value, section.name("name"), at: name?.mark ?? section.mark, log: log)
        let include = section.string("include")
        let purpose = section.choice("purpose", StagePurpose.self)?.value
        let selector = section.string("on")
        let pace = readPace()
        let onFailure = section.choice("onFailure", RunbookStage.FailurePolicy.self)?.value ?? .hold
        let maxFailures = readBudget(onFailure)
        let require = readCalls("require", .gate)
        let gates = readCalls("gate", .gate)
        let steps = readCalls("steps", .step)
        section.finish()
        if let include {
            checkInclude(include)
        } else {
            checkOwn(selector)
            if steps.isEmpty, require.isEmpty, gates.isEmpty, log.count == problems {
                log.error(
                    "the stage does nothing",
                    at: section.mark,
                    suggestion: "write its steps, or a gate to wait for"
                )
            }
        }
        guard let name, isStageName(name) else { return nil }
        return RunbookStage(
            name: name.value,
            selector: selector?.value ?? "all",
            pace: pace,
            onFailure: onFailure,
            maxFailures: maxFailures,
            require: require,
            gates: gates,
            steps: steps,
            include: include?.value,
            isPreparation: purpose == .preparation,
            location: log.source.location(section.mark)
        )
    }

    private func checkInclude(_ include: Located<String>) {
        _ = runbookName(include, section.name("include"), log: log)
        for key in ["on", "serial", "parallel", "maxFailures", "require", "gate", "steps"] where section.has(key) {
            log.error(
                "'\(section.name(key))' and 'include' exclude each other",
                at: section.keyMark(key),
                suggestion: "the included runbook has its own; write a stage before or after it"
            )
        }
    }

    private func checkOwn(_ selector: Located<String>?) {
        if !section.has("on") { section.missing("on") }
        if !["steps", "require", "gate"].contains(where: section.has) { section.missing("steps") }
        guard let selector else { return }
        if selector.value.contains("${") {
            checkReference(selector)
            return
        }
        do throws(HostSelector.Problem) {
            _ = try HostSelector(selector.value)
        } catch {
            log.error("'\(section.name("on"))': \(error.description)", at: selector.mark)
        }
    }

    /// A stage may run where an input says, so that a person can name the host of a repair.
    private func checkReference(_ selector: Located<String>) {
        guard let found = calls.references.find(in: selector.value, at: selector.mark) else { return }
        guard calls.references.isWhole(selector.value), case .input(let input) = found.first else {
            log.error("'\(section.name("on"))' is a selector, or one ${inputs.…} alone", at: selector.mark)
            return
        }
        guard input.type == .string else {
            log.error(
                "'\(section.name("on"))' wants a string, but ${inputs.\(input.name)} is \(input.type.word)",
                at: selector.mark
            )
            return
        }
    }

    private func readCalls(_ key: String, _ sort: CallReader.Sort) -> [StepCall] {
        section.list(key).enumerated().compactMap { calls.read($1, path: "\(section.name(key))[\($0)]", sort: sort) }
    }

    private func readPace() -> RunbookStage.Pace {
        let serial = section.node("serial")
        let parallel = section.node("parallel")
        if serial != nil, parallel != nil {
            log.error(
                "'\(section.name("parallel"))' and 'serial' exclude each other",
                at: section.keyMark("parallel"),
                suggestion: "keep one of them"
            )
        }
        if let serial { return .serial(batches(serial)) }
        guard let parallel else { return .parallel(cap: nil) }
        if case .scalar("true", .plain) = parallel.content { return .parallel(cap: nil) }
        if case .scalar("false", .plain) = parallel.content {
            log.error(
                "'\(section.name("parallel"))' wants true or a number of hosts",
                at: parallel.mark,
                suggestion: "write 'serial: 1'"
            )
            return .parallel(cap: nil)
        }
        return .parallel(cap: log.integer(parallel, section.name("parallel"), in: 1...10_000)?.value)
    }

    private func readBudget(_ policy: RunbookStage.FailurePolicy) -> HostShare? {
        guard let node = section.node("maxFailures") else { return nil }
        let name = section.name("maxFailures")
        if policy == .continue {
            log.error(
                "'\(name)' and 'onFailure: continue' exclude each other",
                at: section.keyMark("maxFailures"),
                suggestion: "keep one of them"
            )
        }
        return share(node, name, percent: 1...99)
    }

    private func batches(_ node: YAMLNode) -> [HostShare] {
        guard case .sequence(let items) = node.content else { return [batch(node, section.name("serial"))] }
        if items.isEmpty { log.error("'\(section.name("serial"))' names no batch", at: node.mark) }
        return items.enumerated().map { batch($1, "\(section.name("serial"))[\($0)]") }
    }

    private func batch(_ node: YAMLNode, _ name: String) -> HostShare {
        share(node, name, percent: 1...100) ?? .count(1)
    }

    /// A number of hosts, or a percentage of them; what is neither is logged.
    private func share(_ node: YAMLNode, _ name: String, percent range: ClosedRange<Int64>) -> HostShare? {
        if case .scalar(let text, _) = node.content, text.hasSuffix("%") {
            if let percent = ScalarForms.integer(String(text.dropLast())), range.contains(Int64(percent)) {
                return .percent(Int(percent))
            }
            log.error(
                "'\(name)': '\(text.prefix(20))' is no percentage: \(range.lowerBound)% to \(range.upperBound)%",
                at: node.mark
            )
            return nil
        }
        return log.integer(node, name, in: 1...10_000).map { .count($0.value) }
    }

    private func isStageName(_ name: Located<String>) -> Bool {
        guard name.value.count <= 120, !name.value.contains(where: \.isNewline) else {
            log.error("'\(section.name("name"))' is one line of at most 120 characters", at: name.mark)
            return false
        }
        return true
    }
}
