import ClusterModel
import Foundation
import Journal
import RunEngine
import TestSupport
import Testing

@testable import HTMLReport

@Suite("The page of a run")
struct RunPageTests {
    private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")

    private func expectGolden(_ text: String, _ name: String) throws {
        let difference = try GoldenFile(Self.fixtures.appending(path: name)).difference(from: Array(text.utf8))
        #expect(difference == nil)
    }

    private func earlier(_ trial: ReportTrial) -> [EarlierRun] {
        (1...3).map { days in
            let moment = UTCMoment(seconds: trial.records[0].time.seconds - Int64(days) * 86400)
            return EarlierRun(
                run: RunID(moment: moment, random: UInt32(days)),
                started: moment,
                duration: days == 2 ? nil : .seconds(90 + days),
                verdict: days == 2 ? .damaged : Verdict(trial.state)
            )
        }
    }

    @Test("a run with everything in it, as reviewed")
    func everyForm() async throws {
        let trial = try await ReportTrial.everyForm()
        try expectGolden(try trial.page(earlier(trial)).html, "every-form.html")
    }

    @Test("the same run gives the same bytes")
    func deterministic() async throws {
        let trial = try await ReportTrial.everyForm()
        #expect(try trial.page().html == trial.page().html)
    }

    @Test("nothing is loaded from anywhere, and no script runs")
    func selfContained() async throws {
        let trial = try await ReportTrial.everyForm()
        let html = try trial.page(earlier(trial)).html
        for word in ["http://", "https://", "<script", "src=", "@import", "<link", "<iframe", "<object", "javascript:"]
        {
            #expect(!html.contains(word), "\(word)")
        }
        for match in html.matches(of: #/href="([^"]*)"|url\(([^)]*)\)/#) {
            let target = match.1 ?? match.2 ?? ""
            #expect(target.hasPrefix("#"), "\(target)")
        }
        #expect(html.contains(#"content="default-src 'none'; style-src 'unsafe-inline'"#))
    }

    @Test("every link leads somewhere on the page, and no id is there twice")
    func anchors() async throws {
        let html = try (try await ReportTrial.everyForm()).page().html
        let ids = html.matches(of: #/ id="([^"]*)"/#).map { String($0.1) }
        #expect(Set(ids).count == ids.count)
        for match in html.matches(of: #/href="#([^"]*)"/#) { #expect(ids.contains(String(match.1)), "\(match.1)") }
    }

    @Test("elements are closed in the order they were opened")
    func wellFormed() async throws {
        let trial = try await ReportTrial.everyForm()
        let html = try trial.page(earlier(trial)).html
        var open: [String] = []
        for match in html.matches(of: #/<(\/?)([a-z][a-z0-9]*)[^>]*?(\/?)>/#) {
            let name = String(match.2)
            if ["meta", "br", "hr"].contains(name) || !match.3.isEmpty { continue }
            if match.1.isEmpty { open.append(name) } else { #expect(open.popLast() == name, "</\(name)>") }
        }
        #expect(open.isEmpty, "\(open)")
    }

    /// Texts that hosts may send, each of which would do something in a page or a terminal.
    private static let attacks = [
        "<script>alert(1)</script>", "\" onmouseover=\"alert(1)", "' onmouseover='alert(1)",
        "\"\u{301} onmouseover=alert(1) x=\"", "<\u{338}img src=x onerror=alert(1)>",
        "</title><script>alert(1)</script>",
        "</style></pre><script>alert(1)</script>", "{{{style}}}", "&lt;script&gt;", "\u{1B}[2J\u{1B}]52;c;AAAA\u{7}",
        "\u{0}\u{8}\u{9B}31m\u{7F}", "\u{202E}gpj.exe", "`x`", "]]>--><svg onload=alert(1)>",
    ]

    @Test("what hosts say never becomes a part of the page's structure", arguments: attacks)
    func escaping(attack: String) async throws {
        let trial = try await Self.trial(saying: attack)
        let html = try trial.page().html
        let plain = try await Self.trial(saying: "plain").page().html
        func structure(_ html: String) -> [String] {
            html.matches(of: #/<[^>]*>/#).map {
                String($0.0).replacing(#/"[^"]*"/#, with: "\"\"")
            }
        }
        #expect(structure(html) == structure(plain))
        #expect(!html.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" && $0 != "\t" })
        #expect(!html.unicodeScalars.contains { (0x7F...0x9F).contains($0.value) || $0.value == 0x202E })
        #expect(html.contains(attack.escapedForTerminal.escapedForPage))
    }

    /// A run in which a text stands wherever a text of a host may stand.
    private static func trial(saying text: String) async throws -> ReportTrial {
        let engine = EngineTrial(.sample(masters: 1, workers: 1, loadBalancers: 0))
        engine.hosts["master1"].values = ["x": text]
        engine.hosts["worker1"].values = ["x": text]
        let plan = try await engine.plan(.toy([.toy("Set", on: "all", [.set("x", "new")])]))
        let (one, two) = (plan.steps[0].id, plan.steps[1].id)
        let message = OperatorMessage(.stepFailed, at: "worker1/toy.set", text, state: text, next: text)
        return try ReportTrial(
            plan,
            [
                (.zero, ReportTrial.intent(one)), (.zero, ReportTrial.intent(two)),
                (
                    .seconds(1),
                    ReportTrial.outcome(one, .ok, output: .object(["a": .string(text), "b": .string(text + "\n.")]))
                ),
                (.seconds(1), ReportTrial.outcome(two, .failed, text)),
                (.seconds(1), .stageGate(StageGate(stage: "Set", passed: false, waited: .zero, detail: text))),
                (
                    .zero,
                    .runEnd(
                        RunEnd(
                            result: .held,
                            exitCode: .stepFailed,
                            summary: .object(["problems": try JSONValue(encoding: [message])])
                        )
                    )
                ),
            ],
            run: engine.run
        )
    }

    @Test("a long output is cut, the page says so, and no character is cut in two")
    func longOutput() async throws {
        let text = String(repeating: "ö", count: OutputView.longest)
        let fields = try #require(OutputView(.object(["out": .string(text)]), place: "out/x").fields)
        let box = try #require((fields["long"] as? [Fields])?.first)
        let shown = try #require(box["text"] as? String)
        #expect(shown.utf8.count == OutputView.longest)
        #expect(shown.allSatisfy { $0 == "ö" })
        #expect(box["note"] as? String == "the first 8192 of 16384 bytes; all of it is in out/x")
        #expect(OutputView.cut("aö", to: 2).shown == "a")
        #expect(OutputView.cut("aö", to: 3) == ("aö", false))
    }

    @Test("what is alike on many hosts is told once, and steps without anything to tell only when asked")
    func manyHosts() async throws {
        let engine = EngineTrial(.sample(masters: 0, workers: 200, loadBalancers: 0))
        let plan = try await engine.plan(.toy([.toy("All", on: "workers", [.set("x", "new")])]))
        let trial = try ReportTrial(
            plan,
            plan.steps.enumerated().flatMap { index, step -> [(Duration, JournalEvent)] in
                let isBad = index % 50 == 7
                return [
                    (.milliseconds(5), ReportTrial.intent(step.id)),
                    (.milliseconds(9), ReportTrial.outcome(step.id, isBad ? .failed : .ok, isBad ? "no room" : nil)),
                ]
            },
            run: engine.run
        )
        let html = try trial.page().html
        #expect(html.contains("196 steps went as planned"))
        #expect(html.components(separatedBy: "<p>no room.</p>").count == 2)
        #expect(html.contains("worker8, worker58, worker108, worker158"))
    }
}
