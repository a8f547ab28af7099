import ClusterModel
import RemoteShell
import RunEngine

/// The transfer job: one file of every host into a local file of its own, with its SHA-256.
struct Fetch {
    let job: Job
    let hosts: [Host]
    let connections: any HostConnections

    /// Prints `<sha256> <bytes> <host>` for every file, in the order in which they are complete.
    func run() async throws {
        try await hosts.inFlight(job.parallel) { host in
            let connection = try await connections.connection(to: host)
            let sink = try FileSink("\(job.output)/got_\(host.name.text)")
            let result = try await connection.download(
                RemoteCommand("exec cat \"$1\"", [job.remotePath], as: .login),
                to: sink,
                limits: .transfer
            )
            guard result.succeeded else {
                throw OperatorMessage(.stepFailed, at: host.name.text, "cat ended with \(result.exitCode)")
            }
            let (bytes, digest) = try sink.finish()
            print(digest, bytes, host.name.text)
        }
    }
}
