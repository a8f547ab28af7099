/// An error that knows its exit code and what to tell an operator.
package protocol OperatorMessageConvertible: Error {
    var operatorMessage: OperatorMessage { get }
}

extension OperatorMessage: OperatorMessageConvertible {
    package var operatorMessage: OperatorMessage { self }
}
