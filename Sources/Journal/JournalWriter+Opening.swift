import SystemPackage

// The two ways to a writer: a new run, and a run that goes on.

extension JournalWriter {
    /// Makes the folder's contents and the first record of a new run.
    ///
    /// The folder is there and empty (`StateDirectory.makeRun`). When this returns, plan and first record are durable
    /// under their names, and room for all intents and outcomes is reserved.
    package static func create(
        in folder: RunFolder,
        plan: [UInt8],
        begin: RunBegin,
        clock: JournalClock
    ) throws(JournalError) -> JournalWriter {
        guard ContentHash(of: plan) == begin.plan else {
            throw .illegal(
                IllegalTransition(type: "run.begin", step: nil, reason: "it names another plan than the one given")
            )
        }
        do throws(Errno) {
            try makeFolder(folder.outputs, mode: .folder)
            try publish(plan, as: "plan.json", in: folder.path, mode: .readOnlyFile)
        } catch { throw .writing(folder.plan, "store the plan", error, state: "Nothing was sent") }
        let file = try DiskJournalFile.create(folder.journal)
        try reserve(file, from: 0, steps: begin.steps)
        let writer = JournalWriter(
            file: file,
            folder: folder,
            plan: begin.plan,
            chain: JournalChain(),
            offset: 0,
            clock: clock
        )
        try writer.append(.runBegin(begin))
        do throws(Errno) {
            try file.sync()
            try syncFolder(folder.path)
            try syncFolder(folder.path.removingLastComponent())
        } catch { throw .writing(folder.journal, "make the new run durable", error, state: "Nothing was sent") }
        return writer
    }

    /// Goes on with a run that an earlier process left, dead or alive no more.
    ///
    /// Verifies everything first and changes nothing when something is wrong. A torn last record is saved beside the
    /// journal, cut off, and told of in `run.resumed`; interrupted anywhere, this can simply be called again.
    /// `witnesses` as in `JournalReader.verify`.
    package static func reopen(
        _ folder: RunFolder,
        purpose: RunResumed.Purpose,
        by: Operator,
        clock: JournalClock,
        witnesses: [ContentHash] = []
    ) throws(JournalError) -> (writer: JournalWriter, recorded: RecordedRun) {
        let file = try DiskJournalFile.open(folder.journal)
        let bytes: [UInt8]
        do throws(Errno) { bytes = try file.readAll(limit: RunFolder.largestJournal) } catch {
            throw .reading(folder.journal, name: "journal", error)
        }
        let recorded = try JournalReader.verify(bytes, of: folder, witnesses: witnesses)
        guard let begin = recorded.state.begin, let scan = try? JournalScan(bytes) else {
            throw .integrity(
                path: folder.journal.string,
                reason: "it holds no record: the run stopped before it was begun, or the journal was emptied"
            )
        }
        if [.done, .partial, .abandoned].contains(recorded.state.status) {
            throw .ended(folder.run, recorded.state.status)
        }
        let cuts = try JournalRepair.cutTornEnd(scan, of: file, in: folder)
        try reserve(file, from: scan.goodLength, steps: begin.steps)
        let writer = JournalWriter(
            file: file,
            folder: folder,
            plan: begin.plan,
            chain: scan.chain,
            offset: Int64(scan.goodLength),
            clock: clock
        )
        try writer.append(.runResumed(RunResumed(purpose: purpose, by: by, cuts: cuts)))
        return (writer, recorded)
    }

    /// Sets blocks aside beyond the end, so that a disk that fills up later does not take the room for an outcome.
    ///
    /// A file system that cannot do that is used without; then a full disk stops the run at an intent, or leaves an
    /// outcome to be read from the host's operation record.
    private static func reserve(_ file: DiskJournalFile, from offset: Int, steps: Int) throws(JournalError) {
        do throws(Errno) {
            try file.reserve(from: Int64(offset), bytes: 4096 * Int64(2 * steps + 64))
        } catch  where error == .notSupported || error == .noFunction || error == .notSupportedOnSocket {
        } catch {
            throw .writing(file.path, "reserve room for the journal", error, state: "Nothing was sent")
        }
    }
}

/// The one repair a journal gets.
enum JournalRepair {
    /// Saves and cuts a torn end; returns all cuts no `run.resumed` has told of yet, also those of an interrupted try.
    static func cutTornEnd(
        _ scan: JournalScan,
        of file: DiskJournalFile,
        in folder: RunFolder
    ) throws(JournalError) -> [JournalCut] {
        do throws(Errno) {
            var cuts = try savedCuts(in: folder)
            if !scan.torn.isEmpty {
                let hash = ContentHash(of: Array(scan.torn))
                let isSaved = cuts.last.map { $0.sha256 == hash && !scan.chain.state.cuts.contains($0) } ?? false
                if !isSaved {
                    let name = "journal.torn-\(cuts.count + 1)"
                    try publish(Array(scan.torn), as: name, in: folder.path, mode: .privateFile)
                    cuts.append(JournalCut(file: name, bytes: scan.torn.count, sha256: hash))
                }
                try file.cut(to: Int64(scan.goodLength))
                try file.syncData()
            }
            return cuts.filter { !scan.chain.state.cuts.contains($0) }
        } catch { throw .writing(file.path, "cut off the unfinished last record", error) }
    }

    private static func savedCuts(in folder: RunFolder) throws(Errno) -> [JournalCut] {
        var cuts: [JournalCut] = []
        while true {
            let name = "journal.torn-\(cuts.count + 1)"
            guard let bytes = try readFile(folder.path.appending(name), limit: RecordFrame.maximumLength) else {
                return cuts
            }
            cuts.append(JournalCut(file: name, bytes: bytes.count, sha256: ContentHash(of: bytes)))
        }
    }
}
