import ClusterModel
package import RunEngine

/// Reads runbook files, format 1; the format is specified in Runbooks/README.md.
package enum RunbookLoader {
    /// Reads the bytes of a runbook and checks it against the kinds of `catalogue`.
    ///
    /// Whether hosts and included runbooks exist is known only when a plan is made. Guarantee: it returns or throws for
    /// any bytes whatever; all problems of the file are in the error, in the order of the file.
    package static func load(
        _ bytes: [UInt8],
        path: String,
        catalogue: any KindCatalogue
    ) throws(InvalidManifest) -> Runbook {
        let log = ProblemLog(SourceText(bytes, path: path))
        let runbook = topSection(log).flatMap { read($0, digest: digest(of: bytes), catalogue: catalogue) }
        guard let runbook, !log.hasErrors else { throw InvalidManifest(diagnostics: log.sorted) }
        return runbook
    }

    private static func read(_ top: Section, digest: String, catalogue: any KindCatalogue) -> Runbook? {
        guard checkFormat(top) else { return nil }
        let name = top.string("runbook", required: true).flatMap { runbookName($0, "runbook", log: top.log) }
        let summary = top.string("summary", required: true)
        refuseReference(in: summary?.value, "summary", at: summary?.mark ?? top.mark, log: top.log)
        let report = top.choice("report", RunReport.self)?.value ?? .none
        let inputs = InputReader(top)
        let references = References(inputs: inputs.inputs, log: top.log)
        let calls = CallReader(catalogue: catalogue, references: references, log: top.log)
        var stages: [RunbookStage] = []
        var firstUse: [String: Mark] = [:]
        if !top.has("stages") { top.missing("stages") }
        for (index, node) in top.list("stages").enumerated() {
            guard let section = Section(node, path: "stages[\(index)]", log: top.log),
                let stage = StageReader(section, calls: calls).read()
            else { continue }
            if let first = firstUse[stage.name] {
                top.log.error("stage '\(stage.name)' exists twice, first at line \(first.line)", at: section.mark)
            }
            firstUse[stage.name] = firstUse[stage.name] ?? section.mark
            stages.append(stage)
        }
        if top.has("stages"), stages.isEmpty, !top.log.hasErrors {
            top.log.error("the runbook has no stages", at: top.keyMark("stages"))
        }
        if !stages.contains(where: { $0.include != nil }) {
            for (name, mark) in inputs.marks where !references.used.contains(name) {
                top.log.error(
                    "input '\(name)' is never used",
                    at: mark,
                    suggestion: "write \"${inputs.\(name)}\", or remove it"
                )
            }
        }
        top.finish()
        guard let name, let summary else { return nil }
        return Runbook(
            name: name,
            summary: summary.value.trimmedEnd,
            inputs: inputs.inputs,
            stages: stages,
            report: report,
            digest: digest
        )
    }
}

/// Names of runbooks are file names without `.yaml`.
func runbookName(_ text: Located<String>, _ name: String, log: ProblemLog) -> String? {
    guard isSafeName(text.value), text.value.utf8.count <= 63, !text.value.contains(".") else {
        log.error(
            "'\(name)': '\(text.value.shortened)' is no runbook name: lower-case letters, digits and '-', at most 63",
            at: text.mark
        )
        return nil
    }
    return text.value
}

extension String {
    /// Without newlines at the end, which block texts have.
    var trimmedEnd: String {
        var text = self
        while text.last?.isNewline == true { text.removeLast() }
        return text
    }
}
