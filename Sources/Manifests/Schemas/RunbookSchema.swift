import ClusterModel
import RunEngine

/// The keys of runbooks; Runbooks/README.md says more about each.
enum RunbookSchema {
    static func top(catalogue: any KindCatalogue) -> [SchemaField] {
        [
            SchemaField("format", .raw(["const": .integer(1)]), required: true, "The version of this format."),
            SchemaField("runbook", .text(pattern: "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"), required: true, "The name."),
            SchemaField("summary", .text, required: true, "One sentence for the list of runbooks."),
            SchemaField(
                "report",
                .words(RunReport.allCases.map(\.rawValue)),
                "What to tell the outside world after each run."
            ),
            SchemaField("inputs", .entries(.mapping(input)), "What a person may give with --set name=value."),
            SchemaField(
                "stages",
                .list(.mapping(stage(catalogue: catalogue))),
                required: true,
                "In the order in which they run."
            ),
        ]
    }

    static let input = [
        SchemaField("type", .words(InputReader.typeWords), required: true, "What values it takes."),
        SchemaField("required", .boolean, "Whether it must be given."),
        SchemaField("default", .raw([:]), "The value when it is not given."),
        SchemaField("choices", .list(.text), "The values of a choice."),
        SchemaField("summary", .text, "One sentence about it."),
    ]

    static func stage(catalogue: any KindCatalogue) -> [SchemaField] {
        let batch = SchemaShape.either([.number(1...10_000), .text(pattern: "^([1-9][0-9]?|100)%$")])
        let gates = SchemaShape.list(calls(catalogue.gateSignatures, mayBeBare: true))
        return [
            SchemaField("name", .text, required: true, "Unique in the runbook."),
            SchemaField("include", .text, "Another runbook whose stages stand here."),
            SchemaField(
                "purpose",
                .words(StagePurpose.allCases.map(\.rawValue)),
                "There for the other stages alone: nothing to do where they have nothing to do."
            ),
            SchemaField("on", .text, "A selector of hosts."),
            SchemaField("serial", .either([batch, .list(batch)]), "Hosts are taken in batches."),
            SchemaField(
                "parallel",
                .either([.number(1...10_000), .raw(["const": .bool(true)])]),
                "All hosts at once."
            ),
            SchemaField(
                "onFailure",
                .words(RunbookStage.FailurePolicy.allCases.map(\.rawValue)),
                "Stop scheduling, or go on with other hosts and stages."
            ),
            SchemaField(
                "maxFailures",
                .either([.number(1...10_000), .text(pattern: "^[1-9][0-9]?%$")]),
                "So many hosts may fail while the others go on."
            ),
            SchemaField("require", gates, "Must hold when the stage is about to begin."),
            SchemaField("gate", gates, "Waited for after each batch."),
            SchemaField("steps", .list(calls(catalogue.stepSignatures, mayBeBare: false)), "In order, on each host."),
        ]
    }

    private static func calls(_ signatures: [String: KindSignature], mayBeBare: Bool) -> SchemaShape {
        let kinds = signatures.values.sorted { $0.kind < $1.kind }
        let bare = mayBeBare ? [SchemaShape.words(kinds.map(\.kind))] : []
        return .either(bare + kinds.map { .mapping(call($0)) })
    }

    private static func call(_ signature: KindSignature) -> [SchemaField] {
        let with = signature.parameters.map { parameter in
            SchemaField(parameter.name, shape(parameter.type), required: parameter.isRequired, parameter.summary)
        }
        return [
            SchemaField("uses", .raw(["const": .string(signature.kind)]), required: true, signature.summary),
            SchemaField("with", .mapping(with), required: with.contains(where: \.isRequired), "Its parameters."),
        ]
    }

    private static func shape(_ type: ParameterType) -> SchemaShape {
        let reference = SchemaShape.text(pattern: "^\\$\\{inputs\\.[A-Za-z][A-Za-z0-9]*\\}$")
        return switch type {
        case .string: .word
        case .integer: .either([.raw(["type": .string("integer")]), reference])
        case .boolean: .either([.boolean, reference])
        case .duration: .either([.duration, reference])
        case .kubernetesVersion: .either([.text(pattern: "^v?[0-9]+\\.[0-9]+\\.[0-9]+$"), reference])
        case .choice(let words): .either([.words(words), reference])
        case .strings: .either([.list(.word), reference])
        case .script: .text
        }
    }
}
