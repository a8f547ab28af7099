import ClusterModel
import Manifests
import RunEngine
import Testing

@Suite("Runbook fixtures")
struct RunbookFixtureTests {
    private static let folder = FixtureFolder("runbook")

    @Test("the folder has its cases")
    func folderIsFound() { #expect(Self.folder.cases.count >= 15) }

    @Test("a runbook gives exactly the expected text", arguments: folder.cases)
    func matches(_ name: String) throws {
        let text = describe(runbook: try Self.folder.input(name), path: "\(name).yaml")
        if FixtureFolder.isRecording {
            try Self.folder.record(text, for: name)
        } else {
            #expect(try text == Self.folder.expected(name))
        }
    }
}

/// A few kinds with every type of parameter.
struct SampleKinds: KindCatalogue {
    let stepSignatures = Dictionary(
        uniqueKeysWithValues: [
            KindSignature(kind: "node.drain", summary: "", parameters: [Parameter("timeout", .duration, "")]),
            KindSignature(kind: "node.uncordon", summary: "", parameters: []),
            KindSignature(
                kind: "kubeadm.upgrade",
                summary: "",
                parameters: [Parameter("version", .kubernetesVersion, required: true, "")]
            ),
            KindSignature(
                kind: "shell.run",
                summary: "",
                parameters: [
                    Parameter("command", .string, required: true, ""), Parameter("changes", .boolean, ""),
                    Parameter("retries", .integer, ""), Parameter("arguments", .strings, ""),
                    Parameter("level", .choice(["low", "high"]), ""),
                ]
            ),
        ].map { ($0.kind, $0) }
    )
    let gateSignatures = Dictionary(
        uniqueKeysWithValues: [
            KindSignature(kind: "etcd.quorum", summary: "", parameters: []),
            KindSignature(kind: "node.ready", summary: "", parameters: [Parameter("within", .duration, "")]),
        ].map { ($0.kind, $0) }
    )
}

func describe(runbook bytes: [UInt8], path: String) -> String {
    do {
        let runbook = try RunbookLoader.load(bytes, path: path, catalogue: SampleKinds())
        return describe(runbook).joined(separator: "\n") + "\n"
    } catch {
        return error.description + "\n"
    }
}

private func describe(_ runbook: Runbook) -> [String] {
    var lines = ["runbook \(runbook.name) report \(runbook.report.rawValue): \(runbook.summary)"]
    for input in runbook.inputs {
        let need = input.isRequired ? "required" : "default \(input.defaultValue ?? "-")"
        lines.append("input \(input.name) \(input.type.word) \(need) \(input.summary ?? "-")")
    }
    for stage in runbook.stages {
        lines.append("stage '\(stage.name)' line \(stage.location.line) on \(stage.selector) \(describe(stage.pace))")
        lines.append("  \(stage.onFailure.rawValue) include \(stage.include ?? "-")")
        lines += stage.require.map { "  require \(describe($0))" }
        lines += stage.steps.map { "  step \(describe($0))" }
        lines += stage.gates.map { "  gate \(describe($0))" }
    }
    return lines
}

private func describe(_ pace: RunbookStage.Pace) -> String {
    switch pace {
    case .serial(let sizes): "serial \(sizes.map { "\($0)" })"
    case .parallel(let cap): "parallel \(cap.map(String.init) ?? "-")"
    }
}

private func describe(_ call: StepCall) -> String {
    let parameters = call.parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    return "\(call.kind) line \(call.location.line) \(parameters.joined(separator: " "))"
}
