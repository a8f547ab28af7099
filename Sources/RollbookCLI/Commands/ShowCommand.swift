import ArgumentParser
import ClusterModel
import HTMLReport
import Journal
import RunEngine
import SystemPackage

/// `show RUN`: one run, step by step, and what to do next.
struct ShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "Show one run.")

    @Argument(help: "Run id (else the newest).") var id: String?
    @OptionGroup var state: StateOptions
    @Option(
        help: ArgumentHelp(
            "Write the run as one self-contained page to this file, or to standard output for '-'.",
            valueName: "file"
        )
    )
    var html: String?

    func run() throws {
        let finder = try RunFinder(state)
        let recorded = try finder.find(id)
        guard let bytes = recorded.plan else {
            throw OperatorMessage(.integrity, at: recorded.folder.plan.string, "the plan of the run is missing")
        }
        let plan = try Plan.read(bytes, from: recorded.folder.plan.string)
        let details = RunDetails(recorded, plan)
        if let html {
            let page = RunPage(
                try details.reported(beside: finder.earlier(than: recorded)),
                outputs: RunOutputs(folder: recorded.folder)
            )
            if html == "-" { return try Terminal.machineAnswer(page.html) }
            try ReportFile(Surroundings.current().absolute(html)).write(page.html)
            if state.format == .text { return Terminal.answer("Stored as \(html).".escapedOnOneLine) }
        }
        if state.format == .json {
            try JSONAnswer.print(try details.json)
        } else {
            Terminal.answer(details.text)
        }
    }
}

/// Finds a recorded run and verifies it.
struct RunFinder {
    /// Earlier runs that a report compares with.
    private static let mostEarlier = 10

    private let folder: StateDirectory

    init(_ folder: StateDirectory) { self.folder = folder }

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

    /// The last runs of the same runbook on the same cluster before `run`, the newest first.
    func earlier(than run: RecordedRun) throws -> [EarlierRun] {
        guard let begin = run.state.begin else { return [] }
        return try earlier(of: begin.runbook, on: begin.cluster, than: run.folder.run)
    }

    private func earlier(of runbook: String, on cluster: ClusterID, than run: RunID) throws -> [EarlierRun] {
        var found: [EarlierRun] = []
        for id in try folder.runs().reversed() where id < run {
            guard found.count < Self.mostEarlier else { break }
            guard let place = try folder.existingRun(id), let other = JournalReader.begin(of: place),
                other.runbook == runbook, other.cluster == cluster
            else { continue }
            guard let recorded = try? JournalReader.verify(place) else {
                found.append(EarlierRun(run: id, started: nil, duration: nil, verdict: .damaged))
                continue
            }
            found.append(
                EarlierRun(
                    run: id,
                    started: recorded.records.first?.time,
                    duration: recorded.duration,
                    verdict: Verdict(recorded.state)
                )
            )
        }
        return found
    }

    /// How the earlier run of middling length went, to estimate the time left from; nil when none was done.
    func pace(for plan: Plan, before run: RunID) -> EarlierPace? {
        let earlier = (try? earlier(of: plan.runbook, on: plan.cluster.id, than: run)) ?? []
        let done = earlier.filter(\.verdict.isDone).sorted { ($0.duration ?? .zero) < ($1.duration ?? .zero) }
        guard !done.isEmpty, let place = try? folder.existingRun(done[done.count / 2].run),
            let recorded = try? JournalReader.verify(place)
        else { return nil }
        return EarlierPace(of: recorded, for: plan.steps.map(\.id))
    }
}
