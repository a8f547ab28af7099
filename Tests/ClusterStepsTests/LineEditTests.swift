import Testing

@testable import ClusterSteps

@Suite("Lines of a text")
struct LineEditTests {
    private func apply(
        _ text: String,
        line: String?,
        _ match: LineEdit.Matcher,
        after: LineEdit.Matcher? = nil
    ) -> String {
        switch LineEdit(line: line, match: match, insertAfter: after).apply(to: Array(text.utf8)) {
        case .unchanged: "unchanged"
        case .changed(let bytes, _): String(decoding: bytes, as: UTF8.self)
        case .ambiguous(let numbers): "ambiguous \(numbers)"
        case .notText: "no text"
        }
    }

    @Test(
        "a line is there once, and all else byte for byte as it was",
        arguments: [
            ("", "x", "x\n"), ("a\n", "x", "a\nx\n"), ("a", "x", "a\nx\n"), ("x\n", "x", "unchanged"),
            ("x", "x", "unchanged"), ("a\nx\nb\n", "x", "unchanged"), ("x\nx\n", "x", "ambiguous [1, 2]"),
            ("\n\na", "x", "\n\na\nx\n"), ("a\r\nb\r\n", "x", "a\r\nb\r\nx\r\n"),
        ]
    )
    func present(text: String, line: String, expected: String) {
        #expect(apply(text, line: line, .equals(line)) == expected)
    }

    @Test("the line that matches is replaced where it stands; several are refused")
    func replaced() throws {
        #expect(apply("a=1\nb=2\n", line: "a=3", .contains("a=")) == "a=3\nb=2\n")
        #expect(apply("b=2\na=1", line: "a=3", .contains("a=")) == "b=2\na=3\n")
        #expect(apply("b=2", line: "a=3", .contains("b=")) == "a=3\n")
        #expect(apply("a=1\nxa=1\n", line: "a=3", .contains("a=")) == "ambiguous [1, 2]")
        let start = LineEdit.Matcher.expression(try Regex("^a\\s*="))
        #expect(apply("a =1\nxa=1\n", line: "a=3", start) == "a=3\nxa=1\n")
        #expect(apply("a\r\nb\r\n", line: "c", .contains("b")) == "a\r\nc\r\n")
    }

    @Test("a new line goes after the last one that is named, and to the end when there is none")
    func inserted() {
        #expect(apply("[a]\n1\n[b]\n2\n", line: "x", .equals("x"), after: .contains("[a]")) == "[a]\nx\n1\n[b]\n2\n")
        #expect(apply("p\np\nq\n", line: "x", .equals("x"), after: .equals("p")) == "p\np\nx\nq\n")
        #expect(apply("q\n", line: "x", .equals("x"), after: .equals("p")) == "q\nx\n")
    }

    @Test("all lines that match are taken away")
    func absent() {
        #expect(apply("a\nx1\nb\nx2\n", line: nil, .contains("x")) == "a\nb\n")
        #expect(apply("a\nx", line: nil, .contains("x")) == "a")
        #expect(apply("x\n", line: nil, .contains("x")) == "")
        #expect(apply("a\n", line: nil, .contains("x")) == "unchanged")
    }

    @Test("what is no text in UTF-8 is not touched")
    func binary() {
        let edit = LineEdit(line: "x", match: .equals("x"), insertAfter: nil)
        #expect(edit.apply(to: [0x61, 0x00]) == .notText)
        #expect(edit.apply(to: [0x61, 0xFF, 0x0A]) == .notText)
    }

    @Test("a difference shows what changes with two lines around it, bounded")
    func difference() {
        func diff(_ old: String, _ new: String) -> [String] { LineDiff(Array(old.utf8), Array(new.utf8)).lines }
        #expect(diff("1\n2\n3\n4\n5\n6\n7\n", "1\n2\n3\n4\n5\n6\n8\n") == ["  …", "  5", "  6", "- 7", "+ 8"])
        #expect(diff("a\n", "a") == ["  a", "+ (no newline at its end)"])
        #expect(LineDiff(nil, Array("a\n".utf8)).lines == ["+ a"])
        #expect(LineDiff([0], [1]).lines == ["  (not text: 1 bytes before, 1 after)"])
        let many = (0..<900).map { "line \($0)\n" }.joined()
        #expect(diff("", many).count == 201 && diff("", many).last == "  (700 more lines)")
        #expect(diff("", String(repeating: many, count: 4)).count == 1)
    }
}
