import Foundation
import Testing

extension LabSuite {
    /// What people type wrong: the code, what is said, and that no host heard of it.
    @Suite("wrong input")
    struct InputTests {
        struct Case: Sendable, CustomTestStringConvertible {
            let line: String
            let code: Int32
            let says: [String]
            var testDescription: String { "rollbook \(line)" }
        }

        static let cases = [
            Case(
                line: "plan nightly-bakup",
                code: 2,
                says: [
                    "rollbook: usage: nightly-bakup: no such runbook; did you mean 'nightly-backup'? Next: rollbook runbooks"
                ]
            ),
            Case(line: "run", code: 2, says: ["rollbook: usage: Missing expected argument '<runbook>'"]),
            Case(
                line: "plna nightly-backup",
                code: 2,
                says: ["rollbook: usage: plna: no such command; did you mean 'plan'?"]
            ),
            Case(
                line: "plan nightly-backup --inventory nowhere.yaml",
                code: 2,
                says: ["rollbook: usage: nowhere.yaml: there is no such file. Nothing was contacted."]
            ),
            Case(
                line: "plan nightly-backup --inventory broken.yaml",
                code: 3,
                says: [
                    "broken.yaml:4:3: error: unknown key 'vipp'", "\n    ^", "did you mean 'vip'?",
                    "broken.yaml:5:12: error: 'cluster.apiPort' wants a whole number, but '010' stands here",
                ]
            ),
            Case(line: "inventory check broken.yaml", code: 3, says: ["broken.yaml:4:3: error"]),
            Case(
                line: "plan nightly-backup --set version=1",
                code: 2,
                says: ["rollbook: usage: --set version: the runbook has no such input"]
            ),
            Case(
                line: "plan nightly-backup --set version",
                code: 2,
                says: ["it has no '='", "write --set name=value"]
            ),
            Case(
                line: "show 20200101T000000Z-00000000",
                code: 2,
                says: ["rollbook: usage: 20200101T000000Z-00000000: there is no such run. Next: rollbook runs"]
            ),
            Case(line: "show yesterday", code: 2, says: ["rollbook: usage: yesterday: is no run id"]),
            Case(line: "resume 20200101T000000Z-00000000", code: 2, says: ["there is no such run"]),
            Case(line: "journal verify 20200101T000000Z-00000000", code: 2, says: ["there is no such run"]),
            Case(
                line: "backups verify nonsense",
                code: 2,
                says: ["rollbook: usage: nonsense: is no backup id. Next: rollbook backups list"]
            ),
            Case(
                line: "backups show 20200101T000000Z-00000000",
                code: 2,
                says: ["there is no such backup. Next: rollbook backups list"]
            ),
            Case(
                line: "backups verify 20200101T000000Z-00000000",
                code: 2,
                says: ["there is no such backup. Next: rollbook backups list"]
            ),
            Case(line: "backups verify --level 4", code: 2, says: ["rollbook: usage: --level takes 0, 1, 2 or 3"]),
            Case(
                line: "backups status --max-age soon",
                code: 2,
                says: ["--max-age soon: is no duration. Next: write 26h"]
            ),
            Case(
                line: "plan nightly-backup --parallel 0",
                code: 2,
                says: ["rollbook: usage: --parallel takes a number from 1 to 256"]
            ),
            Case(
                line: "facts --on worker9",
                code: 2,
                says: ["'worker9'", "no host or group; did you mean 'worker1'?"]
            ),
            Case(line: "facts --only etcd.stats", code: 2, says: ["no such fact; did you mean 'etcd.status'?"]),
            Case(
                line: "schedule nightly-backup --at 25:00",
                code: 2,
                says: ["--at 25:00: is no time of day. Next: write it as 02:15"]
            ),
            Case(
                line: "run nightly-backup",
                code: 4,
                says: [
                    "there is no terminal to ask for confirmation. Nothing was contacted. Next: rollbook run nightly-backup --yes"
                ]
            ),
        ]

        /// With one run and one backup there, so that "nonexistent" is not "nothing there at all".
        @Test("is told with its place and the next command, and contacts nothing")
        func told() async throws {
            let controller = try Controller()
            try await controller.backup()
            let broken = "format: 1\ncluster:\n  id: lab\n  vipp: 10.1.2.3\n  apiPort: 010\n"
            try Data(broken.utf8).write(to: URL(filePath: controller.folder.path + "/broken.yaml"))
            for wrong in Self.cases {
                let answer = try await controller.process(wrong.line.split(separator: " ").map(String.init)).run()
                #expect(answer.code == wrong.code, "\(answer)")
                for text in wrong.says { #expect(answer.errors.contains(text), "says nothing of «\(text)»: \(answer)") }
                #expect(!answer.errors.contains("?."), "\(answer)")
                #expect(answer.output.isEmpty, "\(answer)")
            }
            #expect(try await controller.runs().count == 1)
            #expect(try await controller.backups().backups.map(\.good) == [true])
        }

        @Test("an empty controller says that it is empty")
        func empty() async throws {
            let controller = try Controller()
            let runs = try await controller.rollbook("runs")
            #expect(runs.code == 0 && runs.output == "No runs yet.\n", "\(runs)")
            let backups = try await controller.rollbook("backups", "list")
            #expect(backups.code == 0 && backups.output == "No backups of cluster lab yet.\n", "\(backups)")
            let status = try await controller.rollbook("backups", "status")
            #expect(
                status.code == 4 && status.output == "lab: NONE: there is no good backup (limit 26h)\n",
                "\(status)"
            )
            #expect(!FileManager.default.fileExists(atPath: controller.state), "reading makes no folders")
        }
    }
}
