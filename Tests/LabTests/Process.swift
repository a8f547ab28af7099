import Foundation
import Subprocess
import SystemPackage
import Testing

/// What a program said and how it ended.
struct Answer: Sendable, CustomStringConvertible {
    let command: String
    /// The exit code, or minus the signal's number.
    let code: Int32
    let output: String
    let errors: String

    var lines: [Substring] { output.split(separator: "\n") }

    var description: String {
        "\(command)\nended with \(code)\n--- standard output\n\(output.suffix(6000))\n--- standard error\n\(errors.suffix(6000))"
    }

    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try JSONDecoder().decode(type, from: Data(output.utf8))
    }
}

/// A program did not do in time what was waited for.
struct TooLate: Error, CustomStringConvertible {
    let description: String
}

/// A program of this machine with its arguments and its whole environment.
struct Process: Sendable {
    let program: String
    let arguments: [String]
    let environment: [String: String]
    var directory: String?
    var deadline: Duration = .seconds(90)

    /// Runs it to its end with nothing on standard input; it is killed when the deadline passes.
    func run() async throws -> Answer {
        try await within(deadline, of: summary) { [self] in
            let result = try await Subprocess.run(
                .path(FilePath(program)),
                arguments: Arguments(arguments),
                environment: custom,
                workingDirectory: directory.map { FilePath($0) },
                input: .none,
                output: .string(limit: 16 << 20),
                error: .string(limit: 16 << 20)
            )
            return Answer(
                command: summary,
                code: result.terminationStatus.number,
                output: result.standardOutput,
                errors: result.standardError
            )
        }
    }

    /// Runs it while `body` watches it and disturbs it; returns when it has ended.
    func run(_ body: @escaping @Sendable (RunningProcess) async throws -> Void) async throws -> Answer {
        let folder = try TemporaryFolder()
        let files = (output: folder.path + "/output", errors: folder.path + "/errors")
        return try await within(deadline, of: summary) { [self] in
            let output = try Self.create(files.output)
            let errors = try Self.create(files.errors)
            let result = try await Subprocess.run(
                .path(FilePath(program)),
                arguments: Arguments(arguments),
                environment: custom,
                workingDirectory: directory.map { FilePath($0) },
                input: .none,
                output: .fileDescriptor(output, closeAfterSpawningProcess: true),
                error: .fileDescriptor(errors, closeAfterSpawningProcess: true)
            ) { execution in
                let process = execution.processIdentifier.value
                let running = RunningProcess(process, output: files.output, errors: files.errors) {
                    try execution.send(signal: $0)
                }
                do { try await body(running) } catch {
                    try? execution.send(signal: .kill)
                    throw error
                }
            }
            return Answer(
                command: summary,
                code: result.terminationStatus.number,
                output: text(of: files.output),
                errors: text(of: files.errors)
            )
        }
    }

    private var summary: String {
        ([program.split(separator: "/").last.map(String.init) ?? program] + arguments).joined(separator: " ")
    }

    private var custom: Environment {
        .custom(
            Dictionary(uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0.key), $0.value) })
        )
    }

    private static func create(_ path: String) throws -> FileDescriptor {
        try FileDescriptor.open(
            FilePath(path),
            .writeOnly,
            options: [.create, .truncate],
            permissions: .ownerReadWrite
        )
    }
}

/// A program while it runs.
struct RunningProcess: Sendable {
    private let process: Int32
    private let output: String
    private let errors: String
    private let signal: @Sendable (Subprocess.Signal) throws -> Void

    init(
        _ process: Int32,
        output: String,
        errors: String,
        signal: @escaping @Sendable (Subprocess.Signal) throws -> Void
    ) {
        self.process = process
        self.output = output
        self.errors = errors
        self.signal = signal
    }

    /// Nobody has waited for it yet, so its number is still its own.
    private var hasEnded: Bool {
        guard let end = text(of: "/proc/\(process)/stat").split(separator: ") ").last else { return true }
        return end.hasPrefix("Z")
    }

    func kill() throws { try signal(.kill) }
    func terminate() throws { try signal(.terminate) }
    func interrupt() throws { try signal(.interrupt) }
    func send(_ signal: Subprocess.Signal) throws { try self.signal(signal) }

    /// Waits until one line on either stream holds all of `words`, and returns that line.
    @discardableResult
    func line(with words: String..., within limit: Duration = .seconds(60)) async throws -> String {
        try await line(within: limit, "with \(words)") { line in words.allSatisfy { line.contains($0) } }
    }

    /// Waits until one line on either stream holds one of `words`.
    func line(withAny words: String..., within limit: Duration = .seconds(60)) async throws {
        try await line(within: limit, "with one of \(words)") { line in words.contains { line.contains($0) } }
    }

    /// Waits for a line of the running program that contains `words`.
    func line(with words: String, within limit: Duration) async throws {
        try await line(within: limit, "with '\(words)'") { $0.contains(words) }
    }

    @discardableResult
    private func line(
        within limit: Duration,
        _ what: String,
        where fits: (Substring) -> Bool
    ) async throws -> String {
        let end = ContinuousClock.now + limit
        while true {
            let isLast = hasEnded
            let lines = (text(of: output) + text(of: errors)).split(separator: "\n")
            if let found = lines.first(where: fits) { return String(found) }
            guard !isLast, ContinuousClock.now < end else {
                throw TooLate(
                    description:
                        "no line \(what) \(isLast ? "before its end" : "within \(limit)"); the program said:\n\(lines.joined(separator: "\n"))"
                )
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }
}

/// A folder below /tmp that is removed with the value that holds it.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = "/tmp/rollbook-lab-tests-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(
            atPath: path,
            withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o700]
        )
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// What a file holds; nothing when it cannot be read.
func text(of path: String) -> String {
    String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
}

/// Runs `work` for at most `limit`; then it is cancelled, which kills its program.
private func within<Value: Sendable>(
    _ limit: Duration,
    of what: String,
    _ work: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value?.self) { group in
        group.addTask { try await work() }
        group.addTask {
            try await Task.sleep(for: limit)
            return nil
        }
        defer { group.cancelAll() }
        guard let first = try await group.next(), let value = first else {
            throw TooLate(description: "\(what) did not end within \(limit)")
        }
        return value
    }
}

extension TerminationStatus {
    fileprivate var number: Int32 {
        switch self {
        case .exited(let code): Int32(code)
        case .signaled(let signal): -Int32(signal)
        }
    }
}
