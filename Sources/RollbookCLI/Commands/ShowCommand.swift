import ArgumentParser
import ClusterModel
import Journal
import RunEngine
import SystemPackage

/// `show RUN`: one run, step by step, and what to do next.
struct ShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show one run.")

    @Argument(help: "Run id (else the newest).") var id: String?
    @OptionGroup var state: StateOptions

    func run() throws {
        let recorded = try RunFinder(state).find(id)
        guard let bytes = recorded.plan else {
            throw OperatorMessage(.integrity, at: recorded.folder.plan.string, "the plan of the run is missing")
        }
        let plan = try Plan.read(bytes, from: recorded.folder.plan.string)
        if state.format == .json {
            try JSONAnswer.print(try RunDetails(recorded, plan).json)
        } else {
            Terminal.answer(RunDetails(recorded, plan).text)
        }
    }
}

/// Finds a recorded run and verifies it.
struct RunFinder {
    private let folder: StateDirectory

    init(_ options: StateOptions) throws {
        let path = try Surroundings.current().stateDirectory(options.stateDir)
        guard let found = try StateDirectory.existing(at: FilePath(path)) else {
            throw OperatorMessage(.usage, at: path, "there are no runs yet")
        }
        folder = found
    }

    func find(_ text: String?) throws -> RecordedRun {
        let id: RunID
        if let text {
            guard let parsed = RunID(text) else {
                throw OperatorMessage(.usage, at: text, "is no run id", next: "rollbook runs lists them")
            }
            id = parsed
        } else {
            guard let newest = try folder.runs().last else { throw OperatorMessage(.usage, "there are no runs yet") }
            id = newest
        }
        guard let place = try folder.existingRun(id) else {
            throw OperatorMessage(.usage, at: id.text, "there is no such run", next: "rollbook runs lists them")
        }
        return try JournalReader.verify(place, witnesses: try folder.witnesses(of: id))
    }
}
