package import ClusterModel
package import RemoteShell
import RunEngine

/// `service.state`: what systemd says of a unit.
package struct ServiceState: Fact {
    package struct Value: Codable, Sendable, Hashable {
        /// `loaded`, `not-found`, `masked` …
        package let load: String
        /// `active`, `inactive`, `failed`, `activating` …
        package let active: String
        /// `enabled`, `disabled`, `static`, `masked` …; empty for a unit that is not there.
        package let file: String

        package var isRunning: Bool { ["active", "activating", "reloading", "refreshing"].contains(active) }
        package var isEnabled: Bool { file == "enabled" || file == "enabled-runtime" }
    }

    package static let name = "service.state"

    let unit: String

    package init(_ unit: String) { self.unit = unit }

    package var command: RemoteCommand {
        RemoteCommand(
            "timeout 8 systemctl show -p LoadState -p ActiveState -p UnitFileState -- \"$1\"",
            [unit]
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        var values: [Substring: Substring] = [:]
        for line in answer.text.split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { values[parts[0]] = parts[1] }
        }
        guard let load = values["LoadState"], let active = values["ActiveState"] else {
            let said = String(decoding: answer.errorOutput, as: UTF8.self).split(separator: "\n").last.map(String.init)
            throw OperatorMessage(.refused, "systemd does not tell: \(said ?? "it ended with \(answer.exitCode)")")
        }
        return Value(load: String(load), active: String(active), file: String(values["UnitFileState"] ?? ""))
    }

    /// A unit that is on its way counts as running.
    package func bound(_ value: Value) throws -> JSONValue? {
        .object(["load": .string(value.load), "running": .bool(value.isRunning), "file": .string(value.file)])
    }
}
