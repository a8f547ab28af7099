package import ClusterModel
package import RemoteShell
import RunEngine

/// `service.state`: what systemd says of a unit.
package struct ServiceState: Fact {
    package struct Value: Codable, Sendable, Hashable {
        /// Such as `loaded`, `not-found`, `masked`, or `new` where only the file is there.
        package let load: String
        /// Such as `active`, `inactive`, `failed` or `activating`.
        package let active: String
        /// Such as `enabled`, `disabled` or `static`; empty for a unit that is not there.
        package let file: String

        package var isRunning: Bool { ["active", "activating", "reloading", "refreshing"].contains(active) }
        package var isEnabled: Bool { file == "enabled" || file == "enabled-runtime" }
    }

    package static let name = "service.state"

    let unit: String

    package init(_ unit: String) { self.unit = unit }

    package var command: RemoteCommand {
        RemoteCommand(
            Self.script,
            [unit]
        )
    }

    /// A unit file that systemd has not been told of yet is told as `new`.
    private static let script: StaticString = """
        timeout 8 systemctl show -p LoadState -p ActiveState -p UnitFileState -- "$1"
        case $1 in *.*) unit=$1 ;; *) unit=$1.service ;; esac
        for d in /etc/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
            [ ! -f "$d/$unit" ] || { echo OnDisk=yes; break; }
        done
        """

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
        let isNew = load == "not-found" && values["OnDisk"] != nil
        return Value(
            load: isNew ? "new" : String(load),
            active: String(active),
            file: String(values["UnitFileState"] ?? "")
        )
    }

    /// A unit that is on its way counts as running.
    package func bound(_ value: Value) throws -> JSONValue? {
        .object(["load": .string(value.load), "running": .bool(value.isRunning), "file": .string(value.file)])
    }
}
