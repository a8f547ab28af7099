import ClusterModel

/// What to do, to which hosts, and where the answers go: the command line of `rollbook-bench` as a value.
struct Job: Sendable {
    enum Mode: String, Sendable, CaseIterable {
        /// All commands of a host as one probe batch, as planning reads facts.
        case batch
        /// One execution after another on the host's connection.
        case seq
        /// All executions of a host at the same time on its connection.
        case par
        /// Logs in and runs `true`.
        case login
        /// One file of every host to a local file, hashed on the way.
        case fetch
        /// Prints the commands of the first three modes, one a line, and contacts nothing.
        case commands
    }

    let mode: Mode
    /// Addresses, one a line.
    let hostsFile: String
    let knownHosts: String
    let identity: String
    let user: String
    let port: Int
    /// Folder for one file per host and answer.
    let output: String
    /// What `fetch` fetches.
    let remotePath: String
    /// Hosts in flight.
    let parallel: Int

    static let usage = """
        usage: rollbook-bench batch|seq|par|login|fetch --hosts FILE --known-hosts FILE --identity FILE --output FOLDER
               [--port 22] [--user root] [--parallel 48] [--path REMOTE-FILE]
               rollbook-bench commands
        """

    init(_ arguments: [String]) throws(OperatorMessage) {
        guard let mode = arguments.first.flatMap(Mode.init) else { throw Self.refused("the mode is missing") }
        self.mode = mode
        var options: [String: String] = [:]
        var rest = arguments.dropFirst()
        while let name = rest.popFirst() {
            guard let value = rest.popFirst() else { throw Self.refused("\(name) has no value") }
            options[name] = value
        }
        func text(_ name: String, or fallback: String) -> String { options.removeValue(forKey: name) ?? fallback }
        hostsFile = text("--hosts", or: "")
        knownHosts = text("--known-hosts", or: "")
        identity = text("--identity", or: "")
        user = text("--user", or: "root")
        output = text("--output", or: "")
        remotePath = text("--path", or: "")
        let (port, parallel) = (Int(text("--port", or: "22")), Int(text("--parallel", or: "48")))
        guard let port, let parallel, parallel > 0 else { throw Self.refused("--port and --parallel take numbers") }
        self.port = port
        self.parallel = parallel
        if let unknown = options.keys.sorted().first { throw Self.refused("\(unknown) is not an option") }
        let needed = [hostsFile, knownHosts, identity, output] + (mode == .fetch ? [remotePath] : [])
        guard mode == .commands || !needed.contains("") else { throw Self.refused("an option is missing") }
    }

    private static func refused(_ what: String) -> OperatorMessage { OperatorMessage(.usage, what, next: usage) }

    /// The hosts as the inventory would give them, in the order of the file.
    func hosts() throws -> [Host] {
        let lines = String(decoding: try LocalFile.read(hostsFile), as: UTF8.self).split(separator: "\n")
        return try lines.map { line in
            guard let name = HostName(String(line)) else {
                throw OperatorMessage(.invalidInput, at: hostsFile, "'\(line)' is not an address")
            }
            let settings = SSHSettings(
                address: name.text,
                port: port,
                user: user,
                identities: [.file(path: identity, passphraseFile: nil)],
                knownHosts: [knownHosts],
                connectTimeout: .seconds(120)
            )
            return Host(name: name, role: .worker, ssh: settings)
        }
    }
}
