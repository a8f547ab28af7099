import ClusterModel
import Testing

@Suite("Text for terminals")
struct TerminalTextTests {
    @Test("plain text, newlines, tabs and other scripts stay as they are")
    func plain() {
        let text = "master1: 준비 완료\n\tétat 🟢"
        #expect(text.escapedForTerminal == text)
    }

    @Test(
        "what a terminal could obey becomes visible",
        arguments: [
            ("\u{1B}]8;;http://x\u{7}", "\\x1b]8;;http://x\\x07"), ("\u{1B}]52;c;aGk=\u{7}", "\\x1b]52;c;aGk=\\x07"),
            ("a\rb", "a\\x0db"), ("\u{9B}31m", "\\x9b31m"), ("a\u{202E}b", "a\\u{202e}b"),
            ("a\u{200B}b", "a\\u{200b}b"), ("a\u{061C}b", "a\\u{61c}b"), ("a\u{E0041}b", "a\\u{e0041}b"),
            ("\u{FEFF}", "\\u{feff}"), ("\u{0}", "\\x00"), ("\u{7F}", "\\x7f"), ("\r\n", "\\x0d\n"),
        ]
    )
    func escaped(_ text: String, _ shown: String) { #expect(text.escapedForTerminal == shown) }

    @Test("on one line newlines and tabs are visible as well")
    func oneLine() { #expect("a\n\tb\u{1B}".escapedOnOneLine == "a\\n\\tb\\x1b") }

    @Test("no control character survives, whatever the text")
    func property() {
        var random = SplitMix64(seed: 5)
        for _ in 0..<2000 {
            var text = ""
            for _ in 0..<8 {
                if let scalar = Unicode.Scalar(UInt32(random.next() % 0x2100)) { text.unicodeScalars.append(scalar) }
            }
            let line = text.escapedOnOneLine
            #expect(line.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) })
            #expect(line.escapedOnOneLine == line)
        }
    }
}
