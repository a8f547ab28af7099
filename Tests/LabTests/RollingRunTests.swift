import Foundation
import Testing

extension LabSuite {
    /// A rolling run of steps that must not happen twice, over all hosts, with everything that can go wrong on the way.
    @Suite("a rolling run")
    struct RollingRunTests {
        /// Two lines on every host, one master and one load balancer at a time: a second execution would show.
        static func runbook(middle: String = "true", undo: Bool = false) -> String {
            func step(_ word: String, _ more: String) -> String {
                """
                      - uses: shell.run
                        with:
                          arguments: ["${inputs.file}", "\(word) ${host.name}"]
                          takesHostAway: true
                          timeout: 60s
                          script: |
                            \(more)
                            echo "$2" >>"$1"
                          probe: |
                            [ -e "$1" ] || exit 1
                            grep -qx "$2" "$1"
                \(undo ? "          undo: sed -i \"/^$2\\$/d\" \"$1\"\n" : "")
                """
            }
            func stage(_ name: String, _ selector: String, _ pace: String) -> String {
                """
                  - name: \(name)
                    on: \(selector)
                    \(pace)
                    steps:
                \(step("first", "sleep 0.05"))
                \(step("second", middle))

                """
            }
            return """
                format: 1
                runbook: rolling-drill
                summary: Add two lines on every host, masters and load balancers one at a time.
                inputs:
                  file: { type: string, required: true }
                stages:
                \(stage("Masters", "masters", "serial: 1"))\(stage("Workers", "workers", "serial: [1, 50%]"))\
                \(stage("Load balancers", "loadBalancers", "serial: 1"))
                """
        }

        static let hosts = ["master1", "master2", "master3", "worker1", "worker2", "lb1", "lb2"]

        /// A controller with the drill beside its inventory, and a file name of its own on the hosts.
        struct Drill {
            let controller: Controller
            let book: String
            let file: String

            /// `owned` leaves what an earlier run on the hosts owns; else a failed test would fail the ones after it.
            init(_ text: String, by controller: Controller? = nil, owned: Bool = false) async throws {
                let controller = try controller ?? Controller()
                self.controller = controller
                book = controller.folder.path + "/rolling-drill.yaml"
                file = "/run/rollbook-drill-\(UUID().uuidString.prefix(8))"
                try Data(text.utf8).write(to: URL(filePath: book))
                guard !owned else { return }
                for host in RollingRunTests.hosts {
                    _ = try await Lab.here.shell(host, "rm -f /var/lib/rollbook-host/owner")
                }
            }

            var run: [String] { ["run", book, "--set", "file=\(file)", "--yes", "--format", "json"] }

            func effects(on host: String) async throws -> [String] {
                try await Lab.here.shell(host, "cat \(file) 2>/dev/null || :").split(separator: "\n").map(String.init)
            }

            /// Every line once, on every host, in order; and nothing left of operations.
            func expectEnd(_ comment: String = "") async throws {
                for host in RollingRunTests.hosts {
                    let found = try await effects(on: host)
                    #expect(found == ["first \(host)", "second \(host)"], "\(comment) \(host)")
                }
            }

            func cleanUp() async throws {
                for host in RollingRunTests.hosts { _ = try await Lab.here.shell(host, "rm -f \(file)") }
            }
        }

        @Test("killed at random moments, again and again, ends as an undisturbed run with every effect once")
        func randomKills() async throws {
            let kills = ProcessInfo.processInfo.environment["ROLLBOOK_KILLS"].flatMap { Int($0) } ?? 16
            var random = SplitMix64(seed: UInt64.random(in: .min ... .max))
            var killed = 0
            var runs = 0
            while killed < kills {
                let drill = try await Drill(Self.runbook())
                runs += 1
                var arguments = drill.run
                for attempt in 0... {
                    // The first sessions of a run die early, so that most of it is left for the later ones.
                    let moment = Duration.milliseconds(Int.random(in: 0...(attempt < 6 ? 700 : 2500), using: &random))
                    let mayKill = killed < kills && attempt < 40
                    let answer = try await drill.controller.process(arguments).run { running in
                        // Of a run whose steps are all done only the end is left to record.
                        try await running.line(withAny: "\"stage.began\"", "\"run.ended\"")
                        guard mayKill else { return }
                        try await Task.sleep(for: moment)
                        try? running.kill()
                    }
                    if answer.code == 0 { break }
                    try #require(answer.code == -9, "\(answer)")
                    killed += 1
                    let entry = try #require(try await drill.controller.runs().first)
                    arguments = ["resume", entry.run, "--format", "json"]
                    if entry.status == "done" { break }
                }
                #expect(try await drill.controller.runs().map(\.status) == ["done"])
                try await drill.expectEnd("after \(killed) kills")
                try await drill.cleanUp()
            }
            print("\(killed) kills in \(runs) runs: 0 lost records, every effect once")
        }

        @Test("steps that kill their own ssh session, and sshd with it, run once and are found again")
        func sessionKilled() async throws {
            let middle = "pkill -KILL -x sshd || :; sleep 1; systemctl restart ssh"
            let drill = try await Drill(Self.runbook(middle: middle))
            let answer = try await drill.controller.process(drill.run).run()
            #expect(answer.code == 0, "\(answer)")
            try await drill.expectEnd()
            try await drill.cleanUp()
        }

        @Test("a host that restarts in the middle of a step is told apart, and its probe decides")
        func rebooted() async throws {
            let text = Self.runbook(
                middle: "[ \"$2\" != 'second worker2' ] || { sleep 2; : >/run/rollbook-drill-waits; sleep 30; }"
            )
            let drill = try await Drill(text.replacing("/run/", with: "/var/tmp/"))
            let file = drill.file.replacing("/run/", with: "/var/tmp/")
            let arguments = ["run", drill.book, "--set", "file=\(file)", "--yes", "--format", "json"]
            let answer = try await drill.controller.process(arguments).run { running in
                try await running.line(with: "\"step.began\"", "worker2", "shell.run-2")
                try await Task.sleep(for: .milliseconds(800))
                try await Lab.here.run("fault", "power", "off", "worker2")
                try await Lab.here.run("fault", "power", "on", "worker2")
            }
            try await Lab.here.mend()
            // No exit code was left; the probe tells resume, so no question is asked of anybody.
            #expect(answer.code == 6, "\(answer)")
            let resumed = try await drill.controller.rollbook("resume", "--format", "json")
            #expect(resumed.code == 0, "\(resumed)")
            #expect(resumed.output.contains("its probe says it is not done"), "\(resumed)")
            let lines = try await Lab.here.shell("worker2", "cat \(file)").split(separator: "\n")
            #expect(lines == ["first worker2", "second worker2"])
            for host in Self.hosts { _ = try await Lab.here.shell(host, "rm -f \(file)") }
        }

        @Test(
            "where neither host nor probe can tell, a person answers; the answer is in the journal, and resume goes on"
        )
        func resolved() async throws {
            // Its wrapper is killed, so no exit code is left, and then its probe is blind.
            let middle = "[ \"$2\" != 'second worker1' ] || { : >\"$1.blind\"; kill -9 $PPID; }"
            let text = Self.runbook(middle: middle).replacing(
                "[ -e \"$1\" ] || exit 1",
                with: "[ ! -e \"$1.blind\" ] || exit 2; [ -e \"$1\" ] || exit 1"
            )
            let drill = try await Drill(text)
            let answer = try await drill.controller.process(drill.run).run()
            #expect(answer.code == 6, "\(answer)")
            let run = try #require(try await drill.controller.runs().first).run
            let step = "2.worker1.shell.run-2"
            let blind = try await drill.controller.rollbook("resume", run)
            #expect(blind.code == 6, "\(blind)")
            #expect(
                blind.errors.contains("Next: rollbook resolve \(run) \(step) --as done|not-done --why TEXT"),
                "\(blind)"
            )
            let shown = try await drill.controller.rollbook("show", run)
            #expect(shown.output.contains("rollbook resolve \(run) \(step)"), "\(shown)")
            // The line was written after the wrapper died: that is what the person sees.
            #expect(try await drill.effects(on: "worker1") == ["first worker1", "second worker1"])
            _ = try await Lab.here.shell("worker1", "rm -f \(drill.file).blind")
            let said = try await drill.controller.rollbook(
                "resolve",
                run,
                step,
                "--as",
                "done",
                "--why",
                "the line is there"
            )
            #expect(said.code == 0 && said.output.contains("is recorded as done"), "\(said)")
            let resumed = try await drill.controller.rollbook("resume", run, "--quiet")
            #expect(resumed.code == 0, "\(resumed)")
            try await drill.expectEnd()
            #expect(journal(of: drill, run).contains("\"why\":\"the line is there\""))
            try await drill.cleanUp()
        }

        private func journal(of drill: Drill, _ run: String) -> String {
            text(of: "\(drill.controller.state)/runs/\(run)/journal.jsonl")
        }

        @Test(
            "a link that goes silent in the middle of a step is found within 45 s, and the step was done once",
            .enabled(if: Lab.isThorough, "make endurance")
        )
        func silentLink() async throws {
            let drill = try await Drill(Self.runbook(middle: "[ \"$2\" != 'second master2' ] || sleep 4"))
            var process = drill.controller.process(drill.run)
            process.deadline = .seconds(180)
            let answer = try await process.run { running in
                try await running.line(with: "\"step.began\"", "master2", "shell.run-2")
                try await Task.sleep(for: .milliseconds(700))
                try await Lab.here.run("fault", "network", "cut", "master2")
                let began = ContinuousClock.now
                try await running.line(with: "link lost, attaching again")
                #expect(ContinuousClock.now - began < .seconds(46))
                try await Lab.here.run("fault", "network", "heal", "master2")
            }
            try await Lab.here.mend()
            #expect(answer.code == 0, "\(answer)")
            try await drill.expectEnd()
            try await drill.cleanUp()
        }

        @Test("a second INT lets go within a second; the step goes on, and resume takes it up")
        func detached() async throws {
            let drill = try await Drill(Self.runbook(middle: "sleep 3"))
            let answer = try await drill.controller.process(drill.run).run { running in
                try await running.line(with: "\"step.began\"", "master1", "shell.run-2")
                try await Task.sleep(for: .milliseconds(400))
                try running.interrupt()
                try await running.line(with: "stopping after the steps that run now")
                let began = ContinuousClock.now
                try running.interrupt()
                try await running.line(with: "let go of the run at once")
                #expect(ContinuousClock.now - began < .seconds(1))
            }
            #expect(answer.code == 130, "\(answer)")
            #expect(answer.errors.contains("Still running on its host, or about to: master1/shell.run"), "\(answer)")
            #expect(try await drill.controller.runs().map(\.status) == ["open"])
            let resumed = try await drill.controller.rollbook("resume", "--format", "json")
            #expect(resumed.code == 0, "\(resumed)")
            try await drill.expectEnd()
            try await drill.cleanUp()
        }

        @Test("abandoned, it takes back what it did on every host, newest first")
        func abandoned() async throws {
            let middle = "[ \"$2\" != 'second lb1' ] || exit 9"
            let drill = try await Drill(Self.runbook(middle: middle, undo: true))
            let answer = try await drill.controller.process(drill.run).run()
            #expect(answer.code == 5, "\(answer)")
            let entry = try #require(try await drill.controller.runs().first)
            #expect(entry.status == "held")
            let refused = try await drill.controller.rollbook("abandon", entry.run)
            #expect(refused.code == 4, "without a terminal nothing is asked: \(refused)")
            let retried = try await drill.controller.rollbook(
                "resume",
                entry.run,
                "--retry",
                "3.lb1.shell.run-2",
                "--quiet"
            )
            #expect(retried.code == 5, "tried again, it fails again: \(retried)")
            let abandoned = try await drill.controller.rollbook("abandon", entry.run, "--yes")
            #expect(abandoned.code == 0, "\(abandoned)")
            for host in Self.hosts { #expect(try await drill.effects(on: host).isEmpty, "\(host)") }
            #expect(try await drill.controller.runs().map(\.status) == ["abandoned"])
            try await drill.cleanUp()
        }

        @Test("another controller is refused while a run is held, takes over only when told, and fences the first off")
        func twoControllers() async throws {
            let middle = "[ \"$2\" != 'second worker1' ] || [ -e \"$1.go\" ] || exit 9"
            let first = try await Drill(Self.runbook(middle: middle))
            #expect(try await first.controller.process(first.run).run().code == 5)
            let second = try await Drill(Self.runbook(), owned: true)
            let refused = try await second.controller.process(second.run).run()
            #expect(refused.code == 7, "\(refused)")
            #expect(refused.errors.contains("it is owned by run "), "\(refused)")
            #expect(try await second.controller.runs().isEmpty)
            let taken = try await second.controller.process(second.run + ["--take-over"]).run()
            #expect(taken.code == 0, "\(taken)")
            try await second.expectEnd()
            let late = try await first.controller.rollbook("resume", "--retry", "2.worker1.shell.run-2")
            // The hosts were given back in order, so the first may go on, under a higher epoch.
            #expect(late.code == 5, "\(late)")
            _ = try await Lab.here.shell("worker1", ": >\(first.file).go")
            let last = try await first.controller.rollbook("resume", "--retry", "2.worker1.shell.run-2", "--quiet")
            #expect(last.code == 0, "\(last)")
            try await first.expectEnd()
            _ = try await Lab.here.shell("worker1", "rm -f \(first.file).go")
            try await first.cleanUp()
            try await second.cleanUp()
        }

        @Test("a host left out is in the plan and not in the run; one whose absence would break quorum is refused")
        func without() async throws {
            let drill = try await Drill(Self.runbook())
            let refused = try await drill.controller.process(drill.run + ["--without", "master3"]).run()
            #expect(refused.code == 4, "\(refused)")
            #expect(refused.errors.contains("1 of 3 masters would be left, 2 are needed"), "\(refused)")
            let unknown = try await drill.controller.process(drill.run + ["--without", "worker9"]).run()
            #expect(unknown.code == 2 && unknown.errors.contains("did you mean 'worker"), "\(unknown)")
            let answer = try await drill.controller.process(drill.run + ["--without", "worker2"]).run()
            #expect(answer.code == 0, "\(answer)")
            #expect(try await drill.effects(on: "worker2").isEmpty)
            #expect(try await drill.effects(on: "worker1").count == 2)
            try await drill.cleanUp()
        }

        @Test("twenty starts at once: exactly one owns the cluster, and the others say who")
        func twentyStarts() async throws {
            let drill = try await Drill(Self.runbook())
            let answers = try await withThrowingTaskGroup(of: Answer.self) { group in
                for _ in 0..<20 { group.addTask { try await drill.controller.process(drill.run).run() } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            // Who comes after the first has ended is no second owner; its plan finds nothing to do.
            let owners = answers.filter { $0.code == 0 }
            #expect(!owners.isEmpty && answers.allSatisfy { $0.code == 0 || $0.code == 7 }, "\(answers.map(\.code))")
            for answer in answers where answer.code == 7 {
                #expect(answer.errors.contains("rollbook: locked: "), "\(answer)")
            }
            try await drill.expectEnd()
            try await drill.cleanUp()
        }
    }
}
