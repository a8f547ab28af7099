import ClusterModel
import Journal
import RunEngine
import Synchronization

/// What a run says while it goes: plain, timed lines on standard error, or one JSON event a line on standard output.
final class ProgressView: Sendable {
    private let format: OutputFormat
    private let isQuiet: Bool
    private let time: any TimeSource
    private let count = Mutex(0)
    /// Somebody read what was shown, as far as is known.
    private let isRead = Mutex(true)
    private let screen = Mutex<LiveScreen?>(nil)

    init(format: OutputFormat, isQuiet: Bool, time: any TimeSource) {
        self.format = format
        self.isQuiet = isQuiet
        self.time = time
    }

    /// Shows the run on a board that is redrawn in place, until `endLive`.
    func beginLive(_ board: LiveBoard, inColour: Bool) {
        let view = LiveScreen(board, inColour: inColour, time: time)
        screen.withLock { $0 = view }
        Terminal.lend(to: view)
        view.begin()
    }

    /// Takes the board away, whatever came of the run; without one it does nothing.
    func endLive() {
        guard let view = screen.withLock({ $0.take() }) else { return }
        Terminal.lend(to: nil)
        view.end()
    }

    /// Shows on the board, if there is one, that a signal came: until the steps that run have ended.
    func stop(_ signal: RunInterrupted.Signal) { screen.withLock { $0 }?.stop(signal) }

    /// Shows an event; true when it turns out that nobody reads any more, once.
    func show(_ event: RunEvent) -> Bool {
        guard isRead.withLock({ $0 }), !write(event) else { return false }
        return isRead.withLock { isRead in
            defer { isRead = false }
            return isRead
        }
    }

    /// False when it could not be written.
    private func write(_ event: RunEvent) -> Bool {
        if format == .json { return writeJSON(event) }
        guard !isQuiet else { return true }
        let line = Self.line(for: event).map { line in
            "\(time.now.description.dropFirst(11).prefix(8)) \(line)".escapedOnOneLine
        }
        if let view = screen.withLock({ $0 }) { return view.take(event, leaving: event.isLasting ? line : nil) }
        return line.map { Terminal.error($0) } ?? true
    }

    private static func line(for event: RunEvent) -> String? {
        switch event {
        case .stageBegan(let index, let name, let hosts):
            return "stage \(index + 1): \(name)" + (hosts > 1 ? " (\(hosts) hosts)" : "")
        case .gate(_, let kind, let passed, let detail):
            return "  gate \(kind) \(passed ? "open" : "CLOSED"): \(detail)"
        case .stepBegan(_, let host, let kind, let attempt):
            return "  \(host) \(kind) begins" + (attempt > 1 ? " (attempt \(attempt))" : "")
        case .progress(_, let host, let text): return "  \(host) … \(text)"
        case .stepEnded(_, let host, let kind, let result, let message, let duration):
            let time = duration > .zero ? " in \(duration.brief)" : ""
            return "  \(host) \(kind) \(result.rawValue)\(time)" + (message.map { ": \($0)" } ?? "")
        case .recovered(let step, let detail): return "  \(step.text) looked at again: \(detail)"
        case .stopping(let signal): return "stopping after SIG\(signal.rawValue): no new step begins"
        }
    }

    private func writeJSON(_ event: RunEvent) -> Bool {
        let number = count.withLock { held in
            held += 1
            return held
        }
        var fields: [String: JSONValue] = [
            "v": .integer(1), "n": .integer(Int64(number)), "t": .string(time.now.description),
        ]
        switch event {
        case .stageBegan(let index, let name, let hosts):
            fields["event"] = .string("stage.began")
            fields["stage"] = .string(name)
            fields["index"] = .integer(Int64(index + 1))
            fields["hosts"] = .integer(Int64(hosts))
        case .gate(let stage, let kind, let passed, let detail):
            fields["event"] = .string("gate")
            fields["stage"] = .string(stage)
            fields["kind"] = .string(kind)
            fields["passed"] = .bool(passed)
            fields["detail"] = .string(detail)
        case .stepBegan(let step, let host, let kind, let attempt):
            fields["event"] = .string("step.began")
            fields.merge(["step": .string(step.text), "host": .string(host.text), "kind": .string(kind)]) { $1 }
            fields["attempt"] = .integer(Int64(attempt))
        case .progress(let step, let host, let text):
            fields["event"] = .string("step.progress")
            fields.merge(["step": .string(step.text), "host": .string(host.text), "text": .string(text)]) { $1 }
        case .stepEnded(let step, let host, let kind, let result, let message, let duration):
            fields["event"] = .string("step.ended")
            fields.merge(["step": .string(step.text), "host": .string(host.text), "kind": .string(kind)]) { $1 }
            fields["result"] = .string(result.rawValue)
            fields["message"] = message.map { .string($0) } ?? .null
            fields["durationMs"] = .integer(duration.milliseconds)
        case .recovered(let step, let detail):
            fields["event"] = .string("step.recovered")
            fields.merge(["step": .string(step.text), "detail": .string(detail)]) { $1 }
        case .stopping(let signal):
            fields["event"] = .string("stopping")
            fields["signal"] = .string(signal.rawValue)
        }
        do { try JSONAnswer.print(.object(fields)) } catch { return false }
        return true
    }
}

extension RunEvent {
    /// Whether a person should still find it on the terminal when the board has gone on.
    fileprivate var isLasting: Bool {
        switch self {
        case .stageBegan, .recovered, .stopping: true
        case .gate, .stepBegan, .progress: false
        case .stepEnded(_, _, _, let result, _, _): result != .ok && result != .skipped
        }
    }
}
