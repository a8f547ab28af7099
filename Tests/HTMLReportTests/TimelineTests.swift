import ClusterModel
import Journal
import RunEngine
import TestSupport
import Testing

@testable import HTMLReport

@Suite("The timeline's geometry")
struct TimelineTests {
    private func plan(workers: Int) async throws -> (plan: Plan, run: RunID) {
        let trial = EngineTrial(.sample(masters: 0, workers: workers, loadBalancers: 0))
        return (try await trial.plan(.toy([.toy("All", on: "workers", [.set("x", "new")])])), trial.run)
    }

    private func timeline(_ trial: ReportTrial) -> Timeline { Timeline(trial.plan, trial.records) }

    private func isNear(_ left: Double, _ right: Double) -> Bool { abs(left - right) < 0.01 }

    @Test("a bar is as long as its attempt took, in the unit of all others, and stands in its host's lane")
    func lengths() async throws {
        let (plan, run) = try await plan(workers: 2)
        let (one, two) = (plan.steps[0].id, plan.steps[1].id)
        let trial = try ReportTrial(
            plan,
            [
                (.zero, ReportTrial.intent(one)), (.zero, ReportTrial.intent(two)),
                (.seconds(2), ReportTrial.outcome(one, .ok, took: .seconds(2))),
                (.seconds(6), ReportTrial.outcome(two, .failed, took: .seconds(8))),
            ],
            run: run
        )
        let timeline = timeline(trial)
        #expect(timeline.bars.map(\.lane) == [0, 1])
        #expect(timeline.bars.map(\.mark) == [.ok, .failed])
        #expect(isNear(timeline.bars[1].width, 4 * timeline.bars[0].width))
        #expect(isNear(timeline.bars[1].x, timeline.left))
        #expect(timeline.ticks.map(\.label) == ["0", "1s", "2s", "3s", "4s", "5s", "6s", "7s", "8s"])
        #expect(timeline.lanes.map(\.host.text) == ["worker1", "worker2"])
    }

    @Test("time between sessions has a fixed width, however long; what was open ends before it and goes on behind it")
    func sessions() async throws {
        let trial = try await ReportTrial.everyForm()
        let timeline = timeline(trial)
        let gap = try #require(timeline.breaks.first)
        #expect(timeline.breaks.count == 1)
        #expect(gap.isDeath)
        #expect(gap.title.contains("its process died. 1h00m later: resumed"), "\(gap.title)")
        let parts = timeline.bars.filter { $0.step.text == "1.master2.toy.add" }
        #expect(parts.map(\.mark) == [.cut, .ok])
        #expect(parts[0].x + parts[0].width <= gap.x + 0.01)
        #expect(parts[1].x >= gap.x + gap.width - 0.01)
        let end = try #require(timeline.bars.map { $0.x + $0.width }.max())
        #expect(end <= Timeline.width)
        #expect(end > Timeline.width - 20)
    }

    @Test("looks at a gate in a row are one wait, from the first look to the decision")
    func gates() async throws {
        let timeline = timeline(try await ReportTrial.everyForm())
        #expect(timeline.gates.map(\.reads) == [4, 3])
        #expect(timeline.gates.allSatisfy { $0.passed && $0.stage == 0 })
        #expect(
            timeline.gates[0].title.contains("open after 15.0s, 4 looks: ready is yes"),
            "\(timeline.gates[0].title)"
        )
    }

    @Test("bars of one host never overlap, and nothing leaves the picture")
    func noOverlap() async throws {
        let timeline = timeline(try await ReportTrial.everyForm())
        for bars in Dictionary(grouping: timeline.bars, by: \.lane).values {
            let sorted = bars.sorted { $0.x < $1.x }
            for (one, next) in zip(sorted, sorted.dropFirst()) { #expect(one.x + one.width <= next.x + 0.01) }
        }
        #expect(timeline.bars.allSatisfy { $0.x >= timeline.left - 0.01 && $0.width >= 0 })
        #expect(timeline.gates.allSatisfy { $0.x >= timeline.left - 0.01 && $0.width >= 0 })
    }

    @Test("two hundred hosts get thin lanes, and as many names as there is room for")
    func manyHosts() async throws {
        let (plan, run) = try await plan(workers: 200)
        let trial = try ReportTrial(
            plan,
            plan.steps.flatMap { step -> [(Duration, JournalEvent)] in
                [
                    (.milliseconds(5), ReportTrial.intent(step.id)),
                    (.milliseconds(40), ReportTrial.outcome(step.id, .ok, took: .milliseconds(40))),
                ]
            },
            run: run
        )
        let timeline = timeline(trial)
        #expect(timeline.lanes.count == 200)
        #expect(timeline.height < 1400)
        let named = timeline.lanes.filter(\.isNamed)
        #expect(named.count == 67)
        for (one, next) in zip(named, named.dropFirst()) { #expect(next.y - one.y >= 13) }
        #expect(Set(timeline.bars.map(\.lane)).count == 200)
    }

    @Test(
        "ticks are round, evenly spaced, and neither few nor many",
        arguments: [37, 850, 4_600, 61_000, 3_540_000, 93_000_000]
    )
    func ticks(milliseconds: Int64) async throws {
        let (plan, run) = try await plan(workers: 1)
        let step = plan.steps[0].id
        let trial = try ReportTrial(
            plan,
            [
                (.zero, ReportTrial.intent(step)),
                (.milliseconds(milliseconds), ReportTrial.outcome(step, .ok, took: .milliseconds(milliseconds))),
            ],
            run: run
        )
        let ticks = timeline(trial).ticks
        #expect((4...14).contains(ticks.count), "\(ticks.map(\.label))")
        let steps = zip(ticks, ticks.dropFirst()).map { $1.x - $0.x }
        #expect(steps.allSatisfy { isNear($0, steps[0]) && $0 > 40 })
        #expect(Set(ticks.map(\.label)).count == ticks.count)
    }

    @Test("a run that was killed before anything happened has an empty picture")
    func empty() async throws {
        let (plan, run) = try await plan(workers: 1)
        let timeline = timeline(try ReportTrial(plan, [], run: run))
        #expect(timeline.bars.isEmpty)
        #expect(timeline.lanes.count == 1)
    }

    @Test("what is still under way when the journal ends is drawn to its end, as without outcome")
    func underWay() async throws {
        let (plan, run) = try await plan(workers: 1)
        let trial = try ReportTrial(
            plan,
            [
                (.zero, ReportTrial.intent(plan.steps[0].id)),
                (.seconds(9), .note(Note(kind: "ui.lost"))),
            ],
            run: run
        )
        let bar = try #require(timeline(trial).bars.first)
        #expect(bar.mark == .cut)
        #expect(bar.x + bar.width > Timeline.width - 20)
    }
}
