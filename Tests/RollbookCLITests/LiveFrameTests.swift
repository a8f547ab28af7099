import Testing

@testable import RollbookCLI

@Suite("How the live view moves on a terminal")
struct LiveFrameTests {
    private func lines(_ texts: String...) -> [LiveLine] { texts.map { LiveLine($0, .good) } }

    @Test("a board replaces the one before it, and nothing of that is left")
    func replaces() {
        var screen = ScreenTrial(width: 20, height: 6)
        var frame = LiveFrame(inColour: true)
        screen.write("$ rollbook run\r\n")
        screen.write(frame.draw(lines("first, a long line", "second", "third"), width: 20))
        #expect(screen.visible == ["$ rollbook run", "first, a long line", "second", "third"])
        screen.write(frame.draw(lines("short", "two"), width: 20))
        #expect(screen.visible == ["$ rollbook run", "short", "two"])
        #expect(screen.isAtRest)
        #expect(screen.strange.isEmpty)
    }

    @Test("a line as wide as the terminal keeps its last cell, and does not wrap")
    func fullWidth() {
        var screen = ScreenTrial(width: 10, height: 5)
        var frame = LiveFrame(inColour: false)
        for _ in 0..<3 { screen.write(frame.draw(lines("0123456789", "abcdefghij"), width: 10)) }
        #expect(screen.everything == ["0123456789", "abcdefghij"])
    }

    @Test("messages stay above the board, in their order, also when the terminal scrolls")
    func messages() {
        var screen = ScreenTrial(width: 20, height: 4)
        var frame = LiveFrame(inColour: false)
        for number in 1...5 {
            screen.write(frame.draw(lines("board", "row \(number)"), above: ["message \(number)"], width: 20))
        }
        #expect(screen.everything == (1...5).map { "message \($0)" } + ["board", "row 5"])
        screen.write(frame.erase(leaving: ["the end"], width: 20))
        #expect(screen.everything == (1...5).map { "message \($0)" } + ["the end"])
        #expect(screen.isAtRest)
    }

    @Test("erasing twice, or before anything was drawn, does nothing")
    func eraseTwice() {
        var frame = LiveFrame(inColour: false)
        #expect(frame.erase(width: 80).isEmpty)
        _ = frame.draw(lines("a"), width: 80)
        #expect(!frame.erase(width: 80).isEmpty)
        #expect(frame.erase(width: 80).isEmpty)
    }

    @Test("in a terminal that became narrower, lines that wrapped are counted as they stand")
    func narrower() {
        var frame = LiveFrame(inColour: false)
        _ = frame.draw(lines("0123456789", "01234", ""), width: 10)
        #expect(frame.draw(lines("x"), width: 4).hasPrefix("\r\u{1B}[6A"))
    }

    @Test("without colours there is no colour")
    func colours() {
        var plain = LiveFrame(inColour: false)
        var coloured = LiveFrame(inColour: true)
        let line = [LiveLine("failed", .bad)]
        #expect(!plain.draw(line, width: 80).contains("m"))
        #expect(coloured.draw(line, width: 80).contains("\u{1B}[1;31mfailed\u{1B}[0m"))
    }

    @Test(
        "the board is for terminals that can show it",
        arguments: [
            (ProgressMode.auto, true, ["TERM": "xterm"], true), (.auto, false, ["TERM": "xterm"], false),
            (.auto, true, ["TERM": "dumb"], false), (.auto, true, [:], false),
            (.auto, true, ["TERM": "xterm", "NO_COLOR": "1"], false),
            (.auto, true, ["TERM": "xterm", "NO_COLOR": ""], true),
            (.live, true, ["TERM": "xterm", "NO_COLOR": "1"], true), (.live, false, ["TERM": "xterm"], false),
            (.live, true, ["TERM": "dumb"], false), (.plain, true, ["TERM": "xterm"], false),
        ]
    )
    func mode(_ mode: ProgressMode, _ isTerminal: Bool, _ environment: [String: String], _ isLive: Bool) {
        #expect(mode.isLive(onTerminal: isTerminal, environment: environment) == isLive)
    }
}
