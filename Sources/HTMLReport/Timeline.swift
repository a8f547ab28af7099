package import ClusterModel
package import Journal
package import RunEngine

/// Where everything of a run stands in its picture: a pure function of the plan and the journal's records.
///
/// Time runs from left to right and is time at work, measured as the journal measures it; between two sessions of a run
/// there is a break of fixed width, whatever time went by. Lengths are in the units of the picture, which is `width` wide.
package struct Timeline: Sendable, Hashable {
    package static let width = 1000.0

    /// What came of one attempt, as far as the picture tells.
    package enum Mark: String, Sendable, Hashable { case ok, failed, unknown, refused, skipped, cut }

    /// One attempt of a step, or the part of it that one session saw.
    package struct Bar: Sendable, Hashable {
        package let step: StepID
        package let attempt: Int
        package let lane: Int
        package let stage: Int
        package let mark: Mark
        package let x: Double
        package let width: Double
        package let title: String
    }

    /// A gate from the first look at it to the decision.
    package struct Gate: Sendable, Hashable {
        package let stage: Int?
        package let passed: Bool
        package let reads: Int
        package let x: Double
        package let width: Double
        package let title: String
    }

    /// The time between two sessions.
    package struct Break: Sendable, Hashable {
        package let x: Double
        package let width: Double
        /// The session before did not end by itself: its process died.
        package let isDeath: Bool
        package let title: String
    }

    package struct Tick: Sendable, Hashable {
        package let x: Double
        package let label: String
    }

    package struct Lane: Sendable, Hashable {
        package let host: HostName
        package let y: Double
        /// Whether there is room for its name.
        package let isNamed: Bool
    }

    /// From the first to the last of what a stage did.
    package struct StageSpan: Sendable, Hashable {
        package let stage: Int
        package let x: Double
        package let width: Double
    }

    package let left: Double
    package let laneHeight: Double
    package let lanes: [Lane]
    package let bars: [Bar]
    package let gates: [Gate]
    package let breaks: [Break]
    package let stages: [StageSpan]
    package let ticks: [Tick]
    package let lanesTop: Double
    package let lanesBottom: Double
    package let height: Double

    package init(_ plan: Plan, _ records: [JournalRecord]) {
        let axis = TimelineAxis(records, left: Self.left(for: plan))
        left = axis.left
        let present = Set(plan.steps.map(\.host))
        let hosts = (plan.cluster.hosts.map(\.name) + [.controller]).filter(present.contains)
        laneHeight =
            switch hosts.count {
            case ...12: 22
            case ...40: 15
            case ...100: 9
            default: 6
            }
        var gatherer = TimelineGatherer(plan, hosts, axis)
        for (record, place) in zip(records, axis.places) { gatherer.take(record, at: place) }
        gatherer.end()
        bars = gatherer.bars
        gates = gatherer.gates
        breaks = axis.breaks
        ticks = axis.ticks
        stages = Self.spans(of: plan, bars, gates)
        let top = gatherer.gates.isEmpty ? 38.0 : 56.0
        let every = Int((13 / laneHeight).rounded(.up))
        let height = laneHeight
        lanes = hosts.enumerated().map { index, host in
            Lane(host: host, y: top + Double(index) * height, isNamed: index % every == 0)
        }
        lanesTop = top
        lanesBottom = top + Double(hosts.count) * laneHeight
        self.height = lanesBottom + 24
    }

    /// Room for the longest name, within reason.
    private static func left(for plan: Plan) -> Double {
        let longest = plan.steps.reduce(0) { max($0, $1.host.text.count) }
        return min(190, max(64, Double(longest) * 6.8 + 14))
    }

    private static func spans(of plan: Plan, _ bars: [Bar], _ gates: [Gate]) -> [StageSpan] {
        plan.stages.indices.compactMap { stage in
            let parts =
                bars.filter { $0.stage == stage && !$0.step.text.hasPrefix("undo.") }.map { ($0.x, $0.x + $0.width) }
                + gates.filter { $0.stage == stage }.map { ($0.x, $0.x + $0.width) }
            guard let from = parts.map(\.0).min(), let to = parts.map(\.1).max() else { return nil }
            return StageSpan(stage: stage, x: from, width: to - from)
        }
    }
}
