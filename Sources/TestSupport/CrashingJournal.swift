import ClusterModel
package import Journal
import Synchronization

/// A journal whose process dies after a number of further records: from then on nothing is recorded, as for a dead process.
package final class CrashingJournal: RunJournal {
    private let base: any RunJournal
    private let left: Mutex<Int?>
    private let dying: @Sendable () -> Void

    /// Takes `records` more records, or all when it is nil; `dying` is called when the last is durable, before anything that
    /// depends on it.
    package init(_ base: any RunJournal, crashAfter records: Int?, dying: @escaping @Sendable () -> Void = {}) {
        self.base = base
        left = Mutex(records)
        self.dying = dying
    }

    package var state: RunState { base.state }

    @discardableResult
    package func append(_ event: JournalEvent) throws(JournalError) -> JournalRecord {
        let isLast = try left.withLock { left throws(JournalError) -> Bool in
            guard let count = left else { return false }
            guard count > 0 else { throw .storage(path: "memory", task: "record", cause: "the process is dead") }
            left = count - 1
            return count == 1
        }
        let record = try base.append(event)
        if isLast { dying() }
        return record
    }

    /// Ends the process now: nothing further is recorded.
    package func die() { left.withLock { $0 = 0 } }

    package func note(_ note: Note) throws(JournalError) { try append(.note(note)) }
}
