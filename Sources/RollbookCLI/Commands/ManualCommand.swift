import ArgumentParser
import ClusterModel
import FoundationEssentials
import Glibc

/// `manual --output DIR`: writes the manual pages, for packages.
struct ManualCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manual",
        abstract: "Write manual pages of the program and its commands.",
        shouldDisplay: false
    )

    @Option(help: "Folder to write the pages into; it must be there.") var output: String

    func run() throws {
        let folder = try Surroundings.current().absolute(output)
        for page in ManualPage.all(of: try .program()) {
            let path = "\(folder)/\(page.name)"
            do {
                try Data(page.text.utf8).write(to: URL(filePath: path), options: .atomic)
            } catch {
                throw OperatorMessage(.storage, at: path, "cannot write it: \(error)", next: "mkdir -p \(output)")
            }
            // Manual pages are for everybody, whatever the umask of the program is.
            _ = unsafe chmod(path, 0o644)
            Terminal.answer(page.name)
        }
    }
}
