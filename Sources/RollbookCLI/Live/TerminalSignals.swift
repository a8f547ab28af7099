import Dispatch
import Glibc
import Synchronization

/// The signals by which a terminal tells that its size changed, and that ^Z was pressed.
final class TerminalSignals: Sendable {
    private let sources: Mutex<[any DispatchSourceSignal]>

    init(
        _ queue: DispatchQueue,
        resized: @escaping @Sendable () -> Void,
        stopped: @escaping @Sendable () -> Void
    ) {
        let watched: [(Int32, @Sendable () -> Void)] = [(SIGWINCH, resized), (SIGTSTP, stopped)]
        var made: [any DispatchSourceSignal] = []
        for (number, handler) in watched {
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { handler() }
            source.resume()
            made.append(source)
        }
        sources = Mutex(made)
    }

    /// Both signals do again what they do where nobody catches them.
    func cancel() {
        sources.withLock { held in
            for source in held { source.cancel() }
            held = []
        }
        signal(SIGTSTP, SIG_DFL)
        signal(SIGWINCH, SIG_DFL)
    }
}
