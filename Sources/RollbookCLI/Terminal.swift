import ClusterModel
import Glibc
import Synchronization

/// The two streams of the program: standard output is the answer, standard error is progress and messages.
///
/// A reader that went away (`| head`, a closed terminal) never ends a run. Nothing in an answer, a message or a question is obeyed
/// by a terminal: views make controls visible where they put texts together, and what they left is made so here.
enum Terminal {
    /// The live view that has the terminal, while one has.
    private static let screen = Mutex<LiveScreen?>(nil)

    /// Gives standard error to a live view; messages go through it until it is given back with nil.
    static func lend(to view: LiveScreen?) { screen.withLock { $0 = view } }

    /// Prints one line of the answer; a failure to write it is lost, for text is for people.
    static func answer(_ line: String) { _ = write(line.escapedForTerminal + "\n", to: 1) }

    /// Prints an answer that a machine reads: whatever could not be written is an error (exit 12).
    ///
    /// With `readerMayLeave` a reader that closed the pipe is no error: for the events of a run, whose exit code says how
    /// the run ended.
    static func machineAnswer(_ text: String, readerMayLeave: Bool = false) throws {
        try machineAnswer(
            bytes: Array((text.hasSuffix("\n") ? text : text + "\n").utf8),
            readerMayLeave: readerMayLeave
        )
    }

    /// The same for bytes, as they are.
    static func machineAnswer(bytes: [UInt8], readerMayLeave: Bool = false) throws {
        let error = write(bytes, to: 1)
        guard error == 0 || (error == EPIPE && readerMayLeave) else {
            throw OperatorMessage(
                .storage,
                at: "standard output",
                "could not write the answer: \(unsafe String(cString: strerror(error)))"
            )
        }
    }

    /// Prints one line of messages or progress; false when nobody reads any more.
    @discardableResult
    static func error(_ line: String) -> Bool {
        if let view = screen.withLock({ $0 }) {
            view.leave(line)
            return true
        }
        return write(line.escapedForTerminal + "\n", to: 2)
    }

    /// Writes a text as it is; false when nobody reads any more.
    static func write(_ text: String, to descriptor: Int32) -> Bool { write(Array(text.utf8), to: descriptor) == 0 }

    private static func write(_ whole: [UInt8], to descriptor: Int32) -> Int32 {
        var bytes = whole[...]
        while !bytes.isEmpty {
            let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return errno }
            bytes = bytes.dropFirst(count)
        }
        return 0
    }

    /// Asks a question on the terminal; true only for `y` or `yes`.
    static func confirm(_ question: String) -> Bool {
        _ = write(question.escapedForTerminal + " [y/N] ", to: 2)
        let reply = readLine(strippingNewline: true)?.lowercased()
        return reply == "y" || reply == "yes"
    }
}

/// A line that a person types on standard input, read without holding up anything else.
struct TerminalLine {
    enum Reading { case none, end, line(String) }

    private var bytes: [UInt8] = []

    /// What is there by now.
    mutating func read() -> Reading {
        while true {
            var descriptor = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&descriptor, 1, 0) == 1 else { return .none }
            var byte: UInt8 = 0
            let count = unsafe Glibc.read(0, &byte, 1)
            if count < 0, errno == EINTR || errno == EAGAIN { return .none }
            guard count == 1 else { return .end }
            guard byte == UInt8(ascii: "\n") else {
                if bytes.count < 200 { bytes.append(byte) }
                continue
            }
            defer { bytes = [] }
            return .line(String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace })
        }
    }
}
