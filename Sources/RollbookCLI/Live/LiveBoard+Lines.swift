import ClusterModel
import Journal

extension LiveBoard {
    /// The board for a terminal of that size: never more lines than `height`, none wider than `width` cells.
    ///
    /// When hosts are more than lines, those that failed come first, then those that have run longest; the others are counted.
    func lines(width: Int, height: Int, now: Duration) -> [LiveLine] {
        guard width > 0, height > 0 else { return [] }
        let head = [heading(width, now)] + (height > 2 ? [stageLine(width)] : []) + [countLine()]
        var lines = head + (gate.map { [gateLine($0, now)] } ?? [])
        lines += hostLines(room: height - lines.count, width, now)
        return lines.prefix(height).map { LiveLine(CellWidth.clip($0.text, to: width), $0.tone) }
    }

    // MARK: The head

    private func heading(_ width: Int, _ now: Duration) -> LiveLine {
        LiveLine(spread("\(title)  run \(run)", time(at: now), width), .strong)
    }

    private func time(at now: Duration) -> String {
        let elapsed = max(.zero, now - began).inSeconds
        if let left = timeLeft(at: now) { return "\(elapsed), \(left.roughly) left" }
        guard let pace, !isUndoing, !holds else { return elapsed }
        return "\(elapsed), an earlier run took \(pace.total.inSeconds)"
    }

    private func stageLine(_ width: Int) -> LiveLine {
        let steps = isUndoing ? "\(stepsEnded) steps taken back" : "\(stepsEnded) of \(stepCount) steps"
        let name =
            isUndoing
            ? "taking back" : stage.map { "stage \($0.index + 1) of \(stageCount): \($0.name)" } ?? "beginning"
        return LiveLine(spread(signal.map { "stopping after SIG\($0.rawValue): " + name } ?? name, steps, width))
    }

    private func countLine() -> LiveLine {
        LiveLine("  hosts: " + counted(hosts), hosts.contains(where: \.isTroubled) ? .bad : .plain)
    }

    private func gateLine(_ gate: LiveGate, _ now: Duration) -> LiveLine {
        guard !gate.passed else { return LiveLine("  gate \(gate.kind) open: \(gate.detail)") }
        let waits = max(.zero, now - gate.since).inSeconds
        return LiveLine("  gate \(gate.kind) CLOSED for \(waits), waits for: \(gate.detail)", .doubtful)
    }

    /// Two texts at the ends of a line; the right one stays whole while it fits.
    private func spread(_ left: String, _ right: String, _ width: Int) -> String {
        let left = left.escapedOnOneLine
        let room = width - CellWidth.of(right) - 2
        guard room >= 12 else { return left }
        return CellWidth.fit(left, to: room) + "  " + right
    }

    // MARK: Hosts

    private func hostLines(room: Int, _ width: Int, _ now: Duration) -> [LiveLine] {
        guard room > 0 else { return [] }
        let columns = Columns(host: min(widestHost, 32, width / 4), kind: min(widestKind, 32, width / 4))
        guard hosts.count > room else { return hosts.map { line(of: $0, columns, now) } }
        let telling = hosts.filter(\.isTroubled) + hosts.filter { $0.phase == .running }.sorted { $0.began < $1.began }
        let shown = telling.prefix(room - 1)
        let names = Set(shown.map(\.name))
        let others = hosts.filter { !names.contains($0.name) }
        return shown.map { line(of: $0, columns, now) } + [LiveLine("  and \(counted(others))", .faint)]
    }

    private struct Columns {
        let host: Int
        let kind: Int
    }

    private func line(of host: LiveHost, _ columns: Columns, _ now: Duration) -> LiveLine {
        let (mark, word, tone) = look(of: host)
        let time =
            switch host.phase {
            case .running: max(.zero, now - host.began).inSeconds
            default: host.took.flatMap { $0 > .zero ? $0.inSeconds : nil } ?? ""
            }
        let cells = [
            CellWidth.fit(host.name.text, to: columns.host),
            CellWidth.fit(host.kind.escapedOnOneLine, to: columns.kind),
            String(repeating: " ", count: max(0, 6 - CellWidth.of(time))) + time,
        ]
        let said = host.phase == .done || host.phase == .waiting ? "" : host.detail
        let end = [word, said].filter { !$0.isEmpty }.joined(separator: ": ")
        var text = "\(mark) " + cells.joined(separator: "  ") + "  " + end
        while text.last == " " { text.removeLast() }
        return LiveLine(text, tone)
    }

    private func look(of host: LiveHost) -> (mark: String, word: String, tone: LiveLine.Tone) {
        switch host.phase {
        case .failed: ("!", "failed", .bad)
        case .unknown: ("?", "unknown", .doubtful)
        case .running: (">", "", .plain)
        case .done: ("+", "done", .good)
        case .waiting: holds ? ("=", "held", .doubtful) : ("-", "waits", .faint)
        }
    }

    /// `3 done, 1 failed, 2 held, 4 running, 190 waiting`, without those that are none.
    private func counted(_ hosts: [LiveHost]) -> String {
        var counts: [LiveHost.Phase: Int] = [:]
        for host in hosts { counts[host.phase, default: 0] += 1 }
        let words: [(LiveHost.Phase, String)] = [
            (.done, "done"), (.failed, "failed"), (.unknown, "unknown"), (.running, "running"),
            (.waiting, holds ? "held" : "waiting"),
        ]
        let text = words.compactMap { phase, word in counts[phase].map { "\($0) \(word)" } }
        return text.isEmpty ? "none" : text.joined(separator: ", ")
    }
}

extension Duration {
    /// `7s`, `2m05s` or `1h02m`: what a clock shows that ticks every second.
    var inSeconds: String {
        let seconds = milliseconds / 1000
        return seconds < 60 ? "\(seconds)s" : Duration.seconds(seconds).brief
    }

    /// `about 3m`: an estimate, no finer than it can be.
    fileprivate var roughly: String {
        let seconds = (milliseconds + 999) / 1000
        if seconds < 10 { return "a few seconds" }
        if seconds < 100 { return "about \((seconds + 4) / 5 * 5)s" }
        let minutes = (seconds + 59) / 60
        return minutes < 100 ? "about \(minutes)m" : "about \((minutes + 30) / 60)h"
    }
}
