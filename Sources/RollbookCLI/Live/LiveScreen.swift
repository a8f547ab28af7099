import ClusterModel
import Dispatch
import Journal
import RunEngine
import Synchronization

/// Keeps a board on the terminal while a run goes, and puts lasting messages above it.
///
/// It draws when something changed, at most ten times a second, and once a second for the clocks; in between nothing runs.
/// Drawing never holds up the run: events only change the board, a terminal that was stopped with ^S stops the drawing alone.
final class LiveScreen: Sendable {
    private static let shortestPause = Duration.milliseconds(100)

    private struct State {
        var board: LiveBoard
        var messages: [String] = []
        var isScheduled = false
        var lastDrawn: Duration
        var isOver = false
        var isLost = false
    }

    private let state: Mutex<State>
    private let frame: Mutex<LiveFrame>
    private let time: any TimeSource
    /// All drawing, one after the other.
    private let queue = DispatchQueue(label: "rollbook.screen")
    private let signals = Mutex<TerminalSignals?>(nil)

    init(_ board: LiveBoard, inColour: Bool, time: any TimeSource) {
        state = Mutex(State(board: board, lastDrawn: time.uptime - .seconds(1)))
        frame = Mutex(LiveFrame(inColour: inColour))
        self.time = time
    }

    /// Begins to draw, and to follow the terminal's size and ^Z.
    func begin() {
        let watched = TerminalSignals(
            queue,
            resized: { [weak self] in self?.draw() },
            stopped: { [weak self] in self?.suspend() }
        )
        signals.withLock { $0 = watched }
        tick()
        schedule()
    }

    /// Once a second, for the clocks on the board.
    private func tick() {
        queue.asyncAfter(deadline: .now() + 1) { [weak self] in
            guard let self, !state.withLock({ $0.isOver }) else { return }
            draw()
            tick()
        }
    }

    /// Takes an event in; with a message that stays on the terminal above the board.
    ///
    /// False when the terminal is gone.
    func take(_ event: RunEvent, leaving message: String?) -> Bool {
        let now = time.uptime
        let isLost = state.withLock { state in
            state.board.take(event, at: now)
            if let message { state.messages.append(message) }
            return state.isLost
        }
        schedule()
        return !isLost
    }

    /// A signal came; steps that run end first.
    func stop(_ signal: RunInterrupted.Signal) {
        state.withLock { $0.board.stop(signal) }
        schedule()
    }

    /// Puts lines above the board, for good.
    func leave(_ text: String) {
        state.withLock { $0.messages += text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) }
        schedule()
    }

    /// Takes the board away; everything left with it is on the terminal when this returns.
    func end() {
        signals.withLock { $0.take() }?.cancel()
        queue.sync {
            let messages = state.withLock { state in
                state.isOver = true
                defer { state.messages = [] }
                return state.messages
            }
            write(frame.withLock { $0.erase(leaving: messages, width: Self.size.width) })
        }
    }

    private static var size: (width: Int, height: Int) { TerminalDevice.size ?? (80, 24) }

    private func schedule() {
        let now = time.uptime
        let pause: Duration? = state.withLock { state in
            guard !state.isScheduled, !state.isOver else { return nil }
            state.isScheduled = true
            return max(.zero, state.lastDrawn + Self.shortestPause - now)
        }
        guard let pause else { return }
        queue.asyncAfter(deadline: .now() + .milliseconds(Int(pause.milliseconds))) { [weak self] in self?.draw() }
    }

    /// Runs on the queue.
    private func draw() {
        let now = time.uptime
        let size = Self.size
        let isOurs = TerminalDevice.isForeground
        let content: (lines: [LiveLine], messages: [String])? = state.withLock { state in
            guard !state.isOver else { return nil }
            state.isScheduled = false
            state.lastDrawn = now
            // In the background only what must be said is written, above the shell's own lines.
            let lines = isOurs ? state.board.lines(width: size.width, height: size.height - 1, now: now) : []
            defer { state.messages = [] }
            return (lines, state.messages)
        }
        guard let content else { return }
        write(
            frame.withLock { frame in
                guard isOurs else {
                    return frame.forgotten() + content.messages.map { $0.escapedForTerminal + "\r\n" }.joined()
                }
                return frame.draw(content.lines, above: content.messages, width: size.width)
            }
        )
    }

    /// ^Z: the shell gets a clean terminal, and the board comes back with `fg`.
    private func suspend() {
        // Below a script that stopped at once, the shell has the terminal already, and has written on it.
        write(frame.withLock { TerminalDevice.isForeground ? $0.erase(width: Self.size.width) : $0.forgotten() })
        TerminalDevice.suspend()
        draw()
    }

    private func write(_ text: String) {
        guard !text.isEmpty, !Terminal.write(text, to: TerminalDevice.descriptor) else { return }
        state.withLock { $0.isLost = true }
    }
}
