import ClusterModel
import RemoteShell

/// Why a connection cannot be used, before it is known for which of the hosts that share it that matters.
struct LinkFault: Error, Sendable, Hashable {
    let kind: TransportError.Kind
    /// What happened, with address and port.
    let event: String
    let next: String?
    /// The server and libssh2 had no algorithm in common; a scan for one kind of key takes that as "has none".
    let isLackOfCommonAlgorithm: Bool

    init(
        _ kind: TransportError.Kind,
        _ event: String,
        next: String? = nil,
        isLackOfCommonAlgorithm: Bool = false
    ) {
        self.isLackOfCommonAlgorithm = isLackOfCommonAlgorithm
        self.kind = kind
        self.event = event
        self.next = next
    }

    /// The fault as those behind a jump host see it.
    func behind(_ hop: Endpoint) -> LinkFault {
        event.hasPrefix("jump host ") ? self : LinkFault(kind, "jump host \(hop.name): \(event)", next: next)
    }

    func error(for host: HostName, started: Bool = false) -> TransportError {
        TransportError(kind, host: host, event, next: next, commandMayHaveStarted: started)
    }
}
