package import ClusterModel
package import Journal
package import RemoteShell
package import RunEngine

/// `fetch`: a file of a host, kept in the folder of the run on the controller.
package struct FetchFile: Step {
    package static let signature = KindSignature(
        kind: "fetch",
        summary: "Keep a host's file in the folder of the run",
        parameters: [
            Parameter("path", .string, required: true, "where it is on the host"),
            Parameter("as", .string, "the end of its name in the run's folder out/; by default its own name"),
            Parameter("limit", .integer, "the most MiB it may have (default 16, 1024 at most)"),
        ]
    )
    package static let stepClass = StepClass.read

    package let path: String
    package let `as`: String?
    package let limit: Int?

    package struct Output: Codable, Sendable {
        /// Within the folder of the run.
        package let file: String
        package let bytes: Int
        /// Begins with `sha256:`.
        package let sha256: String
    }

    package var subjects: [StepSubject] { [.thing("file \(path)")] }
    private var mostBytes: Int { (limit ?? 16) << 20 }
    private var name: String { self.as ?? String(path.split(separator: "/").last ?? "file") }

    package static func completed(
        _ parameters: [String: JSONValue],
        at location: SourceLocation,
        _ views: StepServices
    ) throws -> [String: JSONValue] {
        try checkHostPath(parameters["path"], location, signature.kind)
        if case .integer(let limit)? = parameters["limit"], !(1...1024).contains(limit) {
            throw refusal(location, signature.kind, "limit is a number of MiB from 1 to 1024")
        }
        let own = parameters["path"]?.stringValue?.split(separator: "/").last.map(String.init)
        guard let name = parameters["as"]?.stringValue ?? own else { return parameters }
        let isPlain = name.utf8.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
                || "-_.".utf8.contains($0)
        }
        guard isPlain, (1...100).contains(name.utf8.count) else {
            throw refusal(
                location,
                signature.kind,
                "'\(name)' cannot name its copy; give 'as' of letters, digits, '.', '-', '_'"
            )
        }
        return parameters
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        target.host == nil ? [] : [FactRequest(FileSize(path), on: target.name)]
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        guard target.host != nil else { return .blocked(OperatorMessage(.invalidInput, "it is for hosts only")) }
        guard let bytes = try await facts.read(FileSize(path), on: target.name) else {
            return .blocked(OperatorMessage(.refused, "there is no file \(path)", state: "Nothing was sent"))
        }
        guard bytes <= mostBytes else {
            return .blocked(
                OperatorMessage(
                    .refused,
                    "\(path) has \(byteCount(bytes)), and limit is \(byteCount(Int64(mostBytes)))",
                    state: "Nothing was sent"
                )
            )
        }
        return .change([PlannedChange("copy \(path) (\(byteCount(bytes))) into the run's folder as …\(name)")])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let files = try context.service((any FetchedFiles).self)
        let file = try files.create(name, of: context.step, attempt: context.attempt, limit: mostBytes + 1)
        let result = try await context.connection.download(
            RemoteCommand("head -c \"$2\" -- \"$1\"", [path, String(mostBytes + 1)]),
            to: FetchSink(file: file),
            limits: .transfer
        )
        let record = try file.finish()
        guard result.succeeded else {
            throw OperatorMessage(.stepFailed, "cannot read \(path): \(result.errorOutput.lastLine)")
        }
        guard !record.truncated else { throw OperatorMessage(.storage, at: record.name, "could not be stored in full") }
        guard record.bytes <= mostBytes else {
            throw OperatorMessage(.stepFailed, "\(path) has more than \(byteCount(Int64(mostBytes))) by now")
        }
        return Output(file: record.name, bytes: record.bytes, sha256: record.sha256.text)
    }

    package func probe(_ context: StepContext) async throws -> Probe { .notDone(detail: "it is copied again") }
}

/// Where fetched files go; the composition root provides it.
package protocol FetchedFiles: Sendable {
    func create(_ name: String, of step: StepID, attempt: Int, limit: Int) throws -> OutputFile
}

private struct FetchSink: ByteSink {
    let file: OutputFile
    var mayBlock: Bool { true }

    func write(_ bytes: RawSpan) throws { file.append(bytes) }
}

/// `file.size`: bytes of a regular file, at the end of links; nil when there is none.
package struct FileSize: Fact {
    package static let name = "file.size"

    let path: String

    package init(_ path: String) { self.path = path }

    package var command: RemoteCommand {
        RemoteCommand("if [ -f \"$1\" ]; then stat -L -c %s -- \"$1\"; else echo none; fi", [path])
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Int64? {
        let word = answer.text.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? ""
        if word == "none" { return nil }
        guard let bytes = Int64(word) else { throw IncompleteAnswer(section: "size") }
        return bytes
    }

    /// A log grows.
    package func bound(_ value: Int64?) throws -> JSONValue? { nil }
}
