import SystemPackage

/// A run as its folder tells it, after everything was verified.
package struct RecordedRun: Sendable {
    package let folder: RunFolder
    /// The bytes of plan.json, whose hash is the plan id of the journal; nil when the run stopped before it was begun.
    package let plan: [UInt8]?
    /// Empty when the process died before the first record was durable.
    package let records: [JournalRecord]
    package let state: RunState
    /// The unfinished last record that a crash left behind, not counted in `records`; nil when there is none.
    package let torn: JournalCut?

    /// Hash of the last record.
    package var head: ContentHash? { records.last?.hash }

    /// How long its sessions worked, without the time between them; nil before there is anything to measure.
    package var duration: Duration? {
        guard records.count > 1 else { return nil }
        return zip(records, records.dropFirst()).reduce(into: .zero) { sum, pair in
            if case .runResumed = pair.1.event { return }
            if pair.0.boot == pair.1.boot { sum += max(.zero, pair.1.uptime - pair.0.uptime) }
        }
    }
}

/// Reads journals without changing anything.
package enum JournalReader {
    /// Reads a run and verifies it: every hash, the order, the plan, head.json, and what `witnesses` remember.
    ///
    /// `witnesses` are hashes that other places remember as the head of this journal at some time: each must be in it.
    package static func verify(
        _ folder: RunFolder,
        witnesses: [ContentHash] = []
    ) throws(JournalError) -> RecordedRun {
        let bytes = try contents(of: folder.journal, limit: RunFolder.largestJournal, as: "journal") ?? []
        return try verify(bytes, of: folder, witnesses: witnesses)
    }

    static func verify(
        _ bytes: [UInt8],
        of folder: RunFolder,
        witnesses: [ContentHash]
    ) throws(JournalError) -> RecordedRun {
        let scan: JournalScan
        do { scan = try JournalScan(bytes) } catch {
            if case .otherVersion(let version) = error.cause {
                throw .otherVersion(path: folder.journal.string, version: version)
            }
            throw .integrity(path: folder.journal.string, reason: "\(error.reason); journal not used")
        }
        if let run = scan.chain.run, run != folder.run {
            throw .integrity(path: folder.journal.string, reason: "it is the journal of run \(run)")
        }
        try check(scan.records, against: try head(of: folder), and: witnesses, at: folder)
        return RecordedRun(
            folder: folder,
            plan: try plan(of: folder, id: scan.chain.state.begin?.plan),
            records: scan.records,
            state: scan.chain.state,
            torn: scan.torn.isEmpty
                ? nil
                : JournalCut(file: "journal.jsonl", bytes: scan.torn.count, sha256: ContentHash(of: Array(scan.torn)))
        )
    }

    /// The first record alone, for lists of runs: verified by its own hash, but nothing after it; nil when there is
    /// none.
    package static func begin(of folder: RunFolder) -> RunBegin? {
        guard let file = try? openFile(folder.journal, .readOnly) else { return nil }
        defer { file.discard() }
        guard let bytes = try? file.readAll(limit: RecordFrame.maximumLength), let end = bytes.firstIndex(of: newline)
        else { return nil }
        var chain = JournalChain()
        guard case .runBegin(let begin) = try? chain.take(bytes[..<end]).event else { return nil }
        return begin
    }

    /// Names of the outputs in `run` that are missing or are not what was recorded.
    package static func damagedOutputs(of run: RecordedRun) -> [String] {
        var damaged: [String] = []
        for case .stepOutcome(let outcome) in run.records.lazy.map(\.event) {
            for output in outcome.outputs {
                let parts = output.name.split(separator: "/", omittingEmptySubsequences: false)
                guard parts.count == 2, parts[0] == "out", parts[1].first != ".",
                    let bytes = try? readFile(run.folder.path.appending(output.name), limit: output.bytes),
                    bytes.count == output.bytes, ContentHash(of: bytes) == output.sha256
                else {
                    damaged.append(output.name)
                    continue
                }
            }
        }
        return damaged
    }

    private static func check(
        _ records: [JournalRecord],
        against head: JournalHead?,
        and witnesses: [ContentHash],
        at folder: RunFolder
    ) throws(JournalError) {
        if let head {
            guard head.run == folder.run else {
                throw .integrity(path: folder.head.string, reason: "it belongs to run \(head.run)")
            }
            guard head.number <= records.count else {
                throw .integrity(
                    path: folder.journal.string,
                    reason:
                        "head.json knows record \(head.number), but the journal ends with \(records.count): its end was cut off"
                )
            }
            guard records[head.number - 1].hash == head.hash else {
                throw .integrity(
                    path: folder.journal.string,
                    reason: "record \(head.number) is not the one head.json knows: the journal was rewritten"
                )
            }
        }
        guard !witnesses.isEmpty else { return }
        let known = Set(records.map(\.hash))
        for witness in witnesses where !known.contains(witness) {
            throw .integrity(
                path: folder.journal.string,
                reason:
                    "another place remembers its record \(witness), which is not in it: its end was cut off, or it was rewritten"
            )
        }
    }

    private static func head(of folder: RunFolder) throws(JournalError) -> JournalHead? {
        guard let bytes = try contents(of: folder.head, limit: 4096, as: "head.json") else { return nil }
        do { return try JournalHead(bytes) } catch {
            throw .integrity(path: folder.head.string, reason: error.reason)
        }
    }

    private static func plan(of folder: RunFolder, id: ContentHash?) throws(JournalError) -> [UInt8]? {
        let plan = try contents(of: folder.plan, limit: RunFolder.largestPlan, as: "plan")
        guard let id else { return plan }
        guard let plan else { throw .integrity(path: folder.plan.string, reason: "the plan of this run is missing") }
        guard ContentHash(of: plan) == id else {
            throw .integrity(path: folder.plan.string, reason: "the plan is not the one this run was begun with")
        }
        return plan
    }

    private static func contents(of path: FilePath, limit: Int, as name: String) throws(JournalError) -> [UInt8]? {
        do throws(Errno) { return try readFile(path, limit: limit) } catch {
            throw .reading(path, name: name, error)
        }
    }
}
