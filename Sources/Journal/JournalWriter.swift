import ClusterModel
import Synchronization
import SystemPackage

/// The journal of a run on disk, for the one process that writes it.
///
/// Guarantee: `append` returns only when the record is durable (`write(2)`, then `fdatasync(2)`). An error in either
/// ends the writing for good: a half-written record is cut off, nothing is tried twice, and every later call throws.
/// Calls from several tasks are put in order; each takes about as long as the disk needs for one sync. `run.end` is the
/// last record of a writer: a run that is held goes on with `reopen`.
package final class JournalWriter: RunJournal {
    private struct Core {
        var chain: JournalChain
        /// Where the last good record ends.
        var offset: Int64
        /// Why nothing can be written any more.
        var failure: JournalError?
        /// Why head.json is older than the journal.
        var headFailure: JournalError?
        /// Clock readings of the record before, to notice jumps.
        var last: (wall: UTCMoment, uptime: Duration)?
    }

    package let folder: RunFolder
    private let file: any JournalFile
    private let plan: ContentHash
    private let clock: JournalClock
    private let core: Mutex<Core>

    init(
        file: any JournalFile,
        folder: RunFolder,
        plan: ContentHash,
        chain: JournalChain,
        offset: Int64,
        clock: JournalClock
    ) {
        self.file = file
        self.folder = folder
        self.plan = plan
        self.clock = clock
        core = Mutex(Core(chain: chain, offset: offset))
    }

    package var state: RunState { core.withLock { $0.chain.state } }
    /// Hash of the last record, to be told to witnesses.
    package var head: ContentHash { core.withLock { $0.chain.head ?? plan } }
    /// Why head.json could not be written at the end of the run, which itself is recorded; a warning.
    package var headFailure: JournalError? { core.withLock { $0.headFailure } }

    @discardableResult
    package func append(_ event: JournalEvent) throws(JournalError) -> JournalRecord {
        try core.withLock { core throws(JournalError) in try append(event, durably: true, to: &core) }
    }

    package func note(_ note: Note) throws(JournalError) {
        try core.withLock { core throws(JournalError) in _ = try append(.note(note), durably: false, to: &core) }
    }

    private func append(
        _ event: JournalEvent,
        durably: Bool,
        to core: inout Core
    ) throws(JournalError) -> JournalRecord {
        if let failure = core.failure { throw failure }
        do { try core.chain.state.check(event) } catch { throw .illegal(error) }
        let wall = clock.time.now
        let uptime = clock.time.uptime
        if let jump = jump(since: core.last, wall: wall, uptime: uptime), core.chain.state.status == .open {
            let note = Note(kind: "clock.jump", detail: .object(["deltaMs": .integer(jump)]))
            _ = try write(.note(note), wall: wall, uptime: uptime, to: &core)
        }
        core.last = (wall, uptime)
        let strayed = whereaboutsChanged(core)
        if let strayed, case .stepIntent = event {
            core.failure = strayed
            throw strayed
        }
        let record = try write(event, wall: wall, uptime: uptime, to: &core)
        if durably { try sync(event, of: &core) }
        if let strayed {
            core.failure = strayed
            throw strayed
        }
        if case .runEnd = event { finish(record, of: &core) }
        return record
    }

    /// Writes one record without syncing it.
    private func write(
        _ event: JournalEvent,
        wall: UTCMoment,
        uptime: Duration,
        to core: inout Core
    ) throws(JournalError) -> JournalRecord {
        let (record, line) = JournalRecord.sealed(
            event,
            run: folder.run,
            number: core.chain.state.lastNumber + 1,
            time: wall,
            uptime: uptime,
            boot: clock.boot,
            after: core.chain.head ?? plan
        )
        guard line.count <= RecordFrame.maximumLength else { throw .tooLarge(event: event.spoken, bytes: line.count) }
        do throws(Errno) {
            guard try file.append(line) == line.count else { throw .noSpace }
        } catch {
            // The reserve may go with the cut; it is not needed any more.
            try? file.cut(to: core.offset)
            try? file.syncData()
            throw fail(event, error, &core)
        }
        core.offset += Int64(line.count)
        do { try core.chain.extend(by: record) } catch { throw .illegal(error) }
        return record
    }

    private func sync(_ event: JournalEvent, of core: inout Core) throws(JournalError) {
        do throws(Errno) { try file.syncData() } catch { throw fail(event, error, &core) }
    }

    private func fail(_ event: JournalEvent, _ error: Errno, _ core: inout Core) -> JournalError {
        var state: String?
        if case .stepIntent = event { state = "Nothing was sent for it" }
        let failure = JournalError.storage(
            path: folder.journal.string,
            task: "record \(event.spoken)",
            cause: "\(error)",
            state: state
        )
        core.failure = failure
        return failure
    }

    /// Whether the open file no longer is the journal of this run, or someone else wrote to it.
    private func whereaboutsChanged(_ core: Core) -> JournalError? {
        let path = file.path.string
        guard let open = try? file.status(), let named = try? file.statusOfName(), open.links >= 1,
            (open.device, open.inode) == (named.device, named.inode)
        else {
            return .integrity(
                path: path,
                reason: "the journal was removed, renamed or replaced while the run was at work"
            )
        }
        guard open.size == core.offset else {
            return .integrity(path: path, reason: "the journal was changed by someone else while the run was at work")
        }
        return nil
    }

    /// Ends the writing: gives the unused reserve back, lets head.json remember the end, and lets go of the file.
    private func finish(_ record: JournalRecord, of core: inout Core) {
        try? file.cut(to: core.offset)
        do throws(Errno) {
            try publish(JournalHead(of: record).bytes, as: "head.json", in: folder.path, mode: .privateFile)
        } catch {
            core.headFailure = .writing(folder.head, "write head.json", error, state: "the end of the run is recorded")
        }
        file.close()
        core.failure = .illegal(
            IllegalTransition(type: "a record", step: nil, reason: "this session has ended, reopen the journal")
        )
    }
}

/// By how many milliseconds the wall clock moved against the boot clock, when that is 2 seconds or more.
private func jump(since last: (wall: UTCMoment, uptime: Duration)?, wall: UTCMoment, uptime: Duration) -> Int? {
    guard let last else { return nil }
    let delta = (wall.milliseconds - last.wall.milliseconds) - (uptime - last.uptime).milliseconds
    return abs(delta) >= 2000 ? Int(delta) : nil
}
