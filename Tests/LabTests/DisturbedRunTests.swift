import Foundation
import Subprocess
import Testing

extension LabSuite {
    /// Signals, streams, disks and clocks of the controller, while a run of steps that must not happen twice goes on.
    @Suite("a disturbed run")
    struct DisturbedRunTests {
        private typealias Drill = RollingRunTests.Drill

        @Test(
            "a signal ends it after the step that runs, held, with its own code; resume ends it",
            arguments: [
                ("INT", Signal.interrupt, Int32(130)), ("TERM", .terminate, 143), ("HUP", .terminalClosed, 129),
            ]
        )
        func signals(_ name: String, _ signal: Signal, _ code: Int32) async throws {
            let drill = try await Drill(RollingRunTests.runbook(middle: "sleep 1"))
            let answer = try await drill.controller.process(drill.run).run { running in
                try await running.line(with: "\"step.began\"", "master1", "shell.run-2")
                try running.send(signal)
            }
            #expect(answer.code == code, "\(answer)")
            #expect(try await drill.effects(on: "master1").count == 2, "the step that ran ended")
            #expect(try await drill.effects(on: "master2").isEmpty, "no other began")
            #expect(try await drill.controller.runs().map(\.status) == ["held"])
            let resumed = try await drill.controller.rollbook("resume", "--quiet")
            #expect(resumed.code == 0, "\(resumed)")
            try await drill.expectEnd(name)
            try await drill.cleanUp()
        }

        @Test("a reader of the progress that goes away is noted in the journal, and the run goes on to its end")
        func readerLeaves() async throws {
            let drill = try await Drill(RollingRunTests.runbook())
            let words = drill.run.map { "'\($0)'" }.joined(separator: " ").replacing("'--format' 'json'", with: "")
            let answer = try await drill.controller.bash(
                "\"$ROLLBOOK\" \(words) 2>&1 >/dev/null | head -1; echo \"code ${PIPESTATUS[0]}\""
            )
            #expect(answer.lines.last == "code 0", "\(answer)")
            try await drill.expectEnd()
            let run = try #require(try await drill.controller.runs().first).run
            #expect(text(of: "\(drill.controller.state)/runs/\(run)/journal.jsonl").contains("\"kind\":\"ui.lost\""))
            try await drill.cleanUp()
        }

        @Test("a controller that was suspended in the middle of a step goes on where it was")
        func suspended() async throws {
            let drill = try await Drill(RollingRunTests.runbook(middle: "sleep 1"))
            let answer = try await drill.controller.process(drill.run).run { running in
                try await running.line(with: "\"step.began\"", "master2", "shell.run-2")
                try running.send(.suspend)
                try await Task.sleep(for: .seconds(20))
                try running.send(.resume)
            }
            #expect(answer.code == 0, "\(answer)")
            try await drill.expectEnd()
            try await drill.cleanUp()
        }

        @Test("a disk that fills up after the run began takes nothing away: room for every outcome was reserved")
        func diskFills() async throws {
            try await onSmallDisk("8m") { controller in
                let drill = try await Drill(RollingRunTests.runbook(), by: controller)
                let ballast = controller.state + "/ballast"
                let answer = try await controller.process(drill.run).run { running in
                    try await running.line(with: "\"step.began\"", "master1")
                    _ = try await Process(
                        program: "/bin/sh",
                        arguments: ["-c", "cat /dev/zero >\"$0\" 2>/dev/null", ballast],
                        environment: [:]
                    ).run()
                }
                #expect(answer.code == 0, "\(answer)")
                try await drill.expectEnd()
                #expect(try await controller.runs().map(\.status) == ["done"])
                try FileManager.default.removeItem(atPath: ballast)
                try await drill.cleanUp()
            }
        }

        @Test("a journal that is taken away stops the run before the next step: 9")
        func journalGone() async throws {
            let drill = try await Drill(RollingRunTests.runbook(middle: "sleep 1"))
            let answer = try await drill.controller.process(drill.run).run { running in
                try await running.line(with: "\"step.began\"", "master1", "shell.run-2")
                let runs = drill.controller.state + "/runs"
                let run = try #require(try FileManager.default.contentsOfDirectory(atPath: runs).first)
                try FileManager.default.removeItem(atPath: "\(runs)/\(run)/journal.jsonl")
            }
            #expect(answer.code == 9, "\(answer)")
            #expect(try await drill.effects(on: "master2").isEmpty)
            try await drill.cleanUp()
        }

        @Test("a clock that jumps ten years in the middle is noted and changes nothing")
        func clockJumps() async throws {
            let drill = try await Drill(RollingRunTests.runbook(middle: "sleep 0.5"))
            // The wrapper, because the runtime finds no arguments behind an environment that the library changed itself.
            let process = drill.controller.process(drill.run)
            let answer = try await Process(
                program: "/usr/bin/faketime",
                arguments: ["-m", "--exclude-monotonic", "-f", "+10y", process.program] + process.arguments,
                environment: process.environment.merging(["FAKETIME_START_AFTER_SECONDS": "2"]) { $1 },
                directory: process.directory
            ).run()
            #expect(answer.code == 0, "\(answer)")
            try await drill.expectEnd()
            let run = try #require(try await drill.controller.runs().first).run
            #expect(text(of: "\(drill.controller.state)/runs/\(run)/journal.jsonl").contains("\"kind\":\"clock.jump\""))
            try await drill.cleanUp()
        }
    }
}
