package import ClusterModel

/// Why a host could not be reached, or why a command has no known result.
package struct TransportError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Kind: String, Sendable, Hashable, CaseIterable {
        case nameNotResolved, refused, connectTimeout, handshakeTimeout, notSSH, handshakeFailed
        case hostKeyUnknown, hostKeyChanged, hostKeyRevoked, wrongMachine
        case authenticationFailed, localFile
        /// The link ended, or the channel closed, before the command's trailer came.
        case lost
        case deadline, idle, cancelled
        /// The local sink or source threw (disk full, say); the command's outcome is not known.
        case localStream
        /// `sudo` refused before the command began: nothing ran.
        case becomeRefused
    }

    package let kind: Kind
    package let host: HostName
    /// What happened, with address and port: `connection refused (10.9.0.13:22)`.
    package let event: String
    /// The next command or action, when there is one.
    package let next: String?
    /// Whether bytes of a command may have reached the host: then its outcome is unknown, not failed.
    package let commandMayHaveStarted: Bool

    package init(
        _ kind: Kind,
        host: HostName,
        _ event: String,
        next: String? = nil,
        commandMayHaveStarted: Bool = false
    ) {
        self.kind = kind
        self.host = host
        self.event = event
        self.next = next
        self.commandMayHaveStarted = commandMayHaveStarted
    }

    package var exitCode: ExitCode {
        switch kind {
        case .hostKeyUnknown, .hostKeyChanged, .hostKeyRevoked, .wrongMachine, .localFile: .security
        case .becomeRefused: .refused
        case .localStream: .storage
        case .deadline, .idle, .lost, .cancelled: commandMayHaveStarted ? .outcomeUnknown : .unreachable
        default: .unreachable
        }
    }

    package var message: OperatorMessage {
        let state = commandMayHaveStarted ? "The command may have run; its outcome is not known" : "Nothing was sent"
        return OperatorMessage(exitCode, at: host.text, event, state: state, next: next)
    }

    package var description: String { message.description }
}
