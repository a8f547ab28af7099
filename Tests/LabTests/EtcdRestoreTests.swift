import Foundation
import Testing

extension LabSuite {
    /// All of a real etcd cluster put back from a backup.
    @Suite("restoring etcd")
    struct EtcdRestoreTests {
        private func destroy(_ drill: EtcdDrill) async throws {
            for host in drill.members {
                _ = try await Lab.here.shell(host, "systemctl stop etcd; rm -rf \(drill.topology.data)/member")
            }
        }

        /// What etcd holds, without what restored clusters do not share.
        private func keys(_ drill: EtcdDrill) async throws -> [String] {
            try await drill.etcdctl("get", "", "--prefix", "--keys-only").split(separator: "\n").map(String.init)
        }

        private func expectRestored(_ drill: EtcdDrill, to keys: [String]) async throws {
            try await drill.expectWhole()
            #expect(try await self.keys(drill) == keys)
            for host in drill.topology.hosts {
                let left = try await Lab.here.shell(
                    host,
                    """
                    ls -d /var/lib/rollbook-host/parked/*.yaml /var/lib/rollbook-host/restore/* 2>/dev/null || :
                    ls -d /etc/kubernetes/manifests/.rollbook* \(drill.topology.data)/.restore-* 2>/dev/null || :
                    """
                )
                #expect(left.isEmpty, "\(host): \(left)")
            }
            for host in drill.topology.masters {
                let api = try await Lab.here.shell(host, "curl -sk --max-time 5 https://127.0.0.1:6443/readyz")
                #expect(api == "ok", "\(host)")
            }
        }

        @Test(
            "with all data directories destroyed, everything of the backup is back, and nothing of later",
            .enabled(if: Lab.isThorough, "make endurance"),
            arguments: [EtcdDrill.Topology.stacked, .external]
        )
        func restored(topology: EtcdDrill.Topology) async throws {
            let drill = try await EtcdDrill(topology)
            let backup = try await drill.controller.backup().id
            let before = try await keys(drill)
            _ = try await drill.etcdctl("put", "/lab/later", "lost")
            let revision = try await drill.revision
            try await destroy(drill)

            let plan = try await drill.controller.rollbook("plan", "etcd-restore", "--set", "backup=\(backup)")
            #expect(plan.code == 0, "\(plan)")
            for words in [
                "no etcd answers: what was written since the backup cannot be told, and is lost",
                "\(before.count) keys",
                "The control plane is stopped everywhere until the plan ends.",
            ] { #expect(plan.output.contains(words), "\(words): \(plan)") }
            let began = ContinuousClock.now
            let answer = try await drill.process("etcd-restore", "backup=\(backup)", "confirm=\(topology.cluster)")
                .run()
            print("\(topology), all data destroyed: restored after \(ContinuousClock.now - began)")
            #expect(answer.code == 0, "\(answer)")
            try await expectRestored(drill, to: before)
            #expect(try await drill.revision > revision + 999_999_000, "revisions begin far beyond those of before")
            let again = try await drill.controller.backup()
            #expect(again.good, "a backup of the restored cluster is a good one")
            try await drill.tidy()
        }

        @Test(
            "given up before the API servers start, everything is as it was, with what was written after the backup",
            .enabled(if: Lab.isThorough, "make endurance")
        )
        func abandoned() async throws {
            let drill = try await EtcdDrill()
            let backup = try await drill.controller.backup().id
            _ = try await drill.etcdctl("put", "/lab/later", "kept")
            let before = try await keys(drill)
            let members = try await drill.memberIDs()
            var process = drill.process("etcd-restore", "backup=\(backup)", "confirm=lab")
            process.deadline = .seconds(300)
            let stopped = try await process.run { running in
                try await running.line(with: "stage 7", within: .seconds(200))
                try running.kill()
            }
            #expect(stopped.code == -9)
            let run = try #require(try await drill.controller.runs().first).run
            var abandon = drill.controller.process(["abandon", run, "--yes"])
            abandon.deadline = .seconds(300)
            let answer = try await abandon.run()
            #expect(answer.code == 0, "\(answer)")
            try await Lab.here.mend()
            try await expectRestored(drill, to: before)
            #expect(try await drill.memberIDs() == members, "it is the old cluster")
            _ = try await drill.etcdctl("del", "/lab/later")
            try await drill.tidy()
        }

        @Test("killed at random moments, it is resumed to the end")
        func killed() async throws {
            let drill = try await EtcdDrill()
            let backup = try await drill.controller.backup().id
            let before = try await keys(drill)
            try await destroy(drill)
            let arguments = ["etcd-restore", "--set", "backup=\(backup)", "--set", "confirm=lab"]
            try await drill.killed(arguments, EtcdDrill.kills)()
            #expect(try await drill.controller.runs().first?.status == "done")
            try await expectRestored(drill, to: before)
            try await drill.tidy()
            print("restored over \(EtcdDrill.kills) kills")
        }

        @Test("what is not this cluster's own backup, or was not meant, is refused before anything is stopped")
        func refused() async throws {
            let drill = try await EtcdDrill()
            let backup = try await drill.controller.backup().id
            let before = try await drill.memberIDs()
            let unsaid = try await drill.process("etcd-restore", "backup=\(backup)").run()
            #expect(unsaid.code == 4 && unsaid.errors.contains("its cluster's name was not typed"), "\(unsaid)")
            let wrong = try await drill.process("etcd-restore", "backup=\(backup)", "confirm=prod").run()
            #expect(wrong.code == 4 && wrong.errors.contains("--set confirm=lab"), "\(wrong)")
            let none = try await drill.process("etcd-restore", "backup=20200101T000000Z-00000000", "confirm=lab").run()
            #expect(none.code != 0 && none.errors.contains("20200101T000000Z-00000000"), "\(none)")
            let garbage = try await drill.process("etcd-restore", "backup=yesterday", "confirm=lab").run()
            #expect(garbage.errors.contains("is no backup id"), "\(garbage)")

            // A snapshot of which a byte was turned is found before anything is stopped.
            let file = "\(drill.controller.sets)/\(backup)/etcd/master1.db"
            var bytes = try Data(contentsOf: URL(filePath: file))
            bytes[bytes.count / 2] ^= 1
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
            try bytes.write(to: URL(filePath: file))
            let flipped = try await drill.process("etcd-restore", "backup=\(backup)", "confirm=lab").run()
            #expect(flipped.code == 9, "\(flipped)")
            #expect(try await drill.memberIDs() == before)
            for host in drill.members {
                let parked = try await Lab.here.shell(
                    host,
                    "ls /var/lib/rollbook-host/parked 2>/dev/null | grep '^[a-z-]*\\\\.yaml$' || :"
                )
                #expect(parked.isEmpty)
            }
        }
    }
}
