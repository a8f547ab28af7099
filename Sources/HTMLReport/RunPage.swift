import ClusterModel
import ClusterSteps
import Journal
import Mustache
package import RunEngine

/// What the template sees: names and values; a value that is absent is `false`, never missing.
typealias Fields = [String: any Sendable]

/// One run as one self-contained page: no network, no script, every text from outside escaped.
///
/// The same run gives the same bytes.
package struct RunPage {
    private let reported: ReportedRun
    private let outputs: any OutputStore

    /// What is longer than this has a line of its own below the others.
    private static let longestFact = 40

    /// `outputs` is where the run's long outputs lie; one that is missing or altered is told of in the page.
    package init(_ reported: ReportedRun, outputs: any OutputStore) {
        self.reported = reported
        self.outputs = outputs
    }

    /// The page's text.
    ///
    /// - Throws: only when the template that is part of the program cannot be read.
    package var html: String {
        get throws {
            _ = PageContentType.registration
            var library = MustacheLibrary()
            try library.register(Self.text(PackageResources.step_mustache), named: "step")
            try library.register(Self.text(PackageResources.page_mustache), named: "page")
            return library.render(fields, withTemplate: "page") ?? ""
        }
    }

    var fields: Fields {
        let plan = reported.plan
        let stories = StepStories(reported.records)
        let attention = Attention(reported)
        var page: Fields = [
            "style": Self.text(PackageResources.page_css),
            "title": "\(plan.runbook) on \(plan.cluster.id): \(reported.verdict.word)",
            "runbook": plan.runbook, "cluster": plan.cluster.id.text, "run": reported.run.text,
            "verdict": reported.verdict.word, "tone": reported.verdict.tone.rawValue,
            "sign": reported.verdict.tone.sign,
            "status": status, "next": optional(reported.next), "head": head,
            "attention": optional(attention.isEmpty ? nil : attention.fields),
            "preflight": optional(PreflightTable(reported)?.fields),
            "timeline": optional(
                reported.records.count > 1
                    ? TimelinePicture(Timeline(plan, reported.records), plan).fields : nil
            ),
            "stages": StageSections(reported, stories, outputs).fields,
            "backup": optional(BackupSection(reported, outputs)?.fields),
            "history": optional(History(reported)?.fields),
        ]
        page["program"] = reported.state.begin?.by.program ?? plan.program
        return page
    }

    private static func text(_ resource: [UInt8]) -> String { String(decoding: resource, as: UTF8.self) }

    private var head: [Fields] {
        let plan = reported.plan
        var rows: [(String, String)] = [("run", reported.run.text)]
        if let first = reported.records.first { rows.append(("started", first.time.spoken)) }
        if let last = reported.records.last, reported.state.status != .open { rows.append(("ended", last.time.spoken)) }
        if let duration = reported.duration {
            let sessions = reported.state.sessions > 1 ? " in \(reported.state.sessions) sessions" : ""
            rows.append(("took", duration.brief + sessions))
        }
        for step in plan.steps where step.kind == ReportAvailability.signature.kind {
            let counted = try? reported.state[step.id]?.output?.decode(ReportAvailability.Output.self)
            if let counted { rows.append(("clients", counted.text)) }
        }
        rows.append(("by", reported.by))
        rows.append(("plan", reported.state.begin?.plan.text ?? ""))
        rows.append(("journal", "\(reported.records.count) records, chain verified"))
        let inputs = plan.inputs.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        if !inputs.isEmpty { rows.append(("inputs", inputs.joined(separator: "; "))) }
        if let without = plan.without { rows.append(("without", without.map(\.text).joined(separator: ", "))) }
        if let skipped = plan.skipped { rows.append(("left out", skipped.joined(separator: ", "))) }
        for host in plan.hosts {
            if let problem = host.unreachable { rows.append(("host", "\(host.name): \(problem.event)")) }
        }
        if let torn = reported.tornBytes {
            rows.append(("note", "\(torn) bytes of a torn last record are not counted"))
        }
        rows = rows.filter { $0.1.count <= Self.longestFact } + rows.filter { $0.1.count > Self.longestFact }
        return rows.map {
            [
                "name": $0.0, "value": $0.1, "isCode": ["run", "plan"].contains($0.0),
                "isWide": $0.1.count > Self.longestFact,
            ]
        }
    }

    /// The status without the word that stands before it already.
    private var status: String {
        let word = reported.verdict.word
        guard reported.status.hasPrefix(word) else { return reported.status }
        return String(reported.status.dropFirst(word.count).drop { $0 == "," || $0 == " " || $0 == ":" })
    }
}

extension String {
    /// Ended by a full stop, unless it ends with a mark of its own.
    var asSentence: String {
        guard let last, ".?!…".contains(last) else { return self + "." }
        return self
    }
}

/// A value that may be absent, as the template wants it.
func optional(_ value: (any Sendable)?) -> any Sendable { value ?? false }

/// `worker1, worker2`, or `480 hosts from worker1 to worker500`.
func hostList(_ hosts: [HostName]) -> String {
    guard hosts.count > 5, let first = hosts.first, let last = hosts.last else {
        return hosts.map(\.text).joined(separator: ", ")
    }
    return "\(hosts.count) hosts from \(first) to \(last)"
}

/// Next commands of what is told once for several hosts: the first three, and how many more there are like them.
struct Commands {
    private static let most = 3
    private let all: [String]

    init(_ all: [String]) { self.all = all }

    var fields: [Fields] {
        let more = all.count - Self.most
        let shown = all.prefix(Self.most).map { ["command": $0] as Fields }
        return more > 0 ? shown + [["command": "… and \(more) more like these, one for each host"]] : shown
    }
}
