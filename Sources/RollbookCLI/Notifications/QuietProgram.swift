import Glibc
import Subprocess
import SystemPackage

/// A local program that gets a text on standard input, in a session of its own: a ^C meant for the run does not end it.
///
/// It is begun by a shell that does nothing but `exec`, and reads from memory instead of a pipe: so neither a program that cannot be
/// begun nor one that does not read is a fault of this process.
struct QuietProgram: Sendable {
    /// The absolute path, and arguments; nothing in them is interpreted.
    let words: [String]
    var inheritsEnvironment = false

    typealias Result = ExecutionResult<Void, StringOutput<UTF8>, DiscardedOutput>

    private static let environment: Environment = .custom([
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
    ])

    /// Returns when it ended; when cancelled, it is killed first.
    ///
    /// At most 64 bytes of what it prints are kept, more is an error: only for programs that print little.
    func run(reading text: String) async throws -> Result {
        let input = try Self.memory(holding: text)
        defer { try? input.close() }
        return try await Subprocess.run(
            .path("/bin/sh"),
            arguments: arguments,
            environment: inheritsEnvironment ? .inherit : Self.environment,
            platformOptions: options,
            input: .fileDescriptor(input, closeAfterSpawningProcess: false),
            output: .string(limit: 64),
            error: .discarded
        )
    }

    /// The same for programs that may print anything, which is thrown away.
    func runSilently(reading text: String) async throws -> TerminationStatus {
        let input = try Self.memory(holding: text)
        defer { try? input.close() }
        return try await Subprocess.run(
            .path("/bin/sh"),
            arguments: arguments,
            environment: inheritsEnvironment ? .inherit : Self.environment,
            platformOptions: options,
            input: .fileDescriptor(input, closeAfterSpawningProcess: false),
            output: .discarded,
            error: .discarded
        ).terminationStatus
    }

    private var arguments: Arguments { Arguments(["-c", "exec \"$@\"", "sh"] + words) }

    private var options: PlatformOptions {
        var options = PlatformOptions()
        options.createSession = true
        return options
    }

    /// A file without a name, in memory (`/dev/shm` is a tmpfs), for this user alone.
    private static func memory(holding text: String) throws -> FileDescriptor {
        let path = FilePath("/dev/shm/rollbook-\(getpid())-\(UInt64.random(in: .min ... .max))")
        let file = try FileDescriptor.open(
            path,
            .readWrite,
            options: [.create, .exclusiveCreate, .noFollow, .closeOnExec],
            permissions: .ownerReadWrite
        )
        _ = unsafe unlink(path.string)
        do {
            try file.writeAll(Array(text.utf8))
            _ = try file.seek(offset: 0, from: FileDescriptor.SeekOrigin.start)
        } catch {
            try? file.close()
            throw error
        }
        return file
    }
}
