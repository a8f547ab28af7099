package import ClusterModel
package import Journal
package import RemoteShell
package import RunEngine

// Errors of the modules below, as the command line tells them.

extension JournalError: OperatorMessageConvertible {
    package var operatorMessage: OperatorMessage { message }
}

extension TransportError: OperatorMessageConvertible {
    package var operatorMessage: OperatorMessage { message }
}

extension FactFailure: OperatorMessageConvertible {
    package var operatorMessage: OperatorMessage { message }
}

extension StepFault: OperatorMessageConvertible {
    package var operatorMessage: OperatorMessage { OperatorMessage(.fault, description) }
}
