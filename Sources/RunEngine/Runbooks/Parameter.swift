/// The type of a runbook input or of a step parameter.
package enum ParameterType: Sendable, Hashable {
    case string
    case integer
    case boolean
    /// `90s`, `10m`, `2h`: a whole number and one unit.
    case duration
    case kubernetesVersion
    case choice([String])
    case strings
    /// A shell script: its `${…}` are the shell's, and nothing is put into it.
    case script

    /// The word used in runbooks and messages.
    package var word: String {
        switch self {
        case .string: "string"
        case .integer: "integer"
        case .boolean: "boolean"
        case .duration: "duration"
        case .kubernetesVersion: "kubernetesVersion"
        case .choice(let words): "one of " + words.joined(separator: ", ")
        case .strings: "list of strings"
        case .script: "shell script"
        }
    }
}

/// One parameter of a step or gate kind, as runbooks give it under `with:`.
package struct Parameter: Sendable, Hashable {
    package let name: String
    package let type: ParameterType
    package let isRequired: Bool
    package let summary: String

    package init(_ name: String, _ type: ParameterType, required: Bool = false, _ summary: String) {
        self.name = name
        self.type = type
        isRequired = required
        self.summary = summary
    }
}

/// What a kind looks like from a runbook: its name and parameters.
package struct KindSignature: Sendable, Hashable {
    package let kind: String
    package let summary: String
    package let parameters: [Parameter]

    package init(kind: String, summary: String, parameters: [Parameter]) {
        self.kind = kind
        self.summary = summary
        self.parameters = parameters
    }
}

/// All kinds a runbook may use; what a loader needs to check one without knowing any step.
package protocol KindCatalogue: Sendable {
    var stepSignatures: [String: KindSignature] { get }
    var gateSignatures: [String: KindSignature] { get }
}
