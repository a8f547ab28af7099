package import ClusterModel
import Synchronization

/// Where the engine records a run: the port between it and the disk.
package protocol RunJournal: AnyObject, Sendable {
    /// Records `event` and returns its record once it is durable.
    ///
    /// When this throws, nothing that depends on the record may begin. `illegal` and `tooLarge` leave the journal as it
    /// was and usable; after any other error every later call throws as well.
    @discardableResult
    func append(_ event: JournalEvent) throws(JournalError) -> JournalRecord

    /// Records a remark that may be lost in a crash, with everything else that is not durable yet.
    func note(_ note: Note) throws(JournalError)

    /// The fold over everything recorded so far.
    var state: RunState { get }
}

/// The time and the boot a journal stamps its records with.
package struct JournalClock: Sendable {
    package let time: any TimeSource
    /// The controller's boot id.
    package let boot: String

    package init(time: any TimeSource, boot: String) {
        self.time = time
        self.boot = boot
    }
}

/// A journal without a disk, with the same rules: for tests of what is built on journals.
package final class InMemoryJournal: RunJournal {
    private struct Core {
        var chain = JournalChain()
        var records: [JournalRecord] = []
        var bytes: [UInt8] = []
        /// How many further events are taken before every one fails, as on a full disk.
        var room: Int?
    }

    private let run: RunID
    private let plan: ContentHash
    private let clock: JournalClock
    private let core: Mutex<Core>

    /// `room` is how many events are taken before every further one fails, as on a full disk.
    package init(run: RunID, plan: ContentHash, clock: JournalClock, room: Int? = nil) {
        self.run = run
        self.plan = plan
        self.clock = clock
        core = Mutex(Core(room: room))
    }

    package var state: RunState { core.withLock { $0.chain.state } }
    package var records: [JournalRecord] { core.withLock { $0.records } }
    /// What the file would hold.
    package var bytes: [UInt8] { core.withLock { $0.bytes } }

    @discardableResult
    package func append(_ event: JournalEvent) throws(JournalError) -> JournalRecord {
        try core.withLock { core throws(JournalError) in
            let (record, line) = JournalRecord.sealed(
                event,
                run: run,
                number: core.chain.state.lastNumber + 1,
                time: clock.time.now,
                uptime: clock.time.uptime,
                boot: clock.boot,
                after: core.chain.head ?? plan
            )
            do throws(IllegalTransition) { try core.chain.state.check(event) } catch { throw .illegal(error) }
            guard line.count <= RecordFrame.maximumLength else {
                throw .tooLarge(event: event.spoken, bytes: line.count)
            }
            if let room = core.room {
                guard room > 0 else {
                    throw .storage(path: "memory", task: "record \(event.spoken)", cause: "No space left on device")
                }
                core.room = room - 1
            }
            do throws(IllegalTransition) { try core.chain.extend(by: record) } catch { throw .illegal(error) }
            core.records.append(record)
            core.bytes += line
            return record
        }
    }

    package func note(_ note: Note) throws(JournalError) { try append(.note(note)) }
}
