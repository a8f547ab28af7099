import ClusterModel
import Foundation
import RemoteShell
import TestSupport

/// A host as a folder: scripts run in this machine's shell, with `/etc`, `/var`, `/proc` and the programs of the folder.
struct HostTree {
    let root: String
    private let name: HostName

    init(_ name: HostName, nonce: String = randomNonce()) throws {
        self.name = name
        root = FileManager.default.temporaryDirectory.path + "/rollbook-host-" + nonce
        try FileManager.default.createDirectory(atPath: root + "/bin", withIntermediateDirectories: true)
    }

    func remove() { try? FileManager.default.removeItem(atPath: root) }

    /// Writes a file; folders are made as needed, and paths in `text` that begin with `@` lead into the tree.
    func write(_ path: String, _ text: String, mode: Int = 0o644) throws {
        let full = root + path
        let folder = URL(filePath: full).deletingLastPathComponent().path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data(text.replacing("@/", with: root + "/").utf8).write(to: URL(filePath: full))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: full)
    }

    /// A program on the host's PATH.
    func program(_ name: String, _ script: String) throws {
        try write("/bin/\(name)", "#!/bin/sh\n\(script)\n", mode: 0o755)
    }

    /// A running process.
    func process(_ pid: Int, _ name: String, _ arguments: [String], environment: [String] = []) throws {
        try write("/proc/\(pid)/comm", name + "\n")
        try write("/proc/\(pid)/cmdline", arguments.map { $0 + "\0" }.joined())
        try write("/proc/\(pid)/environ", environment.map { $0 + "\0" }.joined())
    }

    var connection: FramedConnection {
        FramedConnection(
            LocalTransport(
                host: name,
                folder: root + "/var/lib/rollbook-host",
                replacing: [
                    ("PATH=/usr/local/sbin:", "PATH=\(root)/bin:"), (" /etc/", " \(root)/etc/"),
                    ("\"/etc/", "\"\(root)/etc/"),
                    (" /var/lib/kubelet", " \(root)/var/lib/kubelet"),
                    (" /usr/lib/systemd", " \(root)/usr/lib/systemd"),
                    ("/proc/", root + "/proc/"), ("|/etc/", "|\(root)/etc/"), ("|/var/", "|\(root)/var/"),
                    ("|/usr/", "|\(root)/usr/"),
                ]
            ),
            become: .no
        )
    }

    func run(_ command: RemoteCommand) async throws -> ProbeBatch.Answer {
        let result = try await connection.run(command)
        return ProbeBatch.Answer(
            exitCode: result.exitCode,
            output: result.output.bytes,
            errorOutput: result.errorOutput.bytes
        )
    }
}
