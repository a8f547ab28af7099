import ClusterModel
import FoundationEssentials
import RemoteShell

/// Whatever a step threw, as what is recorded and shown.
struct StepFailure: Error {
    let message: OperatorMessage
    /// Nobody knows whether the change was made.
    let outcomeIsUnknown: Bool

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
        case let error as FactFailure:
            message = error.message.completed(place: place)
            outcomeIsUnknown = false
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
