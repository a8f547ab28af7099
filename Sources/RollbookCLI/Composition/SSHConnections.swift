import ClusterModel
import FoundationEssentials
import RemoteShell
import RunEngine
import SSHTransport

/// One SSH connection per host and run, with results proven by the command frame.
struct SSHConnections: HostConnections {
    private let transport: SSHTransport
    private let passwords = PasswordFiles()

    init(_ transport: SSHTransport) { self.transport = transport }

    var executor: (any TaskExecutor)? { transport.executor }

    func connection(to host: Host) async throws(TransportError) -> any HostConnection {
        var password: Secret?
        if case .sudoWithPassword(let file) = host.ssh.become {
            password = try await passwords.password(in: file, for: host.name)
        }
        return FramedConnection(try await transport.connect(to: host), become: host.ssh.become, password: password)
    }

    /// The transport forgets lost links by itself.
    func drop(_ host: HostName) async {}

    /// The keys a host offers; nothing is authenticated and nothing trusted.
    func scan(_ host: Host) async throws(TransportError) -> [OfferedHostKey] { try await transport.scan(host) }

    func close() async { await transport.shutdown() }
}

/// Reads each sudo password once, from a file that only its owner may read.
private actor PasswordFiles {
    private var known: [String: Secret] = [:]

    func password(in file: String, for host: HostName) throws(TransportError) -> Secret {
        if let secret = known[file] { return secret }
        let secret = try PasswordFile.read(file, for: host)
        known[file] = secret
        return secret
    }
}
