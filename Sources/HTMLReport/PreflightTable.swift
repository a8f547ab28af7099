import ClusterModel
import Journal
import RunEngine

/// Preflight's checks of a run: hosts by checks, and below what is not in order.
struct PreflightTable {
    private static let prefix = "preflight."

    /// The verdict of a check on a host, as planned and as it turned out.
    private struct Cell {
        let sign: String
        let tone: Tone
        let word: String
        let finding: String
        let fix: String?
    }

    private let hosts: [HostName]
    private let checks: [String]
    private var cells: [HostName: [String: Cell]] = [:]

    /// Nil for a run without checks.
    init?(_ reported: ReportedRun) {
        let steps = reported.plan.steps.filter { $0.kind.hasPrefix(Self.prefix) }
        guard !steps.isEmpty else { return nil }
        var checks: [String] = []
        for step in steps where checks.last != step.kind && !checks.contains(step.kind) { checks.append(step.kind) }
        self.checks = checks
        let present = Set(steps.map(\.host))
        hosts = (reported.plan.cluster.hosts.map(\.name) + [.controller]).filter(present.contains)
        for step in steps {
            cells[step.host, default: [:]][step.kind] = Self.cell(step, reported.state[step.id], reported)
        }
    }

    var fields: Fields {
        let rows = hosts.map { host -> Fields in
            let row = checks.map { check -> Fields in
                guard let cell = cells[host]?[check] else {
                    return ["sign": ".", "tone": "none", "title": "\(host) \(Self.name(check)): not in the stage"]
                }
                let title = "\(host) \(Self.name(check)): \(cell.word): \(cell.finding)"
                return ["sign": cell.sign, "tone": cell.tone.rawValue, "title": title]
            }
            return ["host": host.text, "cells": row]
        }
        let counts = cells.values.flatMap(\.values).reduce(into: [String: Int]()) { $0[$1.word, default: 0] += 1 }
        let words = [
            ("in order", "in order"), ("mended", "mended"), ("warning", "with a warning"), ("fixable", "fixable"),
            ("not known", "not known"), ("failed", "failed"),
        ]
        let told = words.compactMap { word, spoken in counts[word].map { "\($0) \(spoken)" } }
        return [
            "checks": checks.map { ["name": Self.name($0)] as Fields }, "rows": rows,
            "summary": told.joined(separator: ", "), "findings": findings, "hasFindings": !findings.isEmpty,
        ]
    }

    /// What is not in order, told once for all hosts on which it is the same.
    private var findings: [Fields] {
        struct Finding: Hashable {
            let check: String
            let word: String
            let finding: String
        }
        var order: [Finding] = []
        var members: [Finding: (tone: Tone, sign: String, hosts: [HostName], fixes: [String])] = [:]
        for check in checks {
            for host in hosts {
                guard let cell = cells[host]?[check], cell.tone != .plain, cell.word != "in order" else { continue }
                let key = Finding(check: check, word: cell.word, finding: cell.finding)
                if members[key] == nil { order.append(key) }
                members[key, default: (cell.tone, cell.sign, [], [])].hosts.append(host)
                if let fix = cell.fix, members[key]?.fixes.contains(fix) == false { members[key]?.fixes.append(fix) }
            }
        }
        let severity: [Tone] = [.bad, .unknown, .warning, .good, .plain]
        let ranked = severity.flatMap { tone in order.filter { members[$0]?.tone == tone } }
        return ranked.map { key in
            let about = members[key]
            return [
                "check": Self.name(key.check), "word": key.word, "tone": (about?.tone ?? .plain).rawValue,
                "sign": about?.sign ?? "", "finding": key.finding.asSentence,
                "nexts": Commands(about?.fixes ?? []).fields,
                "hosts": hostList(about?.hosts ?? []),
                "allHosts": (about?.hosts ?? []).map(\.text).joined(separator: ", "),
            ]
        }
    }

    private static func name(_ kind: String) -> String { String(kind.dropFirst(prefix.count)) }

    private static func cell(_ step: PlannedStep, _ known: StepState?, _ reported: ReportedRun) -> Cell {
        let said = known?.outcome?.message
        switch known?.phase {
        case .ok?:
            let proof = known?.output?["finding"]?.stringValue ?? said ?? "the fix was done and proven"
            return Cell(sign: "+", tone: .good, word: "mended", finding: proof, fix: nil)
        case .failed?:
            let next = reported.problems.first { $0.place == "\(step.host)/\(step.kind)" }?.next
            return Cell(sign: "!", tone: .bad, word: "failed", finding: said ?? "it failed", fix: next)
        case .unknown?, .started?, .notDone?:
            return Cell(
                sign: "?",
                tone: .unknown,
                word: "not known",
                finding: said ?? "no outcome is recorded",
                fix: nil
            )
        case .skipped?, .refused?, nil: break
        }
        switch step.decision {
        case .noop(let reason): return Cell(sign: "=", tone: .plain, word: "in order", finding: reason, fix: nil)
        case .warning(let reason):
            let message = Attention.message(reason)
            return Cell(sign: "w", tone: .warning, word: "warning", finding: message.event, fix: message.next)
        case .unknown(let until):
            if known?.phase == .skipped {
                return Cell(sign: "=", tone: .plain, word: "in order", finding: said ?? "", fix: nil)
            }
            if known?.phase == .refused {
                return Cell(sign: "!", tone: .bad, word: "failed", finding: said ?? "refused", fix: nil)
            }
            return Cell(sign: "?", tone: .unknown, word: "not known", finding: "known only after \(until)", fix: nil)
        case .blocked(let message):
            return Cell(sign: "!", tone: .bad, word: "failed", finding: message.event, fix: message.next)
        case .change(let changes):
            if known?.phase == .skipped {
                return Cell(sign: "=", tone: .plain, word: "in order", finding: said ?? "", fix: nil)
            }
            return Cell(
                sign: "+",
                tone: .warning,
                word: "fixable",
                finding: changes.map(\.summary).joined(separator: "; "),
                fix: "rollbook run \(reported.plan.runbook) --only \(name(step.kind))"
            )
        }
    }
}
