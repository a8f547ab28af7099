package import ClusterModel
package import RemoteShell
import Subprocess
import SystemPackage

/// A host connection without a network: command lines run in this machine's `/bin/sh`, as sshd would run them.
///
/// Paths of the host are moved below a folder of the test, so nothing outside of it is touched.
package struct LocalTransport: ExecTransport {
    package let host: HostName
    private let folder: String
    private let shell: String

    /// Runs commands as `host`; `folder` takes the place of `/var/lib/rollbook-host`.
    package init(host: HostName, folder: String, shell: String = "/bin/sh") {
        self.host = host
        self.folder = folder
        self.shell = shell
    }

    package func exec(_ request: ExecRequest) async throws(TransportError) -> ChannelEnd {
        let line = request.commandLine.replacing("/var/lib/rollbook-host", with: folder)
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
                input: .array(input),
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

    package func close() async {}
}
