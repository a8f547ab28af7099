/// What comes before the key exchange: up to 255 lines of anything, then the server's version line.
///
/// RFC 4253 section 4.2 lets a server send other lines first. They are counted and dropped here, so that a port that
/// is not SSH, an endless banner and a tarpit are told apart and cost nothing.
struct Greeting: Sendable, Hashable {
    enum State: Sendable, Hashable {
        case waiting
        /// The version line came; `Greeting` holds back nothing any more.
        case done
        case notSSH(String)
    }

    static let maximumLines = 255
    static let maximumLineLength = 1024

    private(set) var state: State = .waiting
    private var line: [UInt8] = []
    private var lines = 0
    /// The first line that was not the version, for the message when none follows.
    private(set) var firstLine: String?

    /// True when nothing but sshd's own excuse came.
    var isEmptyOrThrottled: Bool {
        guard let firstLine else { return line.isEmpty && state == .waiting }
        return firstLine.hasPrefix("Exceeded MaxStartups") || firstLine.hasPrefix("Not allowed at this time")
    }

    /// Takes the next bytes and returns those that belong to the SSH connection.
    mutating func take(_ bytes: some Collection<UInt8>) -> [UInt8] {
        guard state == .waiting else { return state == .done ? Array(bytes) : [] }
        var index = bytes.startIndex
        while index < bytes.endIndex {
            line.append(bytes[index])
            bytes.formIndex(after: &index)
            guard line.last == UInt8(ascii: "\n") else {
                if line.count >= Self.maximumLineLength { refuse("a line of more than \(line.count) bytes") }
                if state != .waiting { return [] }
                continue
            }
            if endLine() { return line + bytes[index...] }
            if state != .waiting { return [] }
        }
        return []
    }

    /// Judges the line that just ended.
    ///
    /// Returns true when it is the version line.
    private mutating func endLine() -> Bool {
        let text = String(decoding: line, as: UTF8.self).filter { $0 != "\r\n" && $0 != "\n" }
        if text.hasPrefix("SSH-2.0-") || text.hasPrefix("SSH-1.99-") {
            state = .done
            return true
        }
        if text.hasPrefix("SSH-") {
            refuse("it speaks only \(text.prefix(40))")
            return false
        }
        firstLine = firstLine ?? String(text.prefix(80))
        lines += 1
        line.removeAll(keepingCapacity: true)
        if lines > Self.maximumLines { refuse("more than \(Self.maximumLines) lines came before any SSH version") }
        return false
    }

    private mutating func refuse(_ reason: String) { state = .notSSH(reason) }
}
