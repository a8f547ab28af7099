import Foundation
import Testing

extension LabSuite {
    /// Faults of the controller itself: its disk, its life, its streams.
    @Suite("with a fault of the controller")
    struct ControllerFaultTests {
        @Test("a disk too small for a backup: 12 before anything is begun")
        func diskTooSmall() async throws {
            try await onSmallDisk("16m") { controller in
                let run = try await controller.rollbook("run", "nightly-backup", "--yes", "--quiet")
                #expect(run.code == 12, "\(run)")
                #expect(run.errors.contains("rollbook: storage: "), "\(run)")
                #expect(run.errors.contains(" MiB are free and "), "\(run)")
                try await controller.expectNothing()
            }
        }

        @Test("a disk that fills while the backup is staged: 12, nothing published, earlier sets untouched")
        func diskFull() async throws {
            try await onSmallDisk("96m") { controller in
                let earlier = try await controller.backup()
                let ballast = controller.state + "/ballast"
                let run = try await controller.rollbook("run", "nightly-backup", "--yes", "--format", "json") {
                    running in
                    try await running.line(with: "\"step.ended\"", "backup.open")
                    _ = try await Process(
                        program: "/bin/sh",
                        arguments: ["-c", "cat /dev/zero >\"$0\"", ballast],
                        environment: [:]
                    ).run()
                }
                #expect(run.code == 12, "\(run)")
                #expect(run.errors.contains("No space left on device"), "\(run)")
                #expect(run.errors.contains("ublished backups are untouched"), "\(run)")
                let verified = try await controller.rollbook("backups", "verify", earlier.id, "--level", "1")
                #expect(verified.code == 0, "a backup can be read on a full disk: \(verified)")
                #expect(try await controller.backups().backups == [earlier])
                #expect(try await controller.runs().map(\.exitCode) == [12, 0])
                try FileManager.default.removeItem(atPath: ballast)
                try await controller.backup()
                #expect(try await controller.backups().backups.count == 2)
            }
        }

        @Test("SIGTERM: 143 after the running steps, and resume brings it to the end")
        func terminated() async throws {
            let controller = try Controller()
            let run = try await controller.rollbook("run", "nightly-backup", "--yes", "--format", "json") { running in
                try await running.line(with: "\"step.began\"", "etcd.snapshot")
                try running.terminate()
            }
            #expect(run.code == 143, "\(run)")
            #expect(run.errors.contains("stopping after the steps that run now"), "\(run)")
            #expect(try await controller.backups().backups.isEmpty)
            let resumed = try await controller.rollbook("resume", "--quiet")
            #expect(resumed.code == 0, "\(resumed)")
            #expect(try await controller.backups().backups.map(\.result) == ["complete"])
            #expect(try await controller.runs().map(\.status) == ["done"])
        }

        @Test("a reader of standard output that goes away does not end the run")
        func closedPipe() async throws {
            let controller = try Controller()
            let answer = try await controller.bash(
                "\"$ROLLBOOK\" run nightly-backup --yes --format json | head -1; echo \"code ${PIPESTATUS[0]}\""
            )
            #expect(answer.lines.count == 2 && answer.lines.last == "code 0", "\(answer)")
            #expect(try await controller.backups().backups.count == 1)
        }

        @Test("an answer for a machine that cannot be written: 12")
        func fullOutput() async throws {
            let controller = try Controller()
            for command in ["runs", "backups list", "version", "runbooks", "inventory show", "facts --on lb1"] {
                let answer = try await controller.bash("\"$ROLLBOOK\" \(command) --format json >/dev/full")
                #expect(answer.code == 12, "\(answer)")
                #expect(
                    answer.errors.contains("rollbook: storage: standard output: could not write the answer"),
                    "\(answer)"
                )
            }
        }

        @Test("from cron's surroundings, without streams and with umask 000: 0, one line, and everything private")
        func cronSurroundings() async throws {
            let controller = try Controller()
            let line =
                "\"$0\" run nightly-backup --yes --quiet --inventory '\(controller.inventory)' --state-dir '\(controller.state)'"
            let setup = "cd /; umask 000; exec env -i PATH=/usr/bin:/bin HOME=/root LOGNAME=root SHELL=/bin/sh"
            func run(_ streams: String) async throws -> Answer {
                try await Process(
                    program: "/usr/bin/setsid",
                    arguments: ["--wait", "sh", "-c", "\(setup) \(line) \(streams)", controller.lab.program],
                    environment: [:]
                ).run()
            }
            let silent = try await run("<&- >&- 2>&-")
            #expect(silent.code == 0, "\(silent)")
            let spoken = try await run("<&-")
            #expect(spoken.code == 0, "\(spoken)")
            #expect(spoken.lines.count == 1 && spoken.errors.isEmpty, "\(spoken)")
            #expect(try controller.openFiles().isEmpty)
            #expect(try await controller.backups().backups.map(\.good) == [true, true])
            #expect(try await controller.runs().map(\.exitCode) == [0, 0])
        }
    }
}

/// A controller whose state is on a disk of its own, of that size.
func onSmallDisk(_ size: String, _ body: (Controller) async throws -> Void) async throws {
    let folder = try TemporaryFolder()
    let disk = folder.path + "/disk"
    func sh(_ script: String) async throws {
        let answer = try await Process(
            program: "/bin/sh",
            arguments: ["-ec", script],
            environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]
        ).run()
        try #require(answer.code == 0, "\(answer)")
    }
    try await sh("mkdir \(disk) && mount -t tmpfs -o size=\(size),mode=0700 rollbook-lab-tests \(disk)")
    let outcome = await Result { try await body(try Controller(state: disk + "/state")) }
    try await sh("umount \(disk)")
    try outcome.get()
}
