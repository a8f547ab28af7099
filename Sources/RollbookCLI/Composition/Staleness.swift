import ClusterModel
import Journal
import RunEngine

/// Whether everything a saved plan was made from is as it was.
///
/// Facts are not looked at here: each step reads its own again just before its turn.
struct Staleness {
    let session: RunSession

    /// - Throws: `OperatorMessage` with code `stale` that names what is another now.
    func check(_ plan: Plan, id: String) throws {
        let now = session.bindings(of: try session.source.find(plan.bindings.runbookFile ?? plan.runbook))
        if plan.bindings.inventory != now.inventory { throw stale("inventory", try inventoryDifference(plan), plan) }
        let included = try plan.bindings.includes.sorted { $0.key < $1.key }.map {
            ("included runbook \($0.key)", $0.value, try session.source.find($0.key).runbook.digest)
        }
        let pairs = [
            ("runbook", plan.bindings.runbook, now.runbook), ("known hosts", plan.bindings.knownHosts, now.knownHosts),
        ]
        for (name, then, today) in pairs + included where then != today {
            throw stale(name, "it was \(then.prefix(19))…, it is \(today.prefix(19))…", plan)
        }
        for run in try session.state.runs() {
            // The first record alone says which plan it was: damage further on must not let a plan be applied again.
            guard let folder = try session.state.existingRun(run), JournalReader.begin(of: folder)?.plan.text == id
            else { continue }
            throw OperatorMessage(
                .stale,
                "this plan was applied as run \(run)",
                state: "Nothing was sent",
                next: "rollbook show \(run)"
            )
        }
    }

    private func inventoryDifference(_ plan: Plan) throws -> String {
        let lines = JSONDifference(
            try JSONValue(encoding: plan.cluster.asPlanned),
            try JSONValue(encoding: session.context.cluster.asPlanned)
        ).lines
        guard !lines.isEmpty else { return "its text is another, though it means the same" }
        let rest = lines.count > 3 ? " and \(lines.count - 3) more" : ""
        return lines.prefix(3).joined(separator: ", ") + rest
    }

    private func stale(_ name: String, _ difference: String, _ plan: Plan) -> OperatorMessage {
        OperatorMessage(
            .stale,
            at: name,
            "changed since the plan was made: \(difference)",
            state: "Nothing was sent",
            next: "plan again: rollbook plan \(plan.bindings.runbookFile ?? plan.runbook) --out FILE"
        )
    }
}

/// What differs between two JSON trees, one line for each place: `hosts.worker3.ssh.address was 10.1.1.23, is 10.1.1.24`.
///
/// Items of lists are told apart by their `name` where they have one.
struct JSONDifference {
    private(set) var lines: [String] = []

    init(_ old: JSONValue, _ new: JSONValue) { compare(old, new, at: "") }

    private mutating func compare(_ old: JSONValue, _ new: JSONValue, at path: String) {
        guard old != new else { return }
        guard let (before, after) = Self.members(old, new) else {
            lines.append("\(path) was \(Self.brief(old)), is \(Self.brief(new))")
            return
        }
        for key in Set(before.keys).union(after.keys).sorted() {
            let place = path.isEmpty ? key : "\(path).\(key)"
            switch (before[key], after[key]) {
            case (let old?, let new?): compare(old, new, at: place)
            case (nil, _?): lines.append("\(place) is new")
            case (_?, nil): lines.append("\(place) is gone")
            case (nil, nil): break
            }
        }
    }

    private static func members(_ old: JSONValue, _ new: JSONValue) -> ([String: JSONValue], [String: JSONValue])? {
        if case .object(let before) = old, case .object(let after) = new { return (before, after) }
        guard case .array(let before) = old, case .array(let after) = new, let one = named(before),
            let other = named(after)
        else { return nil }
        return (one, other)
    }

    private static func named(_ items: [JSONValue]) -> [String: JSONValue]? {
        var result: [String: JSONValue] = [:]
        for item in items {
            guard let name = item["name"]?.stringValue else { return nil }
            result[name] = item
        }
        return result
    }

    private static func brief(_ value: JSONValue) -> String {
        if let text = value.stringValue { return text }
        let text = String(decoding: CanonicalJSON.bytes(of: value), as: UTF8.self)
        return text.count <= 60 ? text : text.prefix(57) + "…"
    }
}
