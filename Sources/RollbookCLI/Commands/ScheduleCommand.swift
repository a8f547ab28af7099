import ArgumentParser
import ClusterModel
import ClusterSteps
import FoundationEssentials
import RunEngine

/// `schedule RUNBOOK --at 02:15`: prints a systemd service and timer, or a crontab line, ready to install.
struct ScheduleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schedule",
        abstract: "Print a systemd timer or a crontab line that runs a runbook every day."
    )

    enum Kind: String, ExpressibleByArgument, CaseIterable { case systemd, cron }

    @Argument(help: "Runbook name.") var runbook: String
    @Option(help: "Local time of day, HH:MM.") var at: String
    @Option(name: .customLong("format"), help: "systemd or cron.") var kind: Kind = .systemd
    @Option(name: [.customShort("i"), .long], help: "Inventory file.") var inventory: String?
    @Option(help: "Folder of runs, locks and backups.") var stateDir: String?
    @Option(help: "The program's path (else this program's).") var program: String?

    func run() throws {
        let surroundings = try Surroundings.current()
        let (hour, minute) = try Self.time(at)
        _ = try RunbookSource(surroundings, registry: .shipped).find(runbook)
        let words = try command(surroundings)
        switch kind {
        case .systemd:
            Terminal.answer(
                ScheduledUnits(
                    name: "rollbook-\(runbook)",
                    runbook: runbook,
                    command: words,
                    hour: hour,
                    minute: minute
                ).printed
            )
        case .cron: Terminal.answer(Self.cron(words, runbook: runbook, hour: hour, minute: minute))
        }
    }

    private func command(_ surroundings: Surroundings) throws -> [String] {
        let path = try surroundings.absolute(InventoryFinder(surroundings).find(inventory))
        let binary = program ?? (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        var words = [binary ?? "/usr/local/bin/rollbook", "run", runbook, "--yes", "--quiet", "--inventory", path]
        if let stateDir { words += ["--state-dir", surroundings.absolute(stateDir)] }
        for word in words where !word.utf8.allSatisfy({ (0x21...0x7E).contains($0) && !"\"'\\$%`;".utf8.contains($0) })
        {
            throw OperatorMessage(
                .usage,
                at: word,
                "a path with spaces, quotes, '$' or '%' cannot stand in a unit and a crontab alike",
                next: "use a plain path"
            )
        }
        return words
    }

    static func time(_ text: String) throws(OperatorMessage) -> (hour: String, minute: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].count == 2, parts[1].count == 2, let hour = Int(parts[0]),
            let minute = Int(parts[1]),
            (0..<24).contains(hour), (0..<60).contains(minute)
        else { throw OperatorMessage(.usage, at: "--at \(text)", "is no time of day", next: "write it as 02:15") }
        return (String(parts[0]), String(parts[1]))
    }

    private static func cron(_ words: [String], runbook: String, hour: String, minute: String) -> String {
        """
        # /etc/cron.d/rollbook-\(runbook) — cron mails what the program prints; the exit code says the rest
        \(Int(minute) ?? 0) \(Int(hour) ?? 0) * * * root \(words.joined(separator: " "))
        """
    }
}
