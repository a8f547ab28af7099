import ClusterModel

/// One machine to log in to: a host or a jump host.
struct Endpoint: Sendable, Hashable {
    /// The name a person knows it by.
    let name: String
    let address: String
    let port: Int
    let user: String
    /// What is looked up in known hosts.
    ///
    /// An alias stands for itself, without the port, as in ssh_config(5).
    let knownName: String
    let knownPort: Int

    var text: String { address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)" }
}

/// The way to one machine: the jump hosts from the controller outwards, and the machine itself last.
///
/// Two hosts behind the same jump hosts have routes with the same beginning, and share the connections of it.
struct Route: Sendable, Hashable {
    let endpoints: [Endpoint]
    /// A connection that only carries tunnels.
    ///
    /// It is kept apart from the one that runs commands on the same machine,
    /// because an unanswered opening would hold those up.
    let isJump: Bool

    init(to host: Host) {
        let settings = host.ssh
        let hops = settings.jump.map { hop in
            Endpoint(
                name: hop.name,
                address: hop.address,
                port: hop.port,
                user: hop.user,
                knownName: hop.address,
                knownPort: hop.port
            )
        }
        let target = Endpoint(
            name: host.name.text,
            address: settings.address,
            port: settings.port,
            user: settings.user,
            knownName: settings.hostKeyAlias ?? settings.address,
            knownPort: settings.hostKeyAlias == nil ? settings.port : 22
        )
        endpoints = hops + [target]
        isJump = false
    }

    private init(hops: [Endpoint]) {
        endpoints = hops
        isJump = true
    }

    var target: Endpoint { endpoints[endpoints.count - 1] }

    /// The route to the last jump host, or nil when the connection is direct.
    var outer: Route? { endpoints.count > 1 ? Route(hops: endpoints.dropLast()) : nil }
}
