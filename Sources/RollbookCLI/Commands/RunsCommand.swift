import ArgumentParser
import ClusterModel
import Journal
import RunEngine
import SystemPackage

/// `runs`: the history of this controller.
struct RunsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "runs", abstract: "List the runs of this controller.")

    @OptionGroup var state: StateOptions
    @Option(help: "At most this many, the newest first.") var last: Int = 20

    func run() throws {
        let surroundings = try Surroundings.current()
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
        for run in try folder.runs().reversed().prefix(max(0, last)) {
            guard let place = try folder.existingRun(run) else { continue }
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
