import Foundation
import Testing

extension LabSuite {
    /// SIGKILL of the program at any moment costs nothing but a `resume`.
    @Suite("with the controller killed")
    struct KilledControllerTests {
        @Test(
            "at ten random moments of a run: resume ends each with one verified set, and nothing is left on the hosts",
            .enabled(if: Lab.isThorough, "make endurance")
        )
        func tenMoments() async throws {
            var random = SplitMix64(seed: UInt64.random(in: .min ... .max))
            let began = ContinuousClock.now
            let undisturbed = try Controller()
            try await undisturbed.backup()
            // Planning is about a third of it; kills fall into the execution, evenly spread.
            let length = (ContinuousClock.now - began) * 0.8
            let moments = (0..<10).map { length * ((Double($0) + Double.random(in: 0..<1, using: &random)) / 10) }
            var runs: [String] = []
            var open = 0
            try await withThrowingTaskGroup(of: (run: String, wasOpen: Bool).self) { group in
                var waiting = moments.makeIterator()
                func startNext() {
                    guard let moment = waiting.next() else { return }
                    group.addTask { try await killAndResume(after: moment) }
                }
                for _ in 0..<2 { startNext() }
                while let killed = try await group.next() {
                    runs.append(killed.run)
                    if killed.wasOpen { open += 1 }
                    startNext()
                }
            }
            #expect(Set(runs).count == 10)
            #expect(open >= 5, "most kills fall into the run, not after it")
            try await expectCleanHosts(after: runs)
        }

        /// Kills one run that long after its execution began, and resumes it until it is done.
        private func killAndResume(after moment: Duration) async throws -> (run: String, wasOpen: Bool) {
            let controller = try Controller()
            let killed = try await controller.rollbook("run", "nightly-backup", "--yes", "--format", "json") {
                running in
                try await running.line(with: "\"stage.began\"")
                try await Task.sleep(for: moment)
                try? running.kill()
            }
            #expect(killed.code == -9 || killed.code == 0, "killed after \(moment): \(killed)")
            let entry = try #require(try await controller.runs().first)
            if killed.code != 0, entry.status != "done" {
                #expect(entry.status == "open", "killed after \(moment)")
                let resumed = try await controller.rollbook("resume", entry.run, "--quiet")
                #expect(resumed.code == 0, "killed after \(moment): \(resumed)")
                #expect(
                    resumed.output.hasPrefix("rollbook: nightly-backup done on lab"),
                    "killed after \(moment): \(resumed)"
                )
            }
            let runs = try await controller.runs()
            #expect(runs.map(\.status) == ["done"] && runs.map(\.exitCode) == [0], "killed after \(moment)")
            let backups = try await controller.backups().backups
            #expect(backups.map(\.id) == [entry.run] && backups.map(\.good) == [true], "killed after \(moment)")
            #expect(controller.names(in: ".staging").isEmpty, "killed after \(moment)")
            let verified = try await controller.rollbook("backups", "verify", "--level", "2")
            #expect(verified.code == 0, "killed after \(moment): \(verified)")
            return (entry.run, entry.status == "open")
        }

        /// Neither snapshots nor operation records of these runs are on any host, nor in the container of master3.
        private func expectCleanHosts(after runs: [String]) async throws {
            let script = """
                for d in /var/lib/rollbook-host/snapshots /var/lib/rollbook-host/ops /var/lib/etcd \\
                    /usr/local/lib/rollbook-lab/etcd-image; do
                    [ ! -d "$d" ] || find "$d" -maxdepth 1 -name '*-*' -o -maxdepth 1 -name '*.*.*'
                done
                """
            for host in ["master1", "master2", "master3", "lb1", "lb2"] {
                let found = try await Lab.here.shell(host, script)
                for run in runs {
                    let short = String(run.suffix(8))
                    #expect(!found.contains(short), "\(host) still has something of \(run):\n\(found)")
                }
            }
        }

        @Test("while it plans: nothing is left behind, and the next run is the first")
        func whilePlanning() async throws {
            let controller = try Controller()
            let killed = try await controller.rollbook("run", "nightly-backup", "--yes") { running in
                try await Task.sleep(for: .milliseconds(150))
                try running.kill()
            }
            #expect(killed.code == -9, "\(killed)")
            try await controller.expectNothing()
            let resumed = try await controller.rollbook("resume")
            #expect(resumed.code == 4, "\(resumed)")
            #expect(resumed.errors.contains("no run of cluster lab waits to be resumed"), "\(resumed)")
            try await controller.backup()
        }
    }
}
