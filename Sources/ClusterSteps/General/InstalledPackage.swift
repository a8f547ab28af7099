import ClusterModel
package import RemoteShell
import RunEngine

/// `package.state`: one package as the host's package manager has it.
package struct InstalledPackage: Fact {
    package struct Value: Codable, Sendable, Hashable {
        /// `apt-get`, `dnf` or `zypper`.
        package let manager: String
        /// nil when it is not installed.
        package let version: String?
        package let isHeld: Bool
    }

    package static let name = "package.state"

    let package: String

    package init(_ package: String) { self.package = package }

    package var command: RemoteCommand {
        RemoteCommand([EnsurePackage.functions, Self.script], [package])
    }

    private static let script: StaticString = """
        echo "manager $pm"; echo "version $(installed "$1")"; ! is_held "$1" || echo held; echo end
        """

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let rows = answer.text.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        guard rows.last == ["end"], let manager = rows.first?.last, let version = rows.dropFirst().first else {
            let said = String(decoding: answer.errorOutput, as: UTF8.self).split(separator: "\n").last
            throw OperatorMessage(.refused, said.map(String.init) ?? "its package manager does not answer")
        }
        return Value(
            manager: manager,
            version: version.count == 2 ? version[1] : nil,
            isHeld: rows.contains(["held"])
        )
    }
}
