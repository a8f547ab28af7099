import ClusterModel
import ClusterSteps
import Foundation
import Journal
import RunEngine
import TestSupport
import Testing

@testable import RollbookCLI

/// Everything a person is shown, fed with what a hostile host might say.
@Suite("What hosts say never controls a terminal")
struct HostileTextTests {
    /// Pieces that terminals obey or that turn text around, among plain ones, in an order of chance.
    private struct Hostile {
        var random: SplitMix64

        private static let pieces = [
            "\u{1B}[2J", "\u{1B}]0;title\u{7}", "\u{1B}]52;c;aGk=\u{1B}\\", "\u{1B}c", "\u{1B}P1$r\u{1B}\\", "\u{1B}",
            "\u{9B}31m", "\u{9D}8;;http://x\u{9C}", "\u{90}", "\u{85}", "\r", "\u{8}\u{8}", "\u{7F}", "\u{0}", "\u{B}",
            "\u{C}", "\u{E}", "\u{7}", "\u{202E}", "\u{2066}", "\u{2069}", "\u{200F}", "\u{061C}", "\u{FEFF}",
            "\u{2028}", "\u{E0041}", "e\u{301}\u{1B}", "\r\n", "ok", "한국어", " ", "\\", "\"", "<b>",
            "forbidden; next: \u{1B}",
        ]

        mutating func text() -> String {
            (0..<Int.random(in: 1...6, using: &random)).map { _ in
                Self.pieces.randomElement(using: &random) ?? ""
            }.joined()
        }
    }

    /// What a terminal might obey; besides newlines and tabs nothing below a blank is text.
    private static func controls(in text: String) -> [String] {
        text.unicodeScalars.filter { scalar in
            switch scalar.value {
            case 0x09, 0x0A: false
            case 0..<0x20, 0x7F...0x9F, 0x061C, 0x200B...0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF,
                0xE0000...0xE007F:
                true
            default: false
            }
        }.map { String($0.value, radix: 16) }
    }

    @Test(
        "plans, with values, obstacles, notes and closed gates of hosts, as text, as JSON and for CI",
        arguments: 1...12
    )
    func plans(seed: UInt64) async throws {
        var hostile = Hostile(random: SplitMix64(seed: seed))
        let trial = EngineTrial(.sample(masters: 3, workers: 3, loadBalancers: 0))
        for host in trial.cluster.hosts {
            trial.hosts[host.name.text].values = [
                "x": hostile.text(), "y": "forbidden\(hostile.text()); next: \(hostile.text())",
                "ready": hostile.text(),
            ]
        }
        trial.hosts["worker3"].isUp = false
        let plan = try await trial.plan(
            .toy([
                .toy(
                    "Masters \(hostile.text())",
                    on: "masters",
                    require: [.gate("ready", "yes")],
                    [.set("x", hostile.text()), .add("k", hostile.text())]
                ),
                .toy("Workers", on: "workers", [.set("y", "new"), .toy("after", ["key": .string("x")])]),
            ])
        )
        for isVerbose in [false, true] {
            let text = PlanView(plan: plan, id: "sha256:…", isVerbose: isVerbose).text
            #expect(Self.controls(in: text) == [])
        }
        #expect(Self.controls(in: JUnitReport(plan).text) == [])
        for obstacle in plan.obstacles { #expect(Self.controls(in: obstacle.description) == []) }
        #expect(!plan.obstacles.isEmpty)
    }

    @Test(
        "the board and the lines above it, at any width: only its own sequences, and each line stays one",
        arguments: 1...12
    )
    func board(seed: UInt64) async throws {
        var hostile = Hostile(random: SplitMix64(seed: seed))
        var show = try await LiveShow(workers: 4)
        show.stage(0)
        show.gate("toy.is \(hostile.text())", false, hostile.text())
        for worker in 1...3 {
            show.begin("worker\(worker)", 1)
            show.say("worker\(worker)", hostile.text())
        }
        show.end("worker2", 1, .failed, hostile.text())
        show.end("worker3", 1, .unknown, hostile.text())
        for (width, height) in [(80, 24), (33, 6), (200, 3)] {
            let lines = show.lines(width, height)
            for line in lines {
                #expect(Self.controls(in: line.text) == [] && !line.text.contains(where: \.isNewline))
                #expect(CellWidth.of(line.text) <= width)
            }
            var frame = LiveFrame(inColour: false)
            var screen = ScreenTrial(width: width, height: 40)
            let said = hostile.text()
            screen.write(frame.draw(lines, above: [said.replacing("\n", with: " ")], width: width))
            #expect(screen.strange == [] && screen.isAtRest)
            screen.write(frame.erase(leaving: [said.replacing("\n", with: " ")], width: width))
            #expect(screen.strange == [] && screen.isAtRest)
        }
    }

    @Test("health, tables, messages and mistakes in files", arguments: 1...12)
    func others(seed: UInt64) throws {
        var hostile = Hostile(random: SplitMix64(seed: seed))
        let cluster = Cluster.sample(workers: 1)
        let observations = cluster.hosts.map { host in
            var seen = HostObservation(host: host)
            seen.failure = OperatorMessage(.unreachable, at: hostile.text(), hostile.text(), next: hostile.text())
            return seen
        }
        let health = HealthView(health: ClusterHealth(cluster, observations))
        #expect(Self.controls(in: health.text) == [])
        var table = Table(("A", .left), ("B", .right))
        table.add(hostile.text(), hostile.text())
        #expect(Self.controls(in: table.text) == [] && table.lines.count == 2)
        let message = OperatorMessage(
            .stepFailed,
            at: hostile.text(),
            hostile.text(),
            state: hostile.text(),
            next: hostile.text()
        )
        #expect(Self.controls(in: message.description) == [] && !message.description.contains("\n"))
        for line in (0..<8).map({ _ in LiveLine(hostile.text(), .bad).text }) {
            #expect(Self.controls(in: line) == [] && !line.contains(where: \.isNewline))
        }
    }
}
