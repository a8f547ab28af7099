package import ClusterModel
package import Journal
import Synchronization

/// What happens in a run, in the order it happens: views and the event stream are consumers, nothing else.
package enum RunEvent: Sendable {
    case stageBegan(index: Int, name: String, hosts: Int)
    case gate(stage: String, kind: String, passed: Bool, detail: String)
    case stepBegan(StepID, host: HostName, kind: String, attempt: Int)
    case progress(StepID, host: HostName, text: String)
    case stepEnded(
        StepID,
        host: HostName,
        kind: String,
        result: StepOutcome.Result,
        message: String?,
        duration: Duration
    )
    case recovered(StepID, detail: String)
    case stopping(signal: RunInterrupted.Signal)
}

/// The run was let go at once: what runs on the hosts goes on there, and `resume` takes it up again.
package struct Detached: Error, Sendable {
    package let signal: RunInterrupted.Signal
    /// Steps that were begun and have no outcome yet, in plan order.
    package let running: [PlannedStep]
}

/// A request to stop after the steps that run now; set by signals, read between steps.
package final class StopRequest: Sendable {
    private let signal = Mutex<RunInterrupted.Signal?>(nil)

    package init() {}

    /// Notes the first signal; later ones change nothing here.
    package func stop(_ reason: RunInterrupted.Signal) {
        signal.withLock { if $0 == nil { $0 = reason } }
    }

    package var requested: RunInterrupted.Signal? { signal.withLock { $0 } }
}
