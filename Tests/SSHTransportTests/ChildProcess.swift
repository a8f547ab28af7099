import Foundation
import Glibc
import Synchronization

/// A program a test started; it ends with the test, also when the test process dies.
///
/// A shell stands in between: it ends the program when this process closes its end of a pipe, by intent or by dying.
final class ChildProcess: Sendable {
    private static let leashScript =
        #"exec 3<&0; "$@" 3<&- & c=$!; echo "pid $c" >&2; (read end <&3; kill $c) 2>/dev/null & exec 3<&-; wait $c"#

    struct Failed: Error, CustomStringConvertible {
        let description: String
    }

    private let leash: Int32
    private let shell: pid_t
    private let lines: AsyncStream<String>
    private let log = Mutex<[String]>([])

    init(_ command: [String]) throws {
        let (input, errors) = (try Self.pipe(), try Self.pipe())
        shell = try Self.spawn(
            ["/bin/sh", "-c", Self.leashScript, "sh"] + command,
            input: input.read,
            output: errors.write
        )
        leash = input.write
        close(input.read)
        close(errors.write)
        let (stream, continuation) = AsyncStream.makeStream(of: String.self)
        lines = stream
        Thread.detachNewThread {
            let text = FileHandle(fileDescriptor: errors.read, closeOnDealloc: true)
            while case let data = text.availableData, !data.isEmpty {
                for line in String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline) {
                    continuation.yield(String(line))
                }
            }
            continuation.finish()
        }
    }

    /// Waits for a line on standard error that contains `text`.
    @discardableResult
    func waitForLine(containing text: String) async throws -> String {
        for await line in lines {
            log.withLock { $0.append(line) }
            if line.contains(text) { return line }
        }
        throw Failed(description: "ended before it said '\(text)': \(log.withLock { $0 }.joined(separator: "\n"))")
    }

    func stop() {
        close(leash)
        var status: Int32 = 0
        unsafe waitpid(shell, &status, 0)
    }

    /// Runs a program to its end and returns what it printed.
    @discardableResult
    static func run(_ command: [String]) throws -> String {
        let output = try pipe()
        let child = try spawn(command, input: unsafe open("/dev/null", O_RDONLY | O_CLOEXEC), output: output.write)
        close(output.write)
        let reader = FileHandle(fileDescriptor: output.read, closeOnDealloc: true)
        let text = String(decoding: reader.readDataToEndOfFile(), as: UTF8.self)
        var status: Int32 = 0
        unsafe waitpid(child, &status, 0)
        guard status == 0 else { throw Failed(description: "\(command.joined(separator: " ")): \(text)") }
        return text
    }

    private static func pipe() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [0, 0]
        guard unsafe Glibc.pipe(&ends) == 0 else { throw Failed(description: "pipe: errno \(errno)") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    private static func spawn(_ command: [String], input: Int32, output: Int32) throws -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, input, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, output, 1)
        unsafe posix_spawn_file_actions_adddup2(&actions, output, 2)
        // Worker threads block most signals, and a child would inherit that.
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var words: [UnsafeMutablePointer<CChar>?] = unsafe command.map { unsafe strdup($0) } + [nil]
        defer { unsafe words.forEach { unsafe free($0) } }
        var child: pid_t = 0
        let code = unsafe posix_spawn(&child, command[0], &actions, &attributes, &words, environ)
        guard code == 0 else { throw Failed(description: "cannot start \(command[0]): errno \(code)") }
        return child
    }
}
