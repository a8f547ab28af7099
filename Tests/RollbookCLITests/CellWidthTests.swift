import Glibc
import TestSupport
import Testing

@testable import RollbookCLI

/// `wcwidth` of POSIX, which the module of the C library leaves out.
@_silgen_name("wcwidth") private func cellsByLibrary(_ character: wchar_t) -> Int32

@Suite("How wide a text is on a terminal")
struct CellWidthTests {
    @Test("no character is narrower than the C library finds it")
    func neverNarrower() {
        #expect(unsafe setlocale(LC_CTYPE, "C.UTF-8") != nil)
        #expect(cellsByLibrary(wchar_t(0xAC00)) == 2, "the locale knows wide characters")
        var narrower: [String] = []
        var wider = 0
        for value in UInt32(0x20)...0x10FFFF {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let theirs = Int(cellsByLibrary(wchar_t(value)))
            let ours = CellWidth.of(scalar)
            if ours < theirs { narrower.append(String(value, radix: 16)) }
            if theirs > 0, ours > theirs { wider += 1 }
        }
        #expect(narrower.isEmpty, "\(narrower.prefix(20))")
        #expect(wider < 1500, "\(wider)")
    }

    @Test(
        "Korean, Japanese, emoji and combining marks",
        arguments: [("abc", 3), ("한국어", 6), ("漢字かな", 8), ("é", 1), ("e\u{301}", 1), ("🚀", 2), ("－", 2), ("", 0)]
    )
    func widths(_ text: String, _ width: Int) { #expect(CellWidth.of(text) == width) }

    @Test(
        "what does not fit ends with a mark, and never in the middle of a wide character",
        arguments: [
            ("abcdef", 6, "abcdef"), ("abcdef", 5, "abcd…"), ("한국어", 6, "한국어"), ("한국어", 5, "한국…"), ("한국어", 4, "한…"),
            ("한국어", 1, "…"), ("abc", 0, ""), ("", 3, ""),
        ]
    )
    func clipping(_ text: String, _ cells: Int, _ shown: String) {
        #expect(CellWidth.clip(text, to: cells) == shown)
        #expect(CellWidth.of(CellWidth.fit(text, to: cells)) == cells)
    }

    @Test("marks piled up on one character are kept few")
    func piledUp() {
        let text = "a" + String(repeating: "\u{301}", count: 500) + "b"
        #expect(CellWidth.clip(text, to: 10).unicodeScalars.count < 10)
    }

    @Test("whatever the text, clipped and filled texts keep their width")
    func property() {
        var generator = SplitMix64(seed: 7)
        for _ in 0..<3000 {
            let text = String.anything(&generator, upTo: 30)
            let cells = Int.random(in: 0...20, using: &generator)
            #expect(CellWidth.of(CellWidth.clip(text, to: cells)) <= cells, "\(text.debugDescription)")
            #expect(CellWidth.of(CellWidth.fit(text, to: cells)) == cells)
        }
    }
}

extension String {
    /// Letters, Hangul, emoji, marks, escapes and control characters in any order.
    static func anything(_ generator: inout SplitMix64, upTo count: Int) -> String {
        let pieces: [ClosedRange<UInt32>] = [
            0x20...0x7E, 0x00...0x1F, 0x80...0x9F, 0xAC00...0xD7A3, 0x300...0x36F, 0x1F300...0x1F64F, 0x4E00...0x4FFF,
            0x200B...0x200F, 0x2028...0x202E, 0xFE00...0xFE0F, 0x1F1E6...0x1F1FF, 0x20...0x7E, 0x1100...0x11FF,
        ]
        var text = ""
        for _ in 0..<Int.random(in: 0...count, using: &generator) {
            let piece = pieces[Int.random(in: 0..<pieces.count, using: &generator)]
            if let scalar = Unicode.Scalar(UInt32.random(in: piece, using: &generator)) {
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
