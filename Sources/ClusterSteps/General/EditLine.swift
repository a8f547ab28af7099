package import ClusterModel
package import Journal
package import RunEngine

/// `file.edit-line`: one line of a file that is there, or is not.
///
/// `match` says which line it stands for. Several matching lines are refused where one is to stay: which of them a program obeys
/// is its own secret.
package struct EditLine: Step {
    package enum Presence: String, Codable, Sendable, CaseIterable { case present, absent }
    package enum Matching: String, Codable, Sendable, CaseIterable { case text, expression }

    package static let signature = KindSignature(
        kind: "file.edit-line",
        summary: "One line of a file, there or not there",
        parameters: [
            Parameter("path", .string, required: true, "a text file of the host, 64 KiB at most"),
            Parameter("line", .string, "the line as it shall be; with state absent it may be left out"),
            Parameter("match", .string, "the line to replace or take away; by default one that equals line"),
            Parameter(
                "matching",
                .choice(["text", "expression"]),
                "what match and insertAfter are: contained text (default), or a regular expression"
            ),
            Parameter("state", .choice(["present", "absent"]), "by default present"),
            Parameter("insertAfter", .string, "where a new line goes: after the last line it matches; else at the end"),
            Parameter("check", .script, "gets the new file as $1 before it takes its name; must end with 0"),
        ]
    )
    package static let stepClass = StepClass.idempotent
    package static let reversal = Reversal.undoable

    package let path: String
    package let line: String?
    package let match: String?
    package let matching: Matching?
    package let state: Presence?
    package let insertAfter: String?
    package let check: String?

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
        let line = parameters["line"]?.stringValue
        if let line, line.utf8.contains(0x0A) || line.isEmpty {
            throw refusal(location, kind, "line is one line, without its end")
        }
        if parameters["state"] == .string(Presence.absent.rawValue) {
            guard (line == nil) != (parameters["match"] == nil) else {
                throw refusal(location, kind, "with state absent give either line or match")
            }
            guard parameters["insertAfter"] == nil else {
                throw refusal(location, kind, "insertAfter is for a line that is present")
            }
        } else if line == nil {
            throw refusal(location, kind, "it needs the line")
        }
        for key in ["match", "insertAfter"] {
            guard let text = parameters[key]?.stringValue else { continue }
            guard !text.isEmpty else { throw refusal(location, kind, "\(key) is empty, which every line matches") }
            guard parameters["matching"] == .string(Matching.expression.rawValue) else { continue }
            do { _ = try Regex(text) } catch {
                throw refusal(location, kind, "\(key) '\(text)' is no regular expression: \(error)")
            }
        }
        return parameters
    }

    private func edit() throws -> LineEdit {
        func matcher(_ text: String) throws -> LineEdit.Matcher {
            matching == .expression ? .expression(try Regex(text)) : .contains(text)
        }
        return LineEdit(
            line: state == .absent ? nil : line,
            match: try match.map(matcher) ?? .equals(line ?? ""),
            insertAfter: try insertAfter.map(matcher)
        )
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        target.host == nil ? [] : [FactRequest(FileState(path), on: target.name)]
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        guard target.host != nil else { return .blocked(OperatorMessage(.invalidInput, "it is for hosts only")) }
        let found = try await facts.read(FileState(path), on: target.name)
        if found.kind == .absent, state == .absent { return .noop("there is no \(path)") }
        guard let (wanted, summary) = try replacement(of: found) else {
            return .noop(state == .absent ? "\(path) has no such line" : "\(path) has the line")
        }
        return .change([wanted.change(from: found, "\(path): \(summary)")])
    }

    /// The file as it shall be, or nil when it is; throws why it cannot be.
    private func replacement(of found: FileState.Value) throws -> (FileReplacement, summary: String)? {
        if let obstacle = FileReplacement.obstacle(found, at: path) { throw obstacle }
        guard found.kind == .file else {
            throw OperatorMessage(
                .refused,
                "there is no \(path)",
                state: "Nothing was changed",
                next: "file.put makes one"
            )
        }
        guard let bytes = found.content else {
            throw OperatorMessage(
                .refused,
                "\(path) has \(found.bytes) bytes; more than \(FileState.longestContent) are not edited",
                state: "Nothing was changed",
                next: "file.put replaces the whole file"
            )
        }
        switch try edit().apply(to: bytes) {
        case .unchanged: return nil
        case .changed(let content, let summary):
            return (FileReplacement(path: path, content: content, check: check), summary)
        case .notText: throw OperatorMessage(.refused, "\(path) is no text in UTF-8", state: "Nothing was changed")
        case .ambiguous(let numbers):
            let list = numbers.prefix(8).map(String.init).joined(separator: ", ")
            throw OperatorMessage(
                .refused,
                "\(numbers.count) lines of \(path) match (\(list))",
                state: "Nothing was changed",
                next: "make match narrower, such as matching: expression and match: '^name\\b'"
            )
        }
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let found = try await context.facts.read(FileState(path), on: context.target.name)
        guard found.kind == .file || state != .absent, let (wanted, _) = try replacement(of: found) else {
            return Output(path: path, sha256: found.sha256)
        }
        try await wanted.perform(found, context)
        return Output(path: path, sha256: wanted.content.sha256)
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        let found = try await context.lookAgain().read(FileState(path), on: context.target.name)
        if found.kind == .file, try replacement(of: found) != nil {
            return .notDone(detail: "\(path) is not as it shall be")
        }
        return .done(
            output: try JSONValue(encoding: Output(path: path, sha256: found.sha256)),
            detail: "\(path) is as it shall be"
        )
    }

    package func undo(_ output: Output, _ context: StepContext) async throws {
        try await FileReplacement.undo(output.path, output.sha256, context)
    }
}
