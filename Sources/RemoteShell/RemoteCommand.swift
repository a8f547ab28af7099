/// A command for a host: a script that is fixed at compile time, and the values it receives as `$1`, `$2`, ….
///
/// Values never become part of the script's text, so there is nothing to inject into. Secrets are not values: they
/// travel on standard input (`CommandInput`).
package struct RemoteCommand: Sendable, Hashable {
    /// Whose rights the script runs with.
    package enum Privilege: String, Sendable, Hashable, Codable { case login, root }

    package let script: String
    package let arguments: [String]
    package let privilege: Privilege

    /// Composes a command.
    ///
    /// - Precondition: no argument contains a NUL byte (inventory and runbook loading refuse them with a location).
    package init(_ script: StaticString, _ arguments: [String] = [], as privilege: Privilege = .root) {
        precondition(arguments.allSatisfy { !$0.utf8.contains(0) }, "a NUL byte cannot travel in an argument")
        self.script = script.description
        self.arguments = arguments
        self.privilege = privilege
    }

    /// Composes a command of several fixed parts, such as shared functions and what uses them.
    package init(_ parts: [StaticString], _ arguments: [String] = [], as privilege: Privilege = .root) {
        precondition(arguments.allSatisfy { !$0.utf8.contains(0) }, "a NUL byte cannot travel in an argument")
        script = parts.map(\.description).joined()
        self.arguments = arguments
        self.privilege = privilege
    }

    /// Joins fixed scripts into one, each with its own arguments: how all facts of a host become one round trip.
    init(joined script: String, _ arguments: [String], as privilege: Privilege) {
        self.script = script
        self.arguments = arguments
        self.privilege = privilege
    }

    /// What a person may paste into a root shell on the host to do the same.
    package var preview: String {
        (["sh", "-c", quotedForShell(script), "rollbook"] + arguments.map(quotedForShell)).joined(separator: " ")
    }
}
