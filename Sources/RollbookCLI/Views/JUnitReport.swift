import ClusterModel
import RunEngine

/// A plan as JUnit XML, for the systems that collect test results: a suite for each host, a case for each step.
///
/// What is in order passes, also with a warning, which is kept as output; what would be changed, is blocked, or cannot be
/// known yet, fails, for the host is not as the runbook wants it. Source: the schema of Jenkins' xUnit plugin.
struct JUnitReport {
    private let plan: Plan

    init(_ plan: Plan) { self.plan = plan }

    var text: String {
        let steps = Dictionary(grouping: plan.steps, by: \.host)
        let hosts = (plan.cluster.hosts.map(\.name) + [.controller]).filter { steps[$0] != nil }
        let failures = plan.steps.count { failure(of: $0) != nil }
        var lines = [
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
            "<testsuites name=\"\(escaped(plan.runbook))\" tests=\"\(plan.steps.count)\" failures=\"\(failures)\">",
        ]
        for host in hosts {
            let cases = steps[host] ?? []
            let failed = cases.count { failure(of: $0) != nil }
            lines.append(
                "  <testsuite name=\"\(escaped(host.text))\" tests=\"\(cases.count)\" failures=\"\(failed)\" "
                    + "timestamp=\"\(plan.createdAt.description.prefix(19))\">"
            )
            for step in cases { lines += testCase(step) }
            lines.append("  </testsuite>")
        }
        return (lines + ["</testsuites>"]).joined(separator: "\n") + "\n"
    }

    private func testCase(_ step: PlannedStep) -> [String] {
        let head =
            "    <testcase classname=\"\(escaped(plan.runbook)).\(escaped(step.host.text))\" name=\"\(escaped(step.kind))\""
        if let failure = failure(of: step) {
            return [
                head + ">",
                "      <failure type=\"\(failure.type)\" message=\"\(escaped(failure.text))\">\(escaped(failure.more))</failure>",
                "    </testcase>",
            ]
        }
        switch step.decision {
        case .noop(let reason), .warning(let reason):
            return [head + ">", "      <system-out>\(escaped(reason))</system-out>", "    </testcase>"]
        case .change, .unknown, .blocked: return [head + "/>"]
        }
    }

    private func failure(of step: PlannedStep) -> (type: String, text: String, more: String)? {
        switch step.decision {
        case .noop, .warning: nil
        case .unknown(let until): ("unknown", "known only after \(until)", "")
        case .blocked(let message): ("blocked", message.event, message.next.map { "Next: \($0)" } ?? "")
        case .change(let changes):
            (
                "change", changes.map(\.summary).joined(separator: "; "),
                changes.flatMap { $0.diff + $0.commands.map { "$ \($0)" } }.joined(separator: "\n")
            )
        }
    }

    /// XML text and attribute values; control characters, which XML does not have, as escapes for people.
    ///
    /// By scalars: a quote with a combining mark after it is another Character than a quote, but ends an attribute.
    private func escaped(_ text: some StringProtocol) -> String {
        String(text).escapedForTerminal.unicodeScalars.reduce(into: "") { result, scalar in
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.unicodeScalars.append(scalar)
            }
        }
    }
}
