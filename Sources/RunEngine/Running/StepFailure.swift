import ClusterModel
import FoundationEssentials
import RemoteShell

/// Whatever a step threw, as what is recorded and shown.
struct StepFailure: Error {
    let message: OperatorMessage
    /// Nobody knows whether the change was made.
    let outcomeIsUnknown: Bool
    /// The way to the host failed, not what was asked of it.
    var isOfLink = false

    init(_ message: OperatorMessage, outcomeIsUnknown: Bool) {
        self.message = message
        self.outcomeIsUnknown = outcomeIsUnknown
    }

    init(_ error: any Error, place: String) {
        switch error {
        case let error as OperatorMessage:
            message = error.completed(place: place)
            outcomeIsUnknown = error.code == .outcomeUnknown
        case let error as TransportError:
            message = error.message.completed(place: place)
            outcomeIsUnknown = error.commandMayHaveStarted
            isOfLink = true
        case let error as FactFailure:
            message = error.message.completed(place: place)
            outcomeIsUnknown = false
            isOfLink = error.message.code == .unreachable
        case let error as any OperatorMessageConvertible:
            message = error.operatorMessage.completed(place: place)
            outcomeIsUnknown = false
        case is CancellationError:
            message = OperatorMessage(.outcomeUnknown, at: place, "it was cancelled while it ran")
            outcomeIsUnknown = true
        default:
            message = OperatorMessage(.fault, at: place, "\(error)")
            outcomeIsUnknown = false
        }
    }
}
