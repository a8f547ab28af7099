import ArgumentParser
import ClusterModel
import Journal
import SystemPackage

struct JournalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "journal",
        abstract: "Check journals.",
        subcommands: [JournalVerifyCommand.self]
    )
}

/// `journal verify [RUN]`: checks every hash, the plan and the witnesses of one run or of all; changes nothing.
struct JournalVerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Verify the chain of one run, or of all runs."
    )

    @Argument(help: "Run id (else all runs).") var id: String?
    @OptionGroup var state: StateOptions

    func run() throws {
        let path = try Surroundings.current().stateDirectory(state.stateDir)
        guard let folder = try StateDirectory.existing(at: FilePath(path)) else {
            throw OperatorMessage(.usage, at: path, "there are no runs yet")
        }
        let runs: [RunID]
        if let id {
            guard let run = RunID(id) else {
                throw OperatorMessage(.usage, at: id, "is no run id", next: "rollbook runs lists them")
            }
            runs = [run]
        } else {
            runs = try folder.runs()
        }
        var worst: [ExitCode] = []
        var entries: [JSONValue] = []
        for id in runs {
            var fields: [String: JSONValue] = ["run": .string(id.text)]
            do {
                guard let place = try folder.existingRun(id) else {
                    throw OperatorMessage(.usage, at: id.text, "there is no such run", next: "rollbook runs lists them")
                }
                let recorded = try JournalReader.verify(place, witnesses: try folder.witnesses(of: id))
                let damaged = JournalReader.damagedOutputs(of: recorded)
                guard damaged.isEmpty else {
                    throw OperatorMessage(
                        .integrity,
                        at: id.text,
                        "outputs do not match what was recorded: \(damaged.joined(separator: ", "))"
                    )
                }
                fields["ok"] = .bool(true)
                fields["records"] = .integer(Int64(recorded.records.count))
                if state.format == .text {
                    let torn = recorded.torn.map { ", \($0.bytes) bytes of a torn last record" } ?? ""
                    Terminal.answer("\(id)  ok  \(recorded.records.count) records\(torn)")
                }
            } catch let error as any OperatorMessageConvertible {
                worst.append(error.operatorMessage.code)
                fields["ok"] = .bool(false)
                fields["problem"] = .string(error.operatorMessage.event)
                Terminal.error(error.operatorMessage.description)
            }
            entries.append(.object(fields))
        }
        if state.format == .json { try JSONAnswer.print(.object(["v": .integer(1), "runs": .array(entries)])) }
        if !worst.isEmpty { throw CommandEnding(code: ExitCode.mostSevere(worst)) }
    }
}
