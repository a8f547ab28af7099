import Dispatch
import Glibc
import Journal
import RunEngine
import Synchronization

/// Turns signals into a request to stop; a second one detaches at once.
///
/// The first INT, TERM or HUP lets running steps end and begins no new one. The second cancels the waiting, and so do 30 s
/// after TERM or HUP, when nobody is there to send a second: what runs on the hosts goes on there, and is found again by
/// `resume`.
final class SignalWatcher: Sendable {
    /// How long TERM and HUP wait for running steps; systemd kills 90 s after TERM.
    private static let grace = DispatchTimeInterval.seconds(30)

    private let sources: Mutex<[any DispatchSourceSignal]>

    /// `show` is told of the first signal, `detach` lets go at once.
    init(
        stop: StopRequest,
        show: @escaping @Sendable (RunInterrupted.Signal) -> Void,
        detach: @escaping @Sendable () -> Void
    ) {
        let watched: [(Int32, RunInterrupted.Signal)] = [
            (SIGINT, .interrupt), (SIGTERM, .terminate), (SIGHUP, .hangUp),
        ]
        let queue = DispatchQueue(label: "rollbook.signals")
        var made: [any DispatchSourceSignal] = []
        for (number, reason) in watched {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler {
                if stop.requested == nil {
                    show(reason)
                    Terminal.error("rollbook: stopping after the steps that run now; once more to detach at once")
                    stop.stop(reason)
                    guard reason != .interrupt else { return }
                    queue.asyncAfter(deadline: .now() + Self.grace) { detach() }
                } else {
                    detach()
                }
            }
            source.resume()
            made.append(source)
        }
        sources = Mutex(made)
    }

    func cancel() { sources.withLock { for source in $0 { source.cancel() } } }
}
