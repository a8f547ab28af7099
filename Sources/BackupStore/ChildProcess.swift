import ClusterModel
import Subprocess
import SystemPackage

/// A local program run to its end: fixed arguments, a small environment, a deadline, bounded output.
struct ChildProcess: Sendable {
    let program: String
    let arguments: [String]
    var directory: String?
    var deadline: Duration = .seconds(60)
    /// More than this on one of the streams is a failure.
    var outputLimit = 1 << 20

    struct Result: Sendable {
        let exitCode: Int32?
        let output: String
        let errors: String

        /// Why the program failed, in its words: the line that says so, or else its last one.
        var complaint: String {
            let lines = errors.split(whereSeparator: \.isNewline)
            let marks = ["panic: ", "Error: ", "age: error: "]
            let telling = lines.first { line in marks.contains { line.hasPrefix($0) } } ?? lines.last
            return telling.map { String($0.prefix(400)) } ?? "it gave no reason"
        }
    }

    static let environment: Environment = .custom(["PATH": "/usr/bin:/bin", "LC_ALL": "C", "ETCDCTL_API": "3"])

    var name: String { program.split(separator: "/").last.map(String.init) ?? program }

    /// Runs with nothing on standard input and captures both streams.
    func run(time: any TimeSource) async throws(BackupError) -> Result {
        try await withDeadline(deadline, of: name, time: time) { [self] in
            let run = try await Subprocess.run(
                .path(FilePath(program)),
                arguments: Arguments(arguments),
                environment: Self.environment,
                workingDirectory: directory.map { FilePath($0) },
                input: .none,
                output: .string(limit: outputLimit),
                error: .string(limit: outputLimit)
            )
            return Result(
                exitCode: run.terminationStatus.code,
                output: run.standardOutput,
                errors: run.standardError
            )
        }
    }

    /// Runs from one file into another.
    func run(
        from input: FileDescriptor,
        to output: FileDescriptor,
        time: any TimeSource
    ) async throws(BackupError)
        -> Result
    {
        try await withDeadline(deadline, of: name, time: time) { [self] in
            let run = try await Subprocess.run(
                .path(FilePath(program)),
                arguments: Arguments(arguments),
                environment: Self.environment,
                workingDirectory: directory.map { FilePath($0) },
                input: .fileDescriptor(input, closeAfterSpawningProcess: false),
                output: .fileDescriptor(output, closeAfterSpawningProcess: false),
                error: .string(limit: outputLimit)
            )
            return Result(exitCode: run.terminationStatus.code, output: "", errors: run.standardError)
        }
    }
}

extension TerminationStatus {
    /// The exit code, or nil when a signal ended the program.
    var code: Int32? {
        guard case .exited(let code) = self else { return nil }
        return code
    }
}

/// Runs `work` for at most `limit`; afterwards it is cancelled, awaited, and `deadline` is thrown.
func withDeadline<Value: Sendable>(
    _ limit: Duration,
    of what: String,
    time: any TimeSource,
    _ work: @escaping @Sendable () async throws -> Value
) async throws(BackupError) -> Value {
    do {
        return try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await work() }
            group.addTask {
                try await time.sleep(for: limit)
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let value = first else {
                throw BackupError.deadline(what, limit: limit)
            }
            return value
        }
    } catch let error as BackupError {
        throw error
    } catch is CancellationError {
        throw .cancelled(what)
    } catch {
        throw .toolFailed(what, why: "\(error)")
    }
}
