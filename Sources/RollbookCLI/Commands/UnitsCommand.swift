import ArgumentParser
import ClusterModel
import FoundationEssentials
import Glibc

/// `units --output DIR`: writes the systemd templates `rollbook@.service` and `rollbook@.timer`, for packages.
struct UnitsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "units",
        abstract: "Write systemd templates that run a runbook every day.",
        shouldDisplay: false
    )

    @Option(help: "Folder to write the units into; it must be there.") var output: String

    func run() throws {
        let folder = try Surroundings.current().absolute(output)
        let units = ScheduledUnits.template
        for (name, text) in [("\(units.name).service", units.service), ("\(units.name).timer", units.timer)] {
            let path = "\(folder)/\(name)"
            do {
                try Data("\(text)\n".utf8).write(to: URL(filePath: path), options: .atomic)
            } catch {
                throw OperatorMessage(.storage, at: path, "cannot write it: \(error)", next: "mkdir -p \(output)")
            }
            // Units are for everybody, whatever the umask of the program is.
            _ = unsafe chmod(path, 0o644)
            Terminal.answer(name)
        }
    }
}
