import Foundation
import Testing

extension LabSuite {
    /// Plans: they change nothing, and a saved one is executed as it is, once, or not at all.
    @Suite("a plan")
    struct PlanTests {
        @Test("changes nothing on any host: no file and no unit")
        func changesNothing() async throws {
            let controller = try Controller()
            // A first login makes what every login makes.
            try await controller.rollbook("facts")
            let before = try await Self.listing()
            let plan = try await controller.rollbook("plan", "nightly-backup")
            #expect(plan.code == 0, "\(plan)")
            #expect(plan.output.contains("Planning changed nothing."), "\(plan)")
            let after = try await Self.listing()
            for (host, lines) in before {
                #expect(lines.count > 1000, "\(host)")
                let changed = (after[host] ?? []).symmetricDifference(lines)
                #expect(changed.isEmpty, "\(host): \(changed.sorted().joined(separator: "\n"))")
            }
            try await controller.expectNothing()
        }

        /// Every file and unit of every host; left out is what changes by itself: the kernel's and systemd's run-time
        /// file systems, the journal and login records that sshd writes, and etcd's own data.
        private static func listing() async throws -> [String: Set<Substring>] {
            let script = """
                find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /var/log/journal \\
                    -o -path /var/lib/etcd -o -path /var/log/wtmp -o -path /var/log/lastlog -o -path /var/log/btmp \\) -prune \\
                    -o -printf '%p %y %m %U:%G %s %T@ %l\\n'
                systemctl list-unit-files --no-legend --full
                systemctl list-units --all --no-legend --plain --full | awk '{ print $1, $2, $3, $4 }' |
                    grep -v -e '^session-' -e '^user' -e '^run-'
                """
            var listings: [String: Set<Substring>] = [:]
            for host in ["master1", "master2", "master3", "worker1", "worker2", "lb1", "lb2"] {
                listings[host] = Set(try await Lab.here.shell(host, script).split(separator: "\n"))
            }
            return listings
        }

        @Test("with changes pending ends with 3 under --check, and says what would be done")
        func check() async throws {
            let controller = try Controller()
            let plan = try await controller.rollbook("plan", "nightly-backup", "--check")
            #expect(plan.code == 3, "\(plan)")
            for text in [
                "master3  etcd.snapshot  snapshot of member master3", "lb2  files.collect  archive ", "backup.publish",
            ] {
                #expect(plan.output.contains(text), "\(plan)")
            }
            #expect(!plan.output.contains("this run made no new good backup"), "\(plan)")
        }

        @Test("is executed when a person says yes, however long they think, and not when they say no")
        func confirmed() async throws {
            let controller = try Controller()
            /// On a terminal of its own; connections made for planning are idle while the person thinks.
            func run(answering reply: String, after pause: Int) async throws -> Answer {
                try await controller.bash(
                    """
                    exec 3< <(exec 2>/dev/null; sleep "$PAUSE"; echo "$REPLY"; exec sleep 60); typist=$!
                    timeout 60 script --quiet --return --command "$ROLLBOOK run nightly-backup --quiet" /dev/null <&3 2>&1
                    code=$?; kill "$typist"; exit "$code"
                    """,
                    environment: ["REPLY": reply, "PAUSE": String(pause)]
                )
            }
            let refused = try await run(answering: "n", after: 3)
            #expect(refused.code == 4, "\(refused)")
            #expect(refused.output.contains("Execute this plan on cluster lab? [y/N]"), "\(refused)")
            #expect(refused.output.contains("rollbook: refused: not confirmed. Nothing was changed."), "\(refused)")
            try await controller.expectNothing()
            let agreed = try await run(answering: "y", after: 20)
            #expect(agreed.code == 0, "\(agreed)")
            #expect(agreed.output.contains("rollbook: nightly-backup done on lab"), "\(agreed)")
            #expect(try await controller.backups().backups.map(\.good) == [true])
        }

        @Test("that was saved is executed once, and refused when used, altered, unexpected or stale")
        func saved() async throws {
            let controller = try Controller()
            let plan = controller.folder.path + "/plan.json"
            let made = try await controller.rollbook("plan", "nightly-backup", "--out", plan)
            #expect(made.code == 0 && made.output.contains("rollbook apply \(plan)"), "\(made)")
            let mode = try FileManager.default.attributesOfItem(atPath: plan)[.posixPermissions] as? Int
            #expect(mode == 0o600 || mode == 0o400)
            let id = try #require(made.lines.first { $0.contains("  id  ") }?.split(separator: " ").last).description
            let again = try await controller.rollbook("plan", "nightly-backup", "--out", plan)
            #expect(again.code == 4 && again.errors.contains("there is such a file already"), "\(again)")

            func apply(_ file: String, _ more: String...) async throws -> Answer {
                try await controller.process(["apply", file, "--yes", "--quiet"] + more).run()
            }
            let unexpected = try await apply(plan, "--expect", "sha256:" + String(repeating: "0", count: 64))
            #expect(unexpected.code == 9 && unexpected.errors.contains("its id is \(id)"), "\(unexpected)")
            try await refusesAltered(controller, plan, apply)
            try await refusesStale(controller, plan, apply)
            try await controller.expectNothing()

            let first = try await apply(plan, "--expect", id)
            #expect(first.code == 0, "\(first)")
            let second = try await apply(plan)
            let run = try #require(try await controller.runs().first).run
            #expect(second.code == 8, "\(second)")
            #expect(
                second.errors.contains(
                    "this plan was applied as run \(run). Nothing was sent. Next: rollbook show \(run)"
                ),
                "\(second)"
            )
            #expect(try await controller.runs().count == 1)
            #expect(try await controller.backups().backups.count == 1)

            let journal = "\(controller.state)/runs/\(run)/journal.jsonl"
            var bytes = Array(text(of: journal).utf8)
            bytes[bytes.count * 2 / 3] ^= 1
            try Data(bytes).write(to: URL(filePath: journal))
            let third = try await apply(plan)
            #expect(third.code == 8, "also when the journal of that run is damaged: \(third)")
        }

        private func refusesAltered(
            _ controller: Controller,
            _ plan: String,
            _ apply: (String, String...) async throws -> Answer
        ) async throws {
            let altered = controller.folder.path + "/altered.json"
            // White space that JSON does not mind, and a host that is another one.
            for (from, to) in [("{\"bindings\"", "{ \"bindings\""), ("\"lb2\"", "\"lb3\"")] {
                let text = text(of: plan).replacing(from, with: to)
                #expect(text != LabTests.text(of: plan))
                try Data(text.utf8).write(to: URL(filePath: altered))
                let answer = try await apply(altered, "--quiet")
                #expect(answer.code == 9, "\(answer)")
                #expect(answer.errors.contains("rollbook: integrity: \(altered): "), "\(answer)")
                #expect(answer.errors.contains("Nothing was sent"), "\(answer)")
            }
        }

        private func refusesStale(
            _ controller: Controller,
            _ plan: String,
            _ apply: (String, String...) async throws -> Answer
        ) async throws {
            let inventory = text(of: controller.inventory)
            for (from, to, difference) in [
                ("\n", "\n# changed\n", "its text is another, though it means the same"),
                ("10.77.0.32", "10.77.0.33", "hosts.lb2.clusterAddress was 10.77.0.32, is 10.77.0.33"),
            ] {
                let changed = inventory.replacing(from, with: to, maxReplacements: 1)
                try #require(changed != inventory)
                try Data(changed.utf8).write(to: URL(filePath: controller.inventory))
                try await expectStale(try await apply(plan, "--quiet"), "inventory", difference)
            }
            try Data(inventory.utf8).write(to: URL(filePath: controller.inventory))

            // A runbook of the same name on the disk takes the place of the shipped one.
            let folder = controller.folder.path + "/Runbooks"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            let shipped = try await controller.rollbook("runbooks", "show", "nightly-backup", "--source")
            try #require(shipped.code == 0, "\(shipped)")
            try Data((shipped.output + "# changed\n").utf8).write(to: URL(filePath: folder + "/nightly-backup.yaml"))
            try await expectStale(try await apply(plan, "--quiet"), "runbook", "it was sha256:")
            try FileManager.default.removeItem(atPath: folder)

            let keys = "\(controller.lab.state)/known_hosts"
            let copy = controller.folder.path + "/known_hosts"
            let without = text(of: keys).split(separator: "\n").filter { !$0.contains("10.77.0.22") }
            try Data((without.joined(separator: "\n") + "\n").utf8).write(to: URL(filePath: copy))
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: copy)
            let other = try Controller(state: controller.state, knownHosts: copy)
            let moved = try await other.process(["apply", plan, "--yes", "--quiet"]).run()
            #expect(moved.code == 8 && moved.errors.contains("rollbook: stale: inventory: "), "\(moved)")

            let newer = controller.folder.path + "/newer.json"
            let format = text(of: plan).replacing("\"v\":1}", with: "\"v\":2}")
            try #require(format != text(of: plan))
            try Data(format.utf8).write(to: URL(filePath: newer))
            let refused = try await apply(newer, "--quiet")
            #expect(refused.code == 9, "an altered file, whatever it says of itself: \(refused)")
        }

        private func expectStale(_ answer: Answer, _ what: String, _ difference: String) async throws {
            #expect(answer.code == 8, "\(answer)")
            #expect(
                answer.errors.contains("rollbook: stale: \(what): changed since the plan was made: \(difference)"),
                "\(answer)"
            )
            let next = "Nothing was sent. Next: plan again: rollbook plan nightly-backup"
            #expect(answer.errors.contains(next), "\(answer)")
        }
    }
}
