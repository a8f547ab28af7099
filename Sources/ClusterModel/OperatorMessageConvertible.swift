/// An error of a leaf module that knows its exit code and what to tell an operator.
package protocol OperatorMessageConvertible: Error {
    var operatorMessage: OperatorMessage { get }
}
