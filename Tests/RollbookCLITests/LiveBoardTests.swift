import ClusterModel
import Foundation
import Journal
import RunEngine
import SystemPackage
import TestSupport
import Testing

@testable import RollbookCLI

@Suite("What the live view shows")
struct LiveBoardTests {
    private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/live")

    private func expectGolden(_ lines: [LiveLine], _ name: String) throws {
        let golden = GoldenFile(Self.fixtures.appending(path: "\(name).txt"))
        let text = lines.map(\.text).joined(separator: "\n") + "\n"
        #expect(try golden.difference(from: Array(text.utf8)) == nil)
    }

    @Test("a small cluster: every host a line, in the inventory's order")
    func small() async throws {
        var show = try await LiveShow(workers: 3)
        show.stage(0)
        show.tick(2)
        show.begin("master1", 0)
        show.say("master1", "fetching\nfetching 12.0 MiB")
        show.tick(3)
        try expectGolden(show.lines(80, 24), "small-running")
        show.end("master1", 0, .ok)
        show.gate("toy.is", false, "master1 is not ready")
        show.tick(25)
        try expectGolden(show.lines(80, 24), "small-gate-closed")
        show.gate("toy.is", true, "all are ready")
        show.begin("master2", 0)
        show.tick(1)
        show.end(
            "master2",
            0,
            .failed,
            "package lock held by unattended-upgrade (pid 612) for 15m, and it does not give it back"
        )
        try expectGolden(show.lines(80, 24), "small-failed")
        show.board.take(.stopping(signal: .interrupt), at: show.now)
        try expectGolden(show.lines(60, 24), "small-stopping")
    }

    @Test("two hundred hosts on 24 lines: failed ones, then those that run longest, the rest counted")
    func many() async throws {
        var show = try await LiveShow(masters: 3, workers: 200)
        show.stage(0)
        for master in 1...3 {
            show.begin("master\(master)", 0)
            show.end("master\(master)", 0, .ok)
        }
        show.stage(1)
        for worker in 1...60 {
            show.tick(1)
            show.begin("worker\(worker)", 1)
            show.say("worker\(worker)", "evicting pod shop/web-\(worker)")
        }
        for worker in 1...30 where worker % 10 != 7 { show.end("worker\(worker)", 1, .ok) }
        for worker in [7, 17] { show.end("worker\(worker)", 1, .failed, "exit code 1") }
        show.end("worker27", 1, .unknown, "the link was lost")
        let lines = show.lines(100, 23)
        #expect(lines.count == 23)
        try expectGolden(lines, "many")
        try expectGolden(show.lines(100, 5), "many-on-five-lines")
        try expectGolden(show.lines(100, 1), "many-on-one-line")
    }

    @Test("a signal is on the board from the moment it came, while steps end, and there is no time left to tell")
    func signalled() async throws {
        let pace = EarlierPace(total: .seconds(300), milestones: [:])
        var show = try await LiveShow(workers: 0, pace: pace)
        show.stage(0)
        show.begin("master1", 0)
        #expect(show.lines(80, 24)[0].text.contains("about 5m left"))
        show.board.stop(.interrupt)
        let lines = show.lines(80, 24).map(\.text)
        #expect(lines.contains { $0.contains("stopping after SIGINT") }, "\(lines)")
        #expect(show.board.holds && show.board.timeLeft(at: show.now) == nil)
    }

    @Test("a resumed run counts what was done before")
    func resumed() async throws {
        let show = try await LiveShow(workers: 2, satisfied: 4)
        try expectGolden(show.lines(80, 24), "resumed")
    }

    @Test("hosts of a stage that goes on after failures are not held")
    func onFailure() async throws {
        var show = try await LiveShow(workers: 2)
        show.stage(1)
        show.begin("worker1", 1)
        show.end("worker1", 1, .failed, "no")
        #expect(!show.board.holds)
        show.stage(0)
        show.begin("master1", 0)
        show.end("master1", 0, .failed, "no")
        #expect(show.board.holds)
    }

    @Test("the time left is that of an earlier run at the same point, and does not pass its next step")
    func timeLeft() async throws {
        let trial = try await LiveShow(workers: 0)
        let ids = trial.plan.steps.map(\.id)
        let pace = EarlierPace(
            total: .seconds(300),
            milestones: [ids[0]: .seconds(60), ids[1]: .seconds(120), ids[2]: .seconds(180)]
        )
        var show = try await LiveShow(workers: 0, pace: pace)
        #expect(show.board.timeLeft(at: show.now) == .seconds(300))
        show.tick(30)
        #expect(show.board.timeLeft(at: show.now) == .seconds(270))
        show.tick(100)
        #expect(show.board.timeLeft(at: show.now) == .seconds(240), "the first step takes longer than it did")
        show.begin("master1", 0)
        show.end("master1", 0, .ok)
        show.tick(10)
        #expect(show.board.timeLeft(at: show.now) == .seconds(230))
        #expect(show.lines(80, 24)[0].text.hasSuffix("2m20s, about 4m left"))
        for master in 2...3 {
            show.begin("master\(master)", 0)
            show.end("master\(master)", 0, .ok)
        }
        show.tick(500)
        #expect(show.board.timeLeft(at: show.now) == nil)
        #expect(show.lines(80, 24)[0].text.hasSuffix("10m40s, an earlier run took 5m00s"))
    }

    @Test("a recorded run gives the pace: time at work until each step that both runs have")
    func pace() async throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "rollbook-pace-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        let trial = EngineTrial(.sample(masters: 3, workers: 0, loadBalancers: 0))
        for host in ["master1", "master2", "master3"] { trial.hosts[host].values = ["ready": "yes"] }
        // The gate is read three times after each master, with five seconds between.
        let plan = try await trial.plan(
            .toy([
                .toy("one", on: "masters", pace: .serial([.count(1)]), gates: [.gate("ready", "yes")], [.set("x", "1")])
            ])
        )
        let folder = try StateDirectory.prepare(at: FilePath(root.path)).makeRun(trial.run)
        let bytes = try plan.bytes()
        let journal = try JournalWriter.create(
            in: folder,
            plan: bytes,
            begin: RunBegin(
                plan: ContentHash(of: bytes),
                by: Operator(program: "rollbook test", host: "c", user: "u", pid: 1),
                cluster: plan.cluster.id,
                runbook: plan.runbook,
                steps: plan.steps.count
            ),
            clock: JournalClock(time: trial.time, boot: "boot")
        )
        try journal.append(.lockTaken(LockTaken(epoch: 1)))
        let ending = try await trial.execute(plan, on: journal)
        #expect(ending.result == .done)
        let ids = plan.steps.map(\.id)
        let pace = try #require(EarlierPace(of: try JournalReader.verify(folder), for: ids.dropLast()))
        let first = try #require(pace.milestone(of: ids[0]))
        #expect(pace.milestone(of: ids[1]) == first + .seconds(10))
        #expect(pace.milestone(of: ids[2]) == nil, "the run that goes on now has no such step")
        #expect(pace.total == first + .seconds(30))
        #expect(pace.left(at: first, waited: .seconds(4)) == .seconds(26))
        #expect(pace.left(at: first, waited: .seconds(100)) == .seconds(20))
    }

    @Test("whatever happens: never too wide, never too high, nothing that a terminal would obey")
    func property() async throws {
        var generator = SplitMix64(seed: 4711)
        let plan = try await LiveShow(masters: 3, workers: 40).plan
        for _ in 0..<25 {
            var show = LiveShow(plan)
            for _ in 0..<40 {
                show.somethingHappens(&generator)
                let width = Int.random(in: 0...130, using: &generator)
                let height = Int.random(in: 0...60, using: &generator)
                let lines = show.lines(width, height)
                #expect(lines.count <= height)
                for line in lines {
                    #expect(CellWidth.of(line.text) <= width, "\(line.text.debugDescription) at \(width)")
                    #expect(line.text == line.text.escapedOnOneLine, "\(line.text.debugDescription)")
                }
            }
        }
    }
}

/// A run that is played to a board.
struct LiveShow {
    let plan: Plan
    var board: LiveBoard
    private(set) var now = Duration.seconds(1000)

    init(
        masters: Int = 3,
        workers: Int,
        satisfied: Int = 0,
        pace: EarlierPace? = nil
    ) async throws {
        let trial = EngineTrial(.sample(masters: masters, workers: workers, loadBalancers: 0))
        let plan = try await trial.plan(
            .toy(
                "rolling-upgrade",
                [
                    .toy(
                        "Masters",
                        on: "masters",
                        pace: .serial([.count(1)]),
                        gates: [.gate("x", "1")],
                        [.set("x", "1")]
                    ),
                    .toy("Workers", on: "workers", onFailure: .continue, [.set("x", "1"), .add("k", "e")]),
                ]
            )
        )
        self.init(plan, satisfied: satisfied, pace: pace)
    }

    init(_ plan: Plan, satisfied: Int = 0, pace: EarlierPace? = nil) {
        self.plan = plan
        board = LiveBoard(
            plan,
            run: RunID(moment: UTCMoment(seconds: 1_795_215_600), random: 0x9f3a_12c4),
            satisfied: Set(plan.steps.prefix(satisfied).map(\.id)),
            pace: pace,
            began: now
        )
    }

    func lines(_ width: Int, _ height: Int) -> [LiveLine] { board.lines(width: width, height: height, now: now) }

    mutating func tick(_ seconds: Int) { now += .seconds(seconds) }

    mutating func stage(_ index: Int) {
        board.take(
            .stageBegan(index: index, name: plan.stages[index].name, hosts: plan.stages[index].batches.count),
            at: now
        )
    }

    mutating func gate(_ kind: String, _ passed: Bool, _ detail: String) {
        board.take(.gate(stage: "", kind: kind, passed: passed, detail: detail), at: now)
    }

    mutating func begin(_ host: String, _ stage: Int) {
        guard let step = step(host, stage) else { return }
        board.take(.stepBegan(step.id, host: step.host, kind: step.kind, attempt: 1), at: now)
    }

    mutating func say(_ host: String, _ text: String) {
        guard let step = plan.steps.first(where: { $0.host.text == host }) else { return }
        board.take(.progress(step.id, host: step.host, text: text), at: now)
    }

    mutating func end(_ host: String, _ stage: Int, _ result: StepOutcome.Result, _ message: String? = nil) {
        guard let step = step(host, stage) else { return }
        board.take(
            .stepEnded(
                step.id,
                host: step.host,
                kind: step.kind,
                result: result,
                message: message,
                duration: .seconds(4)
            ),
            at: now
        )
    }

    private func step(_ host: String, _ stage: Int) -> PlannedStep? {
        plan.steps.first { $0.host.text == host && $0.stage == stage }
    }

    /// One event of any kind, with any text.
    mutating func somethingHappens(_ generator: inout SplitMix64) {
        let step = plan.steps[Int.random(in: 0..<plan.steps.count, using: &generator)]
        let text = String.anything(&generator, upTo: 60)
        let results: [StepOutcome.Result] = [.ok, .failed, .unknown, .skipped, .refused]
        now += .milliseconds(Int.random(in: 0...90_000, using: &generator))
        switch Int.random(in: 0..<7, using: &generator) {
        case 0: board.take(.stageBegan(index: step.stage, name: text, hosts: 3), at: now)
        case 1:
            board.take(.gate(stage: text, kind: text, passed: Bool.random(using: &generator), detail: text), at: now)
        case 2: board.take(.stepBegan(step.id, host: step.host, kind: step.kind, attempt: 2), at: now)
        case 3, 4: board.take(.progress(step.id, host: step.host, text: text), at: now)
        case 5:
            let result = results[Int.random(in: 0..<results.count, using: &generator)]
            board.take(
                .stepEnded(step.id, host: step.host, kind: text, result: result, message: text, duration: .seconds(1)),
                at: now
            )
        default:
            if Int.random(in: 0..<20, using: &generator) == 0 { board.take(.stopping(signal: .terminate), at: now) }
        }
    }
}
