import ClusterModel
import Journal
import RunEngine

/// The run beside earlier ones of the same runbook on the same cluster.
struct History {
    private let reported: ReportedRun

    /// Nil when there were none.
    init?(_ reported: ReportedRun) {
        guard !reported.earlier.isEmpty else { return nil }
        self.reported = reported
    }

    var fields: Fields {
        let this = EarlierRun(
            run: reported.run,
            started: reported.records.first?.time,
            duration: reported.duration,
            verdict: reported.verdict
        )
        let all = [this] + reported.earlier
        let longest = max(1, all.compactMap(\.duration).map(\.milliseconds).max() ?? 1)
        let rows = all.enumerated().map { index, run -> Fields in
            let share = (run.duration?.milliseconds ?? 0) * 1000 / longest
            return [
                "run": run.run.text, "started": run.started?.spoken ?? "", "took": run.duration?.brief ?? "",
                "word": run.verdict.word, "tone": run.verdict.tone.rawValue, "sign": run.verdict.tone.sign,
                "exit": run.verdict.exitCode.map { "\($0)" } ?? "", "isThis": index == 0,
                "share": "\(share / 10).\(share % 10)",
            ]
        }
        return ["rows": rows, "summary": summary]
    }

    private var summary: String {
        let done = reported.earlier.filter { $0.verdict.word == reported.verdict.word }.compactMap(\.duration).sorted()
        guard let mine = reported.duration, !done.isEmpty else { return "" }
        let median = done[done.count / 2]
        let difference = (mine.milliseconds - median.milliseconds) * 100 / max(1, median.milliseconds)
        let sign = difference < 0 ? "\u{2212}" : "+"
        let word = reported.verdict.word
        let those =
            done.count == 1
            ? "the earlier one that is \(word) took" : "the median of \(done.count) earlier ones that are \(word) is"
        return "It took \(mine.brief); \(those) \(median.brief) (\(sign)\(abs(difference)) %)."
    }
}
