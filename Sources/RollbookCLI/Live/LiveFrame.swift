import ClusterModel

/// The bytes that change what stands at the bottom of a terminal into something else.
///
/// Controls in lines and messages are made visible, whoever composed them.
///
/// Guarantee: each result is meant for one write, and leaves the cursor at the first cell of the line below the board and every
/// mode of the terminal as it was: a process that dies between two frames leaves nothing behind but text.
/// Source of the sequences: ECMA-48 (CUU, EL, ED, SGR) and DECAWM of the VT100, which all terminals with cursor movement know.
struct LiveFrame: Sendable {
    /// Cells of each line that stands there now.
    private var widths: [Int] = []
    let inColour: Bool

    init(inColour: Bool) { self.inColour = inColour }

    var isEmpty: Bool { widths.isEmpty }

    /// Puts `messages` for good where the board began, and the board below them.
    ///
    /// `width` is the terminal's now; where it has become narrower, lines that were drawn before are taken to be wrapped.
    mutating func draw(_ lines: [LiveLine], above messages: [String] = [], width: Int) -> String {
        var text = "\r" + up(width)
        if !messages.isEmpty {
            text += "\u{1B}[J"
            for message in messages { text += message.escapedForTerminal + "\r\n" }
        }
        // A line that a terminal finds wider than expected must not wrap: then lines could not be counted any more.
        text += "\u{1B}[?7l"
        // Erased before it is written: with the cursor held in the last cell, erasing afterwards would take that one away.
        for line in lines { text += "\u{1B}[K" + line.painted(inColour: inColour) + "\r\n" }
        text += "\u{1B}[?7h\u{1B}[J"
        widths = lines.map { CellWidth.of($0.text) }
        return text
    }

    /// Takes the board away; `messages` take its place.
    mutating func erase(leaving messages: [String] = [], width: Int) -> String {
        guard !widths.isEmpty || !messages.isEmpty else { return "" }
        let text = "\r" + up(width) + "\u{1B}[J" + messages.map { $0.escapedForTerminal + "\r\n" }.joined()
        widths = []
        return text
    }

    /// Leaves what stands there where it is, for somebody else wrote below it.
    mutating func forgotten() -> String {
        widths = []
        return ""
    }

    private func up(_ width: Int) -> String {
        let rows = widths.reduce(0) { $0 + max(1, ($1 + max(1, width) - 1) / max(1, width)) }
        return rows > 0 ? "\u{1B}[\(rows)A" : ""
    }
}
