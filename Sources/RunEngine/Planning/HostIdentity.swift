package import ClusterModel
package import RemoteShell

/// Which machine answers: read on every connection, so that no step reaches a host that took another's address.
package struct HostIdentity: Fact {
    package struct Value: Codable, Sendable, Hashable {
        package let machineID: String
        package let bootID: String
        package let hostname: String
    }

    package static let name = "host.identity"

    package init() {}

    package var command: RemoteCommand {
        RemoteCommand(
            """
            cat /etc/machine-id 2>/dev/null || echo none
            cat /proc/sys/kernel/random/boot_id
            uname -n
            """,
            as: .login
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let lines = answer.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard answer.exitCode == 0, lines.count >= 3 else {
            throw OperatorMessage(.refused, "it does not tell its machine id and boot id")
        }
        return Value(machineID: lines[0], bootID: lines[1], hostname: lines[2])
    }

    /// A reboot between plan and run is no reason to plan again; another machine is.
    package func bound(_ value: Value) throws -> JSONValue? { .string(value.machineID) }
}
