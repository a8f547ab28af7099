import ClusterModel
import Foundation
import Testing

@Suite("Moments in UTC")
struct UTCMomentTests {
    /// Values of `date -u -d @…` (GNU coreutils).
    @Test(
        "known moments print as GNU date prints them",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"), (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"), (1_795_212_782, "2026-11-20T22:13:02.000Z"),
            (-1, "1969-12-31T23:59:59.000Z"), (-2_208_988_800, "1900-01-01T00:00:00.000Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000Z"),
        ] as [(Int64, String)]
    )
    func known(_ seconds: Int64, _ text: String) {
        #expect(UTCMoment(seconds: seconds).description == text)
        #expect(UTCMoment(text)?.seconds == seconds)
    }

    @Test("what is printed reads back, to the millisecond")
    func roundTrip() {
        var random = SplitMix64(seed: 1)
        for _ in 0..<5000 {
            let moment = UTCMoment(milliseconds: Int64(random.next() % 253_402_300_800_000))
            #expect(UTCMoment(moment.description) == moment)
        }
    }

    @Test("days, weeks and months agree with Foundation's ISO 8601 calendar")
    func calendar() throws {
        var calendar = Calendar(identifier: .iso8601)
        calendar.timeZone = .gmt
        var random = SplitMix64(seed: 2)
        var previous: (moment: UTCMoment, week: DateComponents)?
        for _ in 0..<1000 {
            let moment = UTCMoment(seconds: Int64(random.next() % 4_102_444_800))
            let date = Date(timeIntervalSince1970: TimeInterval(moment.seconds))
            let parts = calendar.dateComponents([.year, .month, .day], from: date)
            let year = try #require(parts.year)
            let month = try #require(parts.month)
            #expect(moment.month == Int64(year * 12 + month - 1))
            let week = calendar.dateComponents([.yearForWeekOfYear, .weekOfYear], from: date)
            if let previous { #expect((previous.moment.week == moment.week) == (previous.week == week)) }
            previous = (moment, week)
        }
    }

    @Test("a week begins on Monday")
    func weeks() throws {
        let sunday = try #require(UTCMoment("2026-11-22T23:59:59Z"))
        let monday = try #require(UTCMoment("2026-11-23T00:00:00Z"))
        #expect(monday.week == sunday.week + 1)
        #expect(monday.day == sunday.day + 1)
    }

    @Test(
        "impossible dates and other forms are refused",
        arguments: [
            "", "2026-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-10T00:00:00Z",
            "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z",
            "2026-01-01 00:00:00Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00.12Z",
            "2026-01-01T00:00:00,123Z", "+026-01-01T00:00:00Z", "2026-01-01T00:00:0éZ",
        ]
    )
    func refused(_ text: String) { #expect(UTCMoment(text) == nil) }

    @Test("the compact form is the one of run and backup names")
    func compact() throws {
        #expect(try #require(UTCMoment("2026-11-20T22:19:40.999Z")).compact == "20261120T221940Z")
    }

    @Test("seconds before 1970 are rounded down")
    func negative() {
        #expect(UTCMoment(milliseconds: -1).seconds == -1)
        #expect(UTCMoment(milliseconds: -1).description == "1969-12-31T23:59:59.999Z")
        #expect(UTCMoment(milliseconds: -1).day == -1)
    }

    @Test(
        "durations are shown in a few figures",
        arguments: [
            (0, "0ms"), (999, "999ms"), (1000, "1.0s"), (12_345, "12.3s"), (60_000, "1m00s"), (250_000, "4m10s"),
            (3_720_000, "1h02m"), (90_000_000, "25h00m"),
        ] as [(Int64, String)]
    )
    func brief(_ milliseconds: Int64, _ text: String) { #expect(Duration.milliseconds(milliseconds).brief == text) }
}
