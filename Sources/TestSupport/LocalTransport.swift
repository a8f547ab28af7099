package import ClusterModel
import FoundationEssentials
package import RemoteShell
import Subprocess
import SystemPackage

/// A host connection without a network: command lines run in this machine's `/bin/sh`, as sshd would run them.
///
/// Paths of the host are moved below a folder of the test, so nothing outside of it is touched.
package struct LocalTransport: ExecTransport {
    package let host: HostName
    private let shell: String
    private let moved: [(from: String, to: String)]

    /// A host whose `/var/lib/rollbook-host` is `folder`, with other texts of its command lines replaced in order.
    package init(
        host: HostName,
        folder: String,
        shell: String = "/bin/sh",
        replacing moved: [(from: String, to: String)] = []
    ) {
        self.host = host
        self.shell = shell
        self.moved = [("/var/lib/rollbook-host", folder)] + moved
    }

    package func exec(_ request: ExecRequest) async throws(TransportError) -> ChannelEnd {
        let line = moved.reduce(request.commandLine) { $0.replacing($1.from, with: $1.to) }
        do {
            var input: [UInt8] = []
            while let source = request.input {
                let part = try source.read(upTo: 65536)
                if part.isEmpty { break }
                input += part
            }
            let result = try await Subprocess.run(
                .path(.init(shell)),
                arguments: ["-c", line],
                input: .fileDescriptor(try Self.file(with: input), closeAfterSpawningProcess: true),
                output: .bytes(limit: 64 << 20),
                error: .bytes(limit: 16 << 20)
            )
            try request.output.write(unsafe result.standardOutput.span.bytes)
            try request.errorOutput.write(unsafe result.standardError.span.bytes)
            switch result.terminationStatus {
            case .exited(let code): return ChannelEnd(exitStatus: Int32(code))
            case .signaled(let signal): return ChannelEnd(exitStatus: 0, signal: "\(signal)")
            }
        } catch {
            throw TransportError(.lost, host: host, "\(error)", commandMayHaveStarted: true)
        }
    }

    /// Input that a command need not read: one that ends early does not break a pipe, which would end this process.
    private static func file(with bytes: [UInt8]) throws -> FileDescriptor {
        let path = "/tmp/rollbook-input-\(UInt64.random(in: .min ... .max))"
        let file = try FileDescriptor.open(
            FilePath(path),
            .readWrite,
            options: [.create, .exclusiveCreate, .closeOnExec],
            permissions: .ownerReadWrite
        )
        try FileManager.default.removeItem(atPath: path)
        try file.writeAll(bytes)
        try file.seek(offset: 0, from: .start)
        return file
    }

    package func close() async {}
}
