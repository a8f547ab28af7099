import ClusterModel
import Journal

/// The time axis of a run: time at work, with a break between sessions.
struct TimelineAxis {
    /// A record's place: the time at work until then, and the session.
    struct Place: Sendable, Hashable {
        let elapsed: Duration
        let session: Int
    }

    let left: Double
    let places: [Place]
    let breaks: [Timeline.Break]
    /// Time at work when each session began.
    private let starts: [Duration]
    private let total: Duration
    private let breakWidth: Double
    /// Units of the picture a millisecond.
    private let scale: Double

    private static let right = Timeline.width - 14

    init(_ records: [JournalRecord], left: Double) {
        self.left = left
        var places: [Place] = []
        var starts: [Duration] = [.zero]
        var elapsed = Duration.zero
        var pauses: [(title: String, isDeath: Bool)] = []
        for (index, record) in records.enumerated() {
            if index > 0 {
                let before = records[index - 1]
                if case .runResumed(let resumed) = record.event {
                    starts.append(elapsed)
                    pauses.append(Self.pause(before, record, resumed))
                } else if before.boot == record.boot {
                    elapsed += max(.zero, record.uptime - before.uptime)
                }
            }
            places.append(Place(elapsed: elapsed, session: starts.count - 1))
        }
        self.places = places
        self.starts = starts
        let total = max(elapsed, .milliseconds(1))
        let room = Self.right - left
        let breakWidth = pauses.isEmpty ? 0 : min(26, room * 0.4 / Double(pauses.count))
        let scale = (room - breakWidth * Double(pauses.count)) / Double(total.milliseconds)
        self.total = total
        self.breakWidth = breakWidth
        self.scale = scale
        breaks = pauses.enumerated().map { index, pause in
            Timeline.Break(
                x: left + Double(starts[index + 1].milliseconds) * scale + Double(index) * breakWidth,
                width: breakWidth,
                isDeath: pause.isDeath,
                title: pause.title
            )
        }
    }

    func x(_ elapsed: Duration, session: Int) -> Double {
        left + Double(elapsed.milliseconds) * scale + Double(session) * breakWidth
    }

    /// Time at work when a session began.
    func start(of session: Int) -> Duration { starts[session] }

    /// Round times, about one every 80 units and at most thirteen.
    var ticks: [Timeline.Tick] {
        let most = min(13, Int64((Self.right - left) / 80))
        let step = Self.rounds.first { total.milliseconds / $0 <= most } ?? total.milliseconds
        return stride(from: 0, through: total.milliseconds, by: Int(step)).map { at in
            let moment = Duration.milliseconds(at)
            let session = starts.lastIndex { $0 < moment } ?? 0
            return Timeline.Tick(x: x(moment, session: session), label: Self.label(at))
        }
    }

    private static let rounds: [Int64] =
        [1, 2, 5, 10, 20, 50, 100, 200, 500].map { $0 }
        + [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 604_800]
        .map { $0 * 1000 }

    /// `0`, `500ms`, `1s`, `1m30s`, `2h`, `2h15m`.
    static func label(_ milliseconds: Int64) -> String {
        if milliseconds == 0 { return "0" }
        if milliseconds % 1000 != 0 {
            if milliseconds < 1000 { return "\(milliseconds)ms" }
            let fraction = milliseconds % 1000
            let digits = fraction % 100 == 0 ? "\(fraction / 100)" : String(String(1000 + fraction).dropFirst())
            return "\(milliseconds / 1000).\(digits)s"
        }
        let seconds = milliseconds / 1000
        let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")]
        return parts.filter { $0.0 > 0 }.map { "\($0.0)\($0.1)" }.joined()
    }

    private static func pause(
        _ before: JournalRecord,
        _ record: JournalRecord,
        _ resumed: RunResumed
    ) -> (title: String, isDeath: Bool) {
        let wall = Duration.milliseconds(max(0, record.time.milliseconds - before.time.milliseconds))
        let end: String
        let isDeath: Bool
        switch before.event {
        case .runEnd(let ended):
            (end, isDeath) = ("\(ended.result.rawValue), exit code \(ended.exitCode.rawValue)", false)
        case .runInterrupted(let signal): (end, isDeath) = ("let go after SIG\(signal.signal.rawValue)", false)
        default: (end, isDeath) = ("its process died", true)
        }
        let restart = before.boot == record.boot ? "" : ", the controller was restarted"
        let word: String =
            switch resumed.purpose {
            case .resume: "resumed"
            case .resolve: "answered"
            case .abandon: "abandoned"
            }
        let by = "\(resumed.by.user)@\(resumed.by.host), pid \(resumed.by.pid)"
        return (
            "\(before.time.spoken): \(end). \(wall.brief) later\(restart): \(word) at \(record.time.spoken) by \(by)",
            isDeath
        )
    }
}
