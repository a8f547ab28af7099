package import Journal

/// Where a run is recorded. `append` returns once the event is durable; the state is the fold over all events.
package protocol RunRecorder: Sendable {
    func append(_ event: JournalEvent) async throws
    var state: RunState { get async }
}

/// A journal in memory, for plans of nothing but reads and for tests: the same fold, no file.
package actor MemoryRecorder: RunRecorder {
    package private(set) var state = RunState()
    package private(set) var events: [JournalEvent] = []

    package init() {}

    package func append(_ event: JournalEvent) throws {
        try state.apply(event)
        events.append(event)
    }
}
