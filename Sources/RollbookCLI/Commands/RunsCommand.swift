import ArgumentParser
import ClusterModel
import Journal
import RunEngine
import SystemPackage

/// `runs`: the history of this controller; with `--max-age` a verdict for monitoring.
struct RunsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "runs",
        abstract: "List the runs of this controller; with --max-age tell whether one succeeded lately."
    )

    @OptionGroup var state: StateOptions
    @Option(help: "At most this many, the newest first.") var last: Int = 20
    @Option(
        help: ArgumentHelp(
            "For monitoring: exit with 4 unless a run succeeded within this time: 90m, 26h, 2d.",
            valueName: "duration"
        )
    )
    var maxAge: String?
    @Option(help: "Only runs of this runbook.") var runbook: String?
    @Option(help: "Only runs on this cluster.") var cluster: String?

    func run() throws {
        let surroundings = try Surroundings.current()
        let wanted = try cluster.map { text in
            guard let id = ClusterID(text) else {
                throw OperatorMessage(.usage, at: "--cluster \(text)", "is no id of a cluster")
            }
            return id
        }
        if let maxAge { return try judge(maxAge, wanted, surroundings) }
        guard let folder = try StateDirectory.existing(at: FilePath(surroundings.stateDirectory(state.stateDir))) else {
            if state.format == .json { return try JSONAnswer.print(.object(["v": .integer(1), "runs": .array([])])) }
            return Terminal.answer("No runs yet.")
        }
        var table = Table(
            ("RUN", .left),
            ("RUNBOOK", .left),
            ("CLUSTER", .left),
            ("STATUS", .left),
            ("EXIT", .right),
            ("DONE", .right),
            ("TOOK", .right),
            ("STARTED", .left)
        )
        var entries: [JSONValue] = []
        for run in try folder.runs().reversed() {
            guard entries.count < last else { break }
            guard let place = try folder.existingRun(run), isWanted(place, wanted) else { continue }
            let row: RunRow
            do { row = RunRow(run, try JournalReader.verify(place)) } catch { row = RunRow(run, damaged: error) }
            table.add(row.run.text, row.runbook, row.cluster, row.status, row.exit, row.done, row.took, row.started)
            entries.append(row.json)
        }
        if state.format == .json {
            try JSONAnswer.print(.object(["v": .integer(1), "runs": .array(entries)]))
        } else {
            Terminal.answer(table.isEmpty ? "No runs yet." : table.text)
        }
    }

    private func isWanted(_ place: RunFolder, _ cluster: ClusterID?) -> Bool {
        guard runbook != nil || cluster != nil else { return true }
        guard let begin = JournalReader.begin(of: place) else { return false }
        return (runbook == nil || begin.runbook == runbook) && (cluster == nil || begin.cluster == cluster)
    }

    private func judge(_ text: String, _ cluster: ClusterID?, _ surroundings: Surroundings) throws {
        guard let limit = parseDuration(text) else {
            throw OperatorMessage(.usage, at: "--max-age \(text)", "is no duration", next: "write 26h, 90m or 2d")
        }
        let folder = try StateDirectory.existing(at: FilePath(surroundings.stateDirectory(state.stateDir)))
        let newest = try folder.flatMap {
            try RunFreshnessFinder(folder: $0, runbook: runbook, cluster: cluster).newest()
        }
        let freshness = RunFreshness(newest, maxAge: limit, now: surroundings.time.now)
        if state.format == .json {
            try JSONAnswer.print(freshness.json(runbook: runbook, cluster: cluster, maxAge: limit))
        } else {
            let what = [runbook, cluster.map { "on \($0)" }].compactMap(\.self).joined(separator: " ")
            Terminal.answer(freshness.sentence(what.isEmpty ? "runs" : what, limit: text).escapedOnOneLine)
        }
        if freshness.exitCode != .done { throw CommandEnding(code: freshness.exitCode) }
    }
}

/// One run as a row.
private struct RunRow {
    let run: RunID
    var runbook = ""
    var cluster = ""
    var status = ""
    var exit = ""
    var done = ""
    var took = ""
    var durationMs: Int64?
    var started = ""

    init(_ run: RunID, _ recorded: RecordedRun) {
        self.run = run
        let state = recorded.state
        runbook = state.begin?.runbook ?? ""
        cluster = state.begin?.cluster.text ?? ""
        status = state.status.rawValue
        exit = state.end.map { String($0.exitCode.rawValue) } ?? ""
        let satisfied = state.steps.values.count { $0.isSatisfied }
        done = "\(satisfied)/\(state.begin?.steps ?? 0)"
        if let duration = recorded.duration {
            took = duration.brief
            durationMs = duration.milliseconds
        }
        started = recorded.records.first?.time.description ?? ""
    }

    init(_ run: RunID, damaged error: JournalError) {
        self.run = run
        status = "DAMAGED"
        runbook = error.message.event
    }

    var json: JSONValue {
        .object([
            "run": .string(run.text), "runbook": .string(runbook), "cluster": .string(cluster),
            "status": .string(status), "exitCode": Int64(exit).map { .integer($0) } ?? .null,
            "started": .string(started), "durationMs": durationMs.map { .integer($0) } ?? .null,
        ])
    }
}
