import Foundation
import Subprocess
import SystemPackage

/// A program of this machine and what it said, on both of its streams.
struct Outcome {
    let isSuccess: Bool
    let output: Data

    /// Runs a program to its end, with nothing on its standard input; it is killed after 60 seconds.
    static func of(
        _ program: String,
        _ arguments: [String],
        _ environment: [String: String],
        in folder: String
    ) async throws -> Outcome {
        let variables = environment.map { (Environment.Key(stringLiteral: $0.key), $0.value) }
        let result = try await Subprocess.run(
            .path("/usr/bin/timeout"),
            arguments: Arguments(["-s", "KILL", "60", program] + arguments),
            environment: .custom(Dictionary(uniqueKeysWithValues: variables)),
            workingDirectory: FilePath(folder),
            input: .none,
            output: .bytes(limit: 16 << 20),
            error: .bytes(limit: 16 << 20)
        )
        return Outcome(
            isSuccess: result.terminationStatus.isSuccess,
            output: Data(result.standardOutput) + Data(result.standardError)
        )
    }
}

/// A real sshd on a loopback address, with keys of its own; it ends with the value.
final class LocalServer {
    let folder: String
    let address: String
    let port = 2222
    private let process = Foundation.Process()

    /// Starts it, with a user key that is encrypted with `passphrase`.
    init(folder: String, passphrase: String) async throws {
        self.folder = folder
        address = "127.\(100 + getpid() % 100).77.1"
        for (file, secret) in [("host", ""), ("user", passphrase)] {
            let made = try await Outcome.of(
                "/usr/bin/ssh-keygen",
                ["-q", "-t", "ed25519", "-a", "1", "-C", "test", "-N", secret, "-f", "\(folder)/\(file)"],
                [:],
                in: folder
            )
            guard made.isSuccess else { throw CocoaError(.fileWriteUnknown) }
        }
        try FileManager.default.createDirectory(atPath: "/run/sshd", withIntermediateDirectories: true)
        let lines = [
            "HostKey \(folder)/host", "AuthorizedKeysFile \(folder)/user.pub", "ListenAddress \(address):\(port)",
            "PidFile none", "PermitRootLogin prohibit-password", "PasswordAuthentication no", "StrictModes no",
            "UsePAM no",
            "UseDNS no", "LogLevel VERBOSE",
        ]
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(filePath: "\(folder)/sshd_config"))
        let key = try String(contentsOfFile: "\(folder)/host.pub", encoding: .utf8)
        try Data("[\(address)]:\(port) \(key)".utf8).write(to: URL(filePath: "\(folder)/known_hosts"))
        process.executableURL = URL(filePath: "/usr/sbin/sshd")
        process.arguments = ["-D", "-f", "\(folder)/sshd_config", "-E", "\(folder)/sshd.log"]
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let end = ContinuousClock.now + .seconds(20)
        while !log.contains("Server listening") {
            guard ContinuousClock.now < end else { throw CocoaError(.fileReadUnknown) }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// What the server logged: its end of the link, as syslog would have it.
    var log: String { (try? String(contentsOfFile: "\(folder)/sshd.log", encoding: .utf8)) ?? "" }

    deinit { process.terminate() }
}
