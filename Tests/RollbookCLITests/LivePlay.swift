import ClusterModel
import Foundation
import Journal
import RunEngine
import Testing

@testable import RollbookCLI

/// The live view to look at: ROLLBOOK_PLAY=live in a terminal plays a rolling run over 3 masters and 60 workers.
@Suite(
    "The live view on the terminal at hand",
    .enabled(if: ProcessInfo.processInfo.environment["ROLLBOOK_PLAY"] == "live")
)
struct LivePlay {
    @Test("a run of about a minute, with a closed gate, failures, and text that tries to escape")
    func play() async throws {
        let environment = ProcessInfo.processInfo.environment
        let workers = environment["ROLLBOOK_PLAY_WORKERS"].flatMap(Int.init) ?? 60
        let show = try await LiveShow(workers: workers)
        let time = SystemTime()
        let progress = ProgressView(format: .text, isQuiet: false, time: time)
        let board = LiveBoard(
            show.plan,
            run: RunID(moment: time.now, random: 0x9f3a_12c4),
            pace: EarlierPace(total: .seconds(60), milestones: [:]),
            began: time.uptime
        )
        progress.beginLive(board, inColour: environment["NO_COLOR"] == nil)
        defer { progress.endLive() }
        _ = progress.show(.stageBegan(index: 0, name: "Masters", hosts: 3))
        for step in show.plan.steps(ofStage: 0) {
            _ = progress.show(.stepBegan(step.id, host: step.host, kind: step.kind, attempt: 1))
            for part in 1...10 {
                _ = progress.show(.progress(step.id, host: step.host, text: "fetching \(part * 12).0 MiB 한국어"))
                try await time.sleep(for: .milliseconds(300))
            }
            _ = progress.show(
                .stepEnded(step.id, host: step.host, kind: step.kind, result: .ok, message: nil, duration: .seconds(3))
            )
            for passed in [false, false, true] {
                _ = progress.show(
                    .gate(stage: "Masters", kind: "toy.is", passed: passed, detail: "\(step.host) is not ready")
                )
                try await time.sleep(for: .seconds(1))
            }
        }
        _ = progress.show(.stageBegan(index: 1, name: "Workers", hosts: workers))
        await withTaskGroup(of: Void.self) { group in
            for (index, host) in show.plan.stages[1].batches.flatMap(\.self).enumerated() {
                let steps = show.plan.steps(ofStage: 1).filter { $0.host == host }
                group.addTask {
                    try? await time.sleep(for: .milliseconds(index * 300))
                    for step in steps {
                        _ = progress.show(.stepBegan(step.id, host: host, kind: step.kind, attempt: 1))
                        for part in 1...(3 + index % 5) {
                            let text = "line \(part)\u{1B}[2J\u{1B}]0;title\u{7} of \(host)"
                            _ = progress.show(.progress(step.id, host: host, text: text))
                            try? await time.sleep(for: .milliseconds(400))
                        }
                        let failed = index % 13 == 5
                        _ = progress.show(
                            .stepEnded(
                                step.id,
                                host: host,
                                kind: step.kind,
                                result: failed ? .failed : .ok,
                                message: failed ? "exit code 1: \u{1B}[31mno such file" : nil,
                                duration: .seconds(2)
                            )
                        )
                        if failed { return }
                    }
                }
            }
        }
        Terminal.error("rollbook: note: something that somebody else says")
    }
}
