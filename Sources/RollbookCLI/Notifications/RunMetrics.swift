import ClusterModel

/// How runs of a runbook ended, as node_exporter's textfile collector reads it.
///
/// A file may hold those of many runbooks and clusters; each run replaces its own. Format: Prometheus text 0.0.4, without
/// timestamps, which the collector refuses.
struct RunMetrics: Sendable {
    let cluster: ClusterID
    let runbook: String
    let ended: UTCMoment
    let code: ExitCode
    let took: Duration

    enum Name: String, CaseIterable {
        case end = "rollbook_run_last_end_timestamp_seconds"
        case success = "rollbook_run_last_success_timestamp_seconds"
        case duration = "rollbook_run_last_duration_seconds"
        case exitCode = "rollbook_run_last_exit_code"
        case isSuccess = "rollbook_run_last_succeeded"

        var help: String {
            switch self {
            case .end: "When the last run of the runbook ended."
            case .success: "When the last run that did all that was asked ended."
            case .duration: "How long the last run took."
            case .exitCode: "Exit code of the last run (13: partial)."
            case .isSuccess: "1 when the last run did all that was asked, else 0."
            }
        }
    }

    private var labels: String { "cluster=\"\(cluster)\",runbook=\"\(runbook)\"" }

    /// The text of the file after this run; lines that are not ours are not kept.
    func added(to text: String) -> String {
        var samples = Self.samples(in: text)
        func set(_ name: Name, _ value: Int64) { samples[name, default: [:]][labels] = value }
        set(.end, ended.seconds)
        set(.duration, took.components.seconds)
        set(.exitCode, Int64(code.rawValue))
        set(.isSuccess, code == .done ? 1 : 0)
        if code == .done { set(.success, ended.seconds) }
        return Name.allCases.map { name in
            guard let values = samples[name], !values.isEmpty else { return "" }
            let lines = values.sorted { $0.key < $1.key }.map { "\(name.rawValue){\($0.key)} \($0.value)\n" }
            return "# HELP \(name.rawValue) \(name.help)\n# TYPE \(name.rawValue) gauge\n" + lines.joined()
        }.joined()
    }

    private static func samples(in text: String) -> [Name: [String: Int64]] {
        var samples: [Name: [String: Int64]] = [:]
        for line in text.split(separator: "\n") {
            guard
                let match = line.wholeMatch(
                    of: /([a-z_]+)\{(cluster="[a-z0-9.-]+",runbook="[^"\\]+")\} (-?[0-9]{1,18})/
                ),
                let name = Name(rawValue: String(match.1)), let value = Int64(match.3)
            else { continue }
            samples[name, default: [:]][String(match.2)] = value
        }
        return samples
    }
}
