package import ClusterModel
package import Journal
package import RunEngine

/// `file.put`: a file with exactly this content, owner and mode.
///
/// What is not said about owner and mode stays as it is; a new file is root's, with mode 0644, or 0600 when secret.
package struct PutFile: Step {
    package static let signature = KindSignature(
        kind: "file.put",
        summary: "A file with this content, owner and mode",
        parameters: [
            Parameter("path", .string, required: true, "where it is on the host"),
            Parameter("content", .string, "what is in it"),
            Parameter(
                "from",
                .string,
                "a file of the controller with its content, beside the runbook; not with content"
            ),
            Parameter("mode", .string, "octal, in quotes: \"0644\""),
            Parameter("owner", .string, "a user's name or number"),
            Parameter("group", .string, "a group's name or number"),
            Parameter("check", .script, "gets the new file as $1 before it takes its name; must end with 0"),
            Parameter("secret", .boolean, "true: neither content nor differences are shown; needs from"),
        ]
    )
    package static let stepClass = StepClass.idempotent
    package static let reversal = Reversal.undoable
    /// Largest file that can be put.
    package static let longestFile = 1 << 20

    package let path: String
    package let content: String?
    package let from: String?
    /// Of the file named by `from`, filled in when the plan is made.
    package let sha256: String?
    package let mode: String?
    package let owner: String?
    package let group: String?
    package let check: String?
    package let secret: Bool?

    package struct Output: Codable, Sendable {
        package let path: String
        package let sha256: String
    }

    package var subjects: [StepSubject] { FileReplacement.subjects(path) }

    package static func completed(
        _ parameters: [String: JSONValue],
        at location: SourceLocation,
        _ views: StepServices
    ) throws -> [String: JSONValue] {
        let kind = signature.kind
        try checkHostPath(parameters["path"], location, kind)
        if let mode = parameters["mode"]?.stringValue {
            guard (3...4).contains(mode.utf8.count), mode.utf8.allSatisfy({ (0x30...0x37).contains($0) }) else {
                throw refusal(
                    location,
                    kind,
                    "'\(mode)' is no mode; write three or four octal digits, such as \"0644\""
                )
            }
        }
        for key in ["owner", "group"] {
            guard let name = parameters[key]?.stringValue else { continue }
            let isName = !name.isEmpty && !name.hasPrefix("-") && !name.contains { ":/ \n".contains($0) }
            guard isName else { throw refusal(location, kind, "'\(name)' is no \(key)") }
        }
        guard (parameters["content"] == nil) != (parameters["from"] == nil) else {
            throw refusal(location, kind, "give either content or from")
        }
        guard let name = parameters["from"]?.stringValue else {
            guard parameters["secret"] != .bool(true) else {
                throw refusal(location, kind, "a secret is not written into a runbook; name its file with from")
            }
            return parameters
        }
        let files = try views.get((any RunbookFiles).self)
        let path = try files.path(of: name, namedIn: location)
        return try parameters.merging(["from": .string(path), "sha256": .string(files.read(path).sha256)]) { $1 }
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        target.host == nil ? [] : [FactRequest(state, on: target.name)]
    }

    private var state: FileState {
        FileState(path, unless: sha256 ?? content.map { Array($0.utf8).sha256 }, isSecret: secret == true)
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        guard target.host != nil else { return .blocked(OperatorMessage(.invalidInput, "it is for hosts only")) }
        let wanted = try replacement { try facts.view((any RunbookFiles).self) }
        let found = try await facts.read(state, on: target.name)
        if let obstacle = FileReplacement.obstacle(found, at: path) { return .blocked(obstacle) }
        if wanted.isThere(found) { return .noop("\(path) is as it shall be") }
        return .change([wanted.change(from: found)])
    }

    private func replacement(_ files: () throws -> any RunbookFiles) throws -> FileReplacement {
        var bytes = Array((content ?? "").utf8)
        if let from {
            bytes = try files().read(from)
            guard bytes.sha256 == sha256 else {
                throw OperatorMessage(
                    .stale,
                    at: from,
                    "changed since the plan was made",
                    state: "Nothing was sent",
                    next: "plan again"
                )
            }
        }
        return FileReplacement(
            path: path,
            content: bytes,
            mode: mode,
            owner: owner,
            group: group,
            check: check,
            isSecret: secret == true
        )
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let wanted = try replacement { try context.service((any RunbookFiles).self) }
        let found = try await context.facts.read(state, on: context.target.name)
        if let obstacle = FileReplacement.obstacle(found, at: path) { throw obstacle }
        try await wanted.perform(found, context)
        return Output(path: path, sha256: wanted.content.sha256)
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        let wanted = try replacement { try context.service((any RunbookFiles).self) }
        let found = try await context.lookAgain().read(state, on: context.target.name)
        guard wanted.isThere(found) else { return .notDone(detail: "\(path) is not as it shall be") }
        return .done(
            output: try JSONValue(encoding: Output(path: path, sha256: wanted.content.sha256)),
            detail: "\(path) is as it shall be"
        )
    }

    package func undo(_ output: Output, _ context: StepContext) async throws {
        try await FileReplacement.undo(output.path, output.sha256, context)
    }
}
