import ClusterModel
import RemoteShell
import RunEngine
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("Clocks of hosts")
struct CheckTimeTests {
    /// What a host prints whose clock shows `now` and whose shell began `worked` seconds before.
    private static func answer(now: Double, worked: Double = 0, window: ClosedRange<Duration>?) -> ProbeBatch.Answer {
        let text = """
            [synchronised]
            [units]
            [container]
            [ticks]
            100
            [clock]
            \(now) 5000.00 \(Int((5000 - worked) * 100))
            [end]

            """
        var answer = ProbeBatch.Answer(exitCode: 0, output: Array(text.utf8))
        answer.window = window
        return answer
    }

    private static func offset(
        now: Double,
        worked: Double = 0,
        _ window: ClosedRange<Duration>
    ) throws -> HostClock.Offset {
        try #require(try HostClock().parse(answer(now: now, worked: worked, window: window)).offset)
    }

    @Test("a clock that nobody timed is known to show nothing")
    func untimed() throws {
        #expect(try HostClock().parse(Self.answer(now: 1_000_000, window: nil)).offset == nil)
    }

    @Test("a slow answer alone is no difference, however slow")
    func slow() throws {
        let prompt = try Self.offset(now: 1_000_010, .seconds(10) ... .seconds(10))
        // Asked at the same clock, looked at somewhere within 9 s, and that is all that is known.
        let slow = try Self.offset(now: 1_000_018, .seconds(10) ... .seconds(19))
        #expect(slow.certainlyAhead(of: prompt) == nil)
        #expect(prompt.certainlyAhead(of: slow) == nil)
    }

    @Test("only the certain part of a difference is told, with its direction")
    func certainPart() throws {
        let right = try Self.offset(now: 1_000_010, .seconds(10) ... .milliseconds(10_200))
        let ahead = try Self.offset(now: 1_000_018, .seconds(10) ... .milliseconds(10_300))
        let difference = try #require(ahead.certainlyAhead(of: right))
        #expect(difference > .milliseconds(7650) && difference <= .milliseconds(7700))
        #expect(right.certainlyAhead(of: ahead) == .zero - difference)
    }

    @Test("time the host spent before it looked at its clock narrows what is known")
    func worked() throws {
        let right = try Self.offset(now: 1_000_010, .seconds(10) ... .seconds(10))
        let window = Duration.seconds(10) ... .seconds(19)
        #expect(try Self.offset(now: 1_000_012, window).certainlyAhead(of: right) == nil)
        // It looked after 8 s and so at uptime 18 at the earliest: a right clock would have shown 1000018.
        let late = try Self.offset(now: 1_000_012, worked: 8, window)
        let behind = try #require(late.certainlyAhead(of: right))
        #expect(behind <= .milliseconds(-5900) && behind > .milliseconds(-6100))
    }

    @Test("right clocks never differ for certain, whatever links and hosts take; wrong ones never by more than they do")
    func neverMoreThanTrue() throws {
        var random = SplitMix64(seed: 20_261_121)
        func span(_ most: Int64) -> Int64 { Int64.random(in: 0...most, using: &random) }
        func reading(error: Int64) throws -> HostClock.Offset {
            let asked = 100_000 + span(60_000)
            let (worked, work, back) = (span(8000), span(500), span(3000))
            let looked = asked + span(3000) + worked
            return try Self.offset(
                now: Double(1_700_000_000_000 + looked + error) / 1000,
                worked: Double(worked) / 1000,
                .milliseconds(asked) ... .milliseconds(looked + work + back)
            )
        }
        for _ in 0..<2000 {
            let (one, other) = (span(20_000) - 10_000, span(20_000) - 10_000)
            let (left, right) = (try reading(error: one), try reading(error: other))
            if let ahead = left.certainlyAhead(of: right) {
                #expect((ahead > .zero) == (one > other))
                #expect(ahead <= .milliseconds(abs(one - other)) && ahead >= .milliseconds(-abs(one - other)))
            }
        }
    }

    @Test("planning times its readings: how long a host took is how little is known of its clock")
    func timedByPlanning() async throws {
        let trial = EngineTrial(.sample())
        trial.answer(HostClock(), with: "chrony", on: "worker1")
        let time = trial.time
        trial.hosts.delay { _ in time.advance(by: .seconds(3)) }
        let facts = FactCache(cluster: trial.cluster, connections: trial.hosts, parallel: 1, time: time)
        let worker = try #require(HostName("worker1"))
        let value = try await facts.reader(of: trial.cluster).read(HostClock(), on: worker)
        let offset = try #require(value.offset)
        #expect((2900...3010).contains(offset.most - offset.least))
    }
}
