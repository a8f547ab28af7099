import ClusterModel
import Testing

@Suite("Diagnostics")
struct DiagnosticTests {
    private func rendered(_ line: String?, column: Int, suggestion: String? = nil) -> String {
        let place = SourceLocation(file: "a.yaml", line: 3, column: column)
        return Diagnostic(.error, at: place, "wrong", suggestion: suggestion, sourceLine: line).rendered
    }

    @Test("place, message, line, caret and suggestion")
    func whole() {
        #expect(
            rendered("  port: x", column: 9, suggestion: "write a number") == """
                a.yaml:3:9: error: wrong
                      port: x
                            ^
                    suggestion: write a number
                """
        )
    }

    @Test("without a line there is no caret")
    func bare() { #expect(rendered(nil, column: 9) == "a.yaml:3:9: error: wrong") }

    @Test("a tab before the column stays a tab, so that the caret stands under it")
    func tab() { #expect(rendered("a:\tb\tc", column: 6).hasSuffix("\n    a:\tb\tc\n      \t \t^")) }

    @Test("wide characters count twice, joined marks not at all")
    func wide() {
        #expect(rendered("이름: x", column: 5).hasSuffix("\n    이름: x\n          ^"))
        #expect(rendered("e\u{301}: x", column: 5).hasSuffix("\n    e\u{301}: x\n       ^"))
    }

    @Test("an escaped character counts as what is shown for it")
    func escaped() { #expect(rendered("\u{1B}[: x", column: 5).hasSuffix("\n    \\x1b[: x\n           ^")) }

    @Test("a column beyond the line puts the caret behind it")
    func beyond() { #expect(rendered("ab", column: 9).hasSuffix("\n    ab\n      ^")) }

    @Test("file names and messages cannot steer the terminal")
    func hostile() {
        let place = SourceLocation(file: "\u{1B}[31m", line: 1, column: 1)
        let shown = Diagnostic(.warning, at: place, "a\nb\u{7}", suggestion: "c\u{1B}").rendered
        #expect(shown == "\\x1b[31m:1:1: warning: a\\nb\\x07\n    suggestion: c\\x1b")
    }

    @Test(
        "the nearest word is the one that was meant",
        arguments: [
            ("adress", "address"), ("onFialure", "onFailure"), ("mastes", "masters"), ("LABELS", "labels"),
            ("etcd.snapshto", "etcd.snapshot"),
        ]
    )
    func near(_ typed: String, _ meant: String) {
        let words = ["address", "etcd.snapshot", "etcd.snapshots", "labels", "masters", "onFailure", "workers"]
        #expect(nearest(to: typed, among: words) == meant)
    }

    @Test("nothing is suggested when nothing is near", arguments: ["", "x", "zzz", "completely-other"])
    func far(_ typed: String) { #expect(nearest(to: typed, among: ["address", "masters"]) == nil) }

    @Test("a swap of neighbours is one mistake, and the first of equals wins")
    func swap() {
        #expect(nearest(to: "no", among: ["on", "so"]) == "on")
        #expect(nearest(to: "m4", among: ["m1", "m2"]) == "m1")
    }
}
