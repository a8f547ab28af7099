import Foundation

/// A program of this machine and what it said.
struct Outcome {
    let code: Int32
    let output: Data

    /// Runs a program to its end, with nothing on its standard input; both streams go into one file.
    static func of(
        _ program: String,
        _ arguments: [String],
        _ environment: [String: String],
        in folder: String
    ) throws
        -> Outcome
    {
        let file = "\(folder)/output-\(UUID())"
        _ = FileManager.default.createFile(atPath: file, contents: nil)
        defer { try? FileManager.default.removeItem(atPath: file) }
        let process = Foundation.Process()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.environment = environment
        process.currentDirectoryURL = URL(filePath: folder)
        process.standardInput = FileHandle.nullDevice
        let handle = try FileHandle(forWritingTo: URL(filePath: file))
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
        process.waitUntilExit()
        return Outcome(code: process.terminationStatus, output: try Data(contentsOf: URL(filePath: file)))
    }
}

/// A real sshd on a loopback address, with keys of its own; it ends with the value.
final class LocalServer {
    let folder: String
    let address: String
    let port = 2222
    private let process = Foundation.Process()

    /// Starts it, with a user key that is encrypted with `passphrase`.
    init(folder: String, passphrase: String) throws {
        self.folder = folder
        address = "127.\(100 + getpid() % 100).77.1"
        for (file, secret) in [("host", ""), ("user", passphrase)] {
            let made = try Outcome.of(
                "/usr/bin/ssh-keygen",
                ["-q", "-t", "ed25519", "-a", "1", "-C", "test", "-N", secret, "-f", "\(folder)/\(file)"],
                [:],
                in: folder
            )
            guard made.code == 0 else { throw CocoaError(.fileWriteUnknown) }
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
            Thread.sleep(forTimeInterval: 0.01)
        }
    }

    /// What the server logged: its end of the link, as syslog would have it.
    var log: String { (try? String(contentsOfFile: "\(folder)/sshd.log", encoding: .utf8)) ?? "" }

    deinit {
        process.terminate()
        process.waitUntilExit()
    }
}
