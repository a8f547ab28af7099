import ClusterModel
import SSHTransport

private let names = ["m1.example", "10.0.0.1", "*", "a?b", "fe80::1%eth0", ""]

func feedKnownHosts(_ bytes: [UInt8]) {
    let hosts = KnownHosts(files: [KnownHosts.File(path: "known_hosts", bytes: bytes)])
    hosts.diagnostics.forEach(requirePlain)
    for name in names {
        for port in [22, 2222] {
            let types = hosts.knownKeyTypes(forHost: name, port: port)
            precondition(Set(types).count == types.count)
            _ = hosts.verdict(forHost: name, port: port, keyType: "ssh-ed25519", key: bytes)
        }
    }
    // A key that a line lists for a host, and nothing revokes, is trusted on that host.
    for line in hosts.lines.prefix(8) {
        _ = hosts.verdict(forHost: "m1.example", port: 22, keyType: line.key.type, key: line.key.blob)
        _ = try? hosts.addition(of: line.key, forHost: "m1.example", port: 22)
    }
}

/// Files that include themselves are part of it: an Include of any name gives the same bytes again.
func feedSSHConfiguration(_ bytes: [UInt8]) {
    let file = SSHConfiguration.File(path: "/home/op/.ssh/config", bytes: bytes)
    var included = 0
    let configuration = try? SSHConfiguration(files: [file]) { (_, _) throws(OperatorMessage) in
        included += 1
        return included <= 3 ? [file] : []
    }
    guard let configuration else { return }
    configuration.diagnostics.forEach(requirePlain)
    for name in names {
        let entry = configuration.entry(for: name)
        if let port = entry.port { precondition((1...65535).contains(port)) }
        let tokens = SSHConfigurationTokens(
            home: "/home/op",
            localUser: "op",
            remoteUser: entry.user ?? "op",
            host: entry.hostName,
            port: entry.port ?? 22,
            alias: name
        )
        for template in entry.identityFiles { _ = try? tokens.expand(template) }
    }
}
