import Foundation
import Testing

@testable import RollbookCLI

@Suite("Pages of the repository")
struct DocumentTests {
    /// Asked of the parser once; that takes a while.
    private static let program = Result { try CommandDescription.program() }

    /// Names of the inputs of a shipped runbook, from its text.
    static func inputs(of runbook: String) -> Set<String>? {
        let file = MarkdownDocument.root.appending(path: "Runbooks/\(runbook).yaml")
        guard !runbook.contains("/"), let text = try? String(contentsOf: file, encoding: .utf8) else { return nil }
        let lines = text.split(separator: "\n").drop { $0 != "inputs:" }.prefix { $0 != "stages:" }
        return Set(lines.compactMap { $0.wholeMatch(of: #/ {2}([A-Za-z0-9]+):/#).map { String($0.1) } })
    }

    @Test("every link leads to a file and a heading that are there")
    func links() {
        let pages = MarkdownDocument.all
        #expect(pages.count > 20)
        #expect(pages.map(\.links.count).reduce(0, +) > 50)
        for problem in pages.flatMap({ $0.brokenLinks(among: pages) }) { Issue.record("\(problem)") }
    }

    @Test("every command line names commands, options, values and inputs that there are")
    func commands() throws {
        let program = try Self.program.get()
        var count = 0
        for page in MarkdownDocument.all {
            for code in page.code {
                guard let command = DocumentedCommand(code.text) else { continue }
                count += 1
                for problem in command.problems(in: program, inputs: Self.inputs) {
                    Issue.record("\(page.path):\(code.line): \(code.text): \(problem)")
                }
            }
        }
        #expect(count > 100)
    }

    @Test("every page of the documents is in their index")
    func index() throws {
        let index = try #require(MarkdownDocument.all.first { $0.path == "Docs/README.md" })
        let targets = Set(index.links.map(\.target))
        for page in MarkdownDocument.all where page.path.hasPrefix("Docs/") && page.path != index.path {
            let name = String(page.path.dropFirst("Docs/".count))
            #expect(targets.contains(name), "Docs/README.md does not name \(name)")
        }
    }

    @Test("the operator guide has a part for every shipped runbook, and names all inputs")
    func guide() throws {
        let guide = try #require(MarkdownDocument.all.first { $0.path == "Docs/Guide.md" })
        let folder = MarkdownDocument.root.appending(path: "Runbooks").path
        let books = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".yaml") }
        #expect(books.count > 5)
        let named = Set(guide.code.map(\.text))
        for book in books.map({ String($0.dropLast(".yaml".count)) }) {
            #expect(guide.anchors.contains(book), "\(book)")
            for input in Self.inputs(of: book) ?? [] { #expect(named.contains(input), "\(book): \(input)") }
        }
    }

    @Test("the Korean readme shows the code and has the links of the English one")
    func translation() throws {
        let english = try #require(MarkdownDocument.all.first { $0.path == "README.md" })
        let korean = try #require(MarkdownDocument.all.first { $0.path == "README.ko.md" })
        #expect(english.code.count > 50)
        #expect(Set(english.code.map(\.text)) == Set(korean.code.map(\.text)))
        let (from, to) = (Set(english.links.map(\.target)), Set(korean.links.map(\.target)))
        #expect(from.symmetricDifference(to) == ["README.ko.md", "README.md"])
    }

    @Test("a link to a missing file or heading is found, and one in code is none")
    func brokenLinks() {
        let text = """
            # Here
            ## Two `words`, [linked](README.md)
            ## Here
            [a](nowhere.md) [b](README.md) [c](#here) [d](#here-1) [e](#there) [f](https://example.org/x#y)
            [g](#two-words-linked) `[h](gone.md)`

            ```
            [i](gone.md)
            ```

                [j](gone.md)
            """
        let page = MarkdownDocument(path: "page.md", text: text)
        #expect(
            page.brokenLinks(among: [page]) == [
                "page.md:4: nowhere.md: no such file", "page.md:4: #there: no such heading",
            ]
        )
    }

    @Test(
        "what the parser does not know is found",
        arguments: [
            ("rollbook plan nightly-backup --check", nil), ("rollbook", nil), ("rollbook: refused: it is", nil),
            ("rollbook 1.2.3", nil), ("rollbook -> RollbookCLI", nil),
            ("$ rollbook run nightly-backup --yes        # --nonsense", nil),
            ("rollbook backups --format json | jq --nonsense", nil), ("rollbook --version", nil),
            ("rollbook help backups verify", nil), ("rollbook run rolling-upgrade --set version=1.32.13", nil),
            ("rollbook resolve RUN STEP --as done --why 'it is --there'", nil),
            ("rollbook run mine.yaml --set anything=1", nil),
            ("rollbook upgrade", "'rollbook' has no subcommand 'upgrade'"),
            ("rollbook backups lst", "'backups' has no subcommand 'lst'"),
            ("rollbook plan a --nonsense", "'plan' has no option --nonsense"),
            ("rollbook backups --nonsense", "'backups' has no option --nonsense"),
            ("rollbook plan a --format yaml", "--format does not take yaml"),
            ("rollbook plan a --format", "--format needs a value"),
            ("rollbook plan a b", "'plan' takes 1 arguments, not a, b"),
            ("rollbook run rolling-upgrade --set versoin=1.32.13", "rolling-upgrade has no input versoin"),
        ]
    )
    func unknown(_ line: String, _ problem: String?) throws {
        let found = try DocumentedCommand(line)?.problems(in: Self.program.get(), inputs: Self.inputs) ?? []
        #expect(found == (problem.map { [$0] } ?? []))
    }
}
