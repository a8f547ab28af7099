import ClusterModel

/// Refuses what two hosts cannot share; each message has the lines of both.
func checkHosts(_ hosts: [HostDraft], log: ProblemLog) {
    var names: [HostName: Mark] = [:]
    var endpoints: [Endpoint: HostDraft] = [:]
    var clusterAddresses: [HostAddress: HostDraft] = [:]
    for host in hosts {
        if let first = names[host.name.value] {
            log.error("host name '\(host.name.value)' is used twice, first at line \(first.line)", at: host.name.mark)
            continue
        }
        names[host.name.value] = host.name.mark

        let endpoint = Endpoint(address: host.address.value, port: host.ssh.port?.value)
        if let first = endpoints[endpoint] {
            log.error(
                "host '\(host.name.value)' has the address \(endpoint) of host '\(first.name.value)' at line"
                    + " \(first.address.mark.line)",
                at: host.address.mark
            )
            continue
        }
        endpoints[endpoint] = host

        let known = host.clusterAddress ?? host.address
        if let first = clusterAddresses[known.value] {
            log.warning(
                "host '\(host.name.value)' has the cluster address \(known.value) of host '\(first.name.value)' at line"
                    + " \((first.clusterAddress ?? first.address).mark.line)",
                at: known.mark,
                suggestion: "write the 'clusterAddress' by which the other hosts know each"
            )
        } else {
            clusterAddresses[known.value] = host
        }
    }
}

/// Where one connects to; the port is nil when the host has the common one.
private struct Endpoint: Hashable, CustomStringConvertible {
    let address: HostAddress
    let port: Int?

    var description: String { port.map { "\(address) port \($0)" } ?? address.description }
}
