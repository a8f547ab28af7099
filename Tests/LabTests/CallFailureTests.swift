import Foundation
import Testing

extension LabSuite {
    /// System calls of the controller fail at the N-th time, once or from then on (`strace -e inject`).
    @Suite("with failing system calls")
    struct CallFailureTests {
        /// What fails, and with what.
        struct Failure: Sendable, CustomTestStringConvertible {
            let call: String
            let error: String
            var testDescription: String { "\(call) with \(error)" }
        }

        private static let runbook: String = {
            let steps = ["first", "second"].map { word in
                """
                      - uses: shell.run
                        with:
                          arguments: ["${inputs.file}", \(word)]
                          script: echo "$2" >>"$1"
                          probe: "[ -e \\"$1\\" ] || exit 1; grep -qx \\"$2\\" \\"$1\\""

                """
            }.joined()
            let stages = ["master1", "lb1"].map { "  - name: On \($0)\n    on: \($0)\n    steps:\n\(steps)" }
            return """
                format: 1
                runbook: two-lines
                summary: Add two lines on two hosts.
                inputs:
                  file: { type: string, required: true }
                stages:
                \(stages.joined())
                """
        }()

        @Test(
            "no hang, no false success, nothing sent that is not in the journal, and resume ends it with every effect once",
            arguments: Lab.variants(
                [
                    Failure(call: "fdatasync", error: "EIO"), Failure(call: "fsync", error: "EIO"),
                    Failure(call: "write", error: "ENOSPC"), Failure(call: "rename", error: "EACCES"),
                    Failure(call: "openat", error: "EMFILE"), Failure(call: "connect", error: "ENETUNREACH"),
                    Failure(call: "read", error: "EIO"),
                ],
                usually: 1
            )
        )
        func fails(_ failure: Failure) async throws {
            let drill = try await RollingRunTests.Drill(Self.runbook)
            let count = try await calls(failure.call, drill)
            try await drill.cleanUp()
            try #require(count > 0, "an undisturbed run makes no \(failure.call)")
            // Every one when they are few, else as many spread over all; ROLLBOOK_CALLS asks for more.
            let wanted = ProcessInfo.processInfo.environment["ROLLBOOK_CALLS"].flatMap { Int($0) } ?? 4
            let step = max(1, count / wanted)
            var codes: [Int32: Int] = [:]
            for number in stride(from: 1, through: count, by: step) {
                for suffix in ["", "+"] {
                    let code = try await disturbed("\(failure.call):error=\(failure.error):when=\(number)\(suffix)")
                    codes[code, default: 0] += 1
                }
            }
            print("\(failure.call): \(count) calls, failed at \(codes.values.reduce(0, +)) places: exit codes \(codes)")
        }

        /// How often an undisturbed run makes a call.
        private func calls(_ name: String, _ drill: RollingRunTests.Drill) async throws -> Int {
            let log = drill.controller.folder.path + "/calls"
            let answer = try await strace(["-o", log, "-e", "trace=\(name)"], drill)
            try #require(answer.code == 0, "\(answer)")
            return text(of: log).split(separator: "\n").count { $0.contains("\(name)(") }
        }

        private func disturbed(_ injection: String) async throws -> Int32 {
            let drill = try await RollingRunTests.Drill(Self.runbook)
            let answer = try await strace(["-o", "/dev/null", "-e", "inject=\(injection)"], drill)
            #expect(answer.code != 1, "\(injection): \(answer)")
            let hosts = ["master1", "lb1"]
            var effects: [String: [String]] = [:]
            for host in hosts { effects[host] = try await drill.effects(on: host) }
            if answer.code == 0 {
                for host in hosts {
                    #expect(effects[host] == ["first", "second"], "\(injection): done, but \(effects)")
                }
            }
            guard let entry = try await drill.controller.runs().first else {
                #expect(effects.values.flatMap { $0 } == [], "\(injection): done without a journal: \(effects)")
                #expect(answer.code != 0, "\(injection)")
                return answer.code
            }
            let shown = try await drill.controller.rollbook("show", entry.run, "--format", "json")
            if shown.code == 0 {
                let steps = try shown.decode(Shown.self).steps
                for host in hosts {
                    let begun = steps.count { $0.host == host && $0.state != "notStarted" }
                    #expect((effects[host] ?? []).count <= begun, "\(injection): \(host) did more than is recorded")
                }
            }
            if entry.status == "open" || entry.status == "held" {
                let resumed = try await drill.controller.rollbook("resume", entry.run, "--quiet")
                #expect(resumed.code == 0, "\(injection), which ended with \(answer.code): \(resumed)")
                for host in hosts {
                    let found = try await drill.effects(on: host)
                    #expect(found == ["first", "second"], "\(injection): \(host)")
                }
            }
            try await drill.cleanUp()
            return answer.code
        }

        private func strace(_ options: [String], _ drill: RollingRunTests.Drill) async throws -> Answer {
            var process = drill.controller.process([])
            process = Process(
                program: "/usr/bin/strace",
                arguments: ["-f", "-qq"] + options + [process.program] + drill.run,
                // SwiftNIO traps when reading its own wake-up descriptor fails; that is a death like any other, and resume must do.
                // The runtime's own backtrace of it would wait for ever, for it cannot read either.
                environment: process.environment.merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 },
                directory: process.directory
            )
            return try await process.run()
        }

        private struct Shown: Decodable {
            struct Step: Decodable {
                let host: String
                let state: String
            }
            let steps: [Step]
        }
    }
}
