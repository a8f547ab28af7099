import ClusterModel
import RunEngine

/// The timeline as the template draws it.
struct TimelinePicture {
    private let timeline: Timeline
    private let plan: Plan

    init(_ timeline: Timeline, _ plan: Plan) {
        self.timeline = timeline
        self.plan = plan
    }

    var fields: Fields {
        let legend = timeline.stages.map { span -> Fields in
            ["number": span.stage + 1, "name": plan.stages[span.stage].name, "tint": tint(span.stage)]
        }
        return [
            "width": number(Timeline.width), "height": number(timeline.height), "left": number(timeline.left),
            "top": number(timeline.lanesTop), "bottom": number(timeline.lanesBottom),
            "axisY": number(timeline.lanesBottom + 15), "right": number(Timeline.width - 14),
            "hasGates": !timeline.gates.isEmpty, "gateTextY": number(timeline.lanesTop - 9),
            "labelX": number(timeline.left - 8), "stages": stages, "ticks": ticks, "breaks": breaks, "gates": gates,
            "lanes": lanes, "bars": bars, "legend": legend, "marks": marks, "isTall": timeline.lanes.count > 40,
            "hasBreaks": !timeline.breaks.isEmpty,
        ]
    }

    private var stages: [Fields] {
        timeline.stages.map { span in
            let text = "\(span.stage + 1)"
            return [
                "x": number(span.x), "width": number(max(span.width, 1.5)), "tint": tint(span.stage),
                "title": "stage \(span.stage + 1): \(plan.stages[span.stage].name)",
                "number": span.width > Double(text.count) * 7 + 6 ? text : false as any Sendable,
                "textX": number(span.x + span.width / 2),
            ]
        }
    }

    private var ticks: [Fields] {
        timeline.ticks.map { ["x": number($0.x), "label": $0.label] }
    }

    private var breaks: [Fields] {
        timeline.breaks.map { gap in
            [
                "x": number(gap.x), "width": number(gap.width), "center": number(gap.x + gap.width / 2),
                "title": gap.title, "sign": gap.isDeath ? "\u{2715}" : "\u{23F8}\u{FE0E}", "isDeath": gap.isDeath,
                "tone": (gap.isDeath ? Tone.bad : Tone.plain).rawValue,
            ]
        }
    }

    private var gates: [Fields] {
        timeline.gates.map { gate in
            let end = gate.x + gate.width
            return [
                "x": number(gate.x), "width": number(max(gate.width, 1.5)), "title": gate.title, "passed": gate.passed,
                "signX": number(end), "y": number(timeline.lanesTop - 14), "middle": number(timeline.lanesTop - 12),
            ]
        }
    }

    private var lanes: [Fields] {
        // Of thin lanes five are shaded alike: stripes that fine would flicker.
        let shade = timeline.laneHeight < 15 ? 5 : 1
        return timeline.lanes.enumerated().map { index, lane in
            let most = Int((timeline.left - 14) / 6.6)
            let name = lane.host.text
            let short = name.count <= most ? name : "\(name.prefix(most / 2))…\(name.suffix(most - most / 2 - 1))"
            return [
                "y": number(lane.y), "height": number(timeline.laneHeight), "isOdd": index / shade % 2 == 1,
                "width": number(Timeline.width), "host": name,
                "label": lane.isNamed ? short : false as any Sendable,
                "textY": number(lane.y + timeline.laneHeight / 2 + 3.8),
            ]
        }
    }

    /// Bars of failed and unknown attempts come last, so that nothing lies over them.
    private var bars: [Fields] {
        let inset = timeline.laneHeight >= 15 ? 3.0 : timeline.laneHeight >= 9 ? 1.5 : 0.5
        let height = timeline.laneHeight - 2 * inset
        let quiet = timeline.bars.filter { $0.mark == .ok || $0.mark == .skipped }
        let loud = timeline.bars.filter { $0.mark != .ok && $0.mark != .skipped }
        return (quiet + loud).map { bar in
            let y = timeline.lanes[bar.lane].y + inset
            let width = max(bar.width, bar.mark == .skipped ? 1 : 2)
            return [
                "x": number(bar.x), "y": number(y), "width": number(width), "height": number(height),
                "tint": tint(bar.stage), "mark": bar.mark.rawValue, "title": bar.title,
                "isHatched": bar.mark == .failed || bar.mark == .refused || bar.mark == .cut || bar.mark == .unknown,
                "sign": sign(bar.mark).map { $0 as any Sendable } ?? false, "signX": number(bar.x + width + 2),
                "signY": number(y + height / 2 + 4), "signSize": number(max(9, min(13, height))),
            ]
        }
    }

    private func sign(_ mark: Timeline.Mark) -> String? {
        switch mark {
        case .ok, .skipped: nil
        case .failed: "\u{2715}"
        case .refused: "\u{2298}"
        case .unknown: "?"
        case .cut: "\u{2026}"
        }
    }

    /// Signs that occur, explained.
    private var marks: [Fields] {
        let present = Set(timeline.bars.map(\.mark))
        let words: [(Timeline.Mark, String)] = [
            (.failed, "failed"), (.refused, "refused, nothing was changed"), (.unknown, "outcome unknown"),
            (.cut, "no outcome in its session"),
        ]
        return words.filter { present.contains($0.0) }.map {
            ["sign": sign($0.0) ?? "", "word": $0.1, "mark": $0.0.rawValue]
        }
    }

    private func tint(_ stage: Int) -> Int { stage % 8 }

    private func number(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(abs(tenths % 10))"
    }
}
