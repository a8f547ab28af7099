import ClusterModel
package import Journal
import Synchronization

/// A journal that keeps events and their fold but neither bytes nor hashes: for tests that run thousands of runs.
///
/// The rules of what may follow what are the real ones; what `append` returns is no record of the event.
package final class FoldJournal: RunJournal {
    private struct Core {
        var state: RunState
        var events: [JournalEvent] = []
    }

    private let core: Mutex<Core>
    private let placeholder: JournalRecord

    package init(after state: RunState = RunState(), placeholder: JournalRecord) {
        core = Mutex(Core(state: state))
        self.placeholder = placeholder
    }

    package var state: RunState { core.withLock { $0.state } }
    package var events: [JournalEvent] { core.withLock { $0.events } }

    @discardableResult
    package func append(_ event: JournalEvent) throws(JournalError) -> JournalRecord {
        try core.withLock { core throws(JournalError) in
            do throws(IllegalTransition) { try core.state.apply(event) } catch { throw .illegal(error) }
            core.events.append(event)
        }
        return placeholder
    }

    package func note(_ note: Note) throws(JournalError) { try append(.note(note)) }

    /// What a later process makes of it: the same state, and its own first record.
    package func resumed(by person: Operator) throws -> FoldJournal {
        let journal = FoldJournal(after: state, placeholder: placeholder)
        try journal.append(.runResumed(RunResumed(purpose: .resume, by: person)))
        return journal
    }
}
