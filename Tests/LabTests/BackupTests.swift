import Foundation
import Testing

extension LabSuite {
    /// The good path, and whether a backup is one: restored by hand, without this program.
    @Suite("a backup")
    struct BackupTests {
        @Test("is taken, verified by a restore, listed, and journaled")
        func taken() async throws {
            let controller = try Controller()
            let run = try await controller.rollbook("run", "nightly-backup", "--yes")
            #expect(run.code == 0, "\(run)")
            #expect(run.lines.count == 1, "\(run)")
            #expect(run.output.hasPrefix("rollbook: nightly-backup done on lab in "), "\(run)")
            #expect(run.output.contains(" complete, "), "\(run)")

            let list = try await controller.backups()
            #expect(list.cluster == "lab" && list.problems.isEmpty)
            let entry = try #require(list.backups.first)
            #expect(list.backups.count == 1)
            #expect(entry.result == "complete" && entry.good && entry.level == 2 && !entry.encrypted)
            #expect(run.output.contains("backup \(entry.id) complete"), "\(run)")
            let runs = try await controller.runs()
            #expect(runs.map(\.status) == ["done"] && runs.map(\.exitCode) == [0])

            let verified = try await controller.rollbook("backups", "verify", "--level", "3")
            #expect(verified.code == 0, "\(verified)")
            #expect(verified.output.contains("\(entry.id): ok, level 3 reached"), "\(verified)")
            #expect(verified.output.contains("on loopback"), "\(verified)")
            #expect(try await controller.backups().backups.first?.level == 3)
            let status = try await controller.rollbook("backups", "status", "--max-age", "1h")
            #expect(status.code == 0 && status.output.hasPrefix("lab: ok: "), "\(status)")
            try Self.check(controller, entry)
            try await Self.restoreByHand(controller, entry)
            try await Self.listArchives(controller, entry)
        }

        /// Only the owner reads what is stored, and nothing is half done.
        static func check(_ controller: Controller, _ entry: BackupEntry) throws {
            #expect(try controller.openFiles().isEmpty)
            #expect(controller.names(in: ".staging").isEmpty && controller.names(in: "quarantine").isEmpty)
            #expect(controller.names(in: entry.id + "/etcd") == ["master1.db", "master2.db", "master3.db"])
            let archives = ["lb1.tar", "lb2.tar", "master1.tar", "master2.tar", "master3.tar"]
            #expect(controller.names(in: entry.id + "/hosts") == archives)
        }

        /// As Format.md says it: `sha256sum -c`, `etcdutl snapshot restore`, and an etcd that serves the keys.
        private static func restoreByHand(_ controller: Controller, _ entry: BackupEntry) async throws {
            let answer = try await controller.bash(
                """
                set -euo pipefail
                set=$SETS/\(entry.id); (cd "$set" && sha256sum --quiet -c SHA256SUMS)
                etcdutl snapshot restore "$set/etcd/master2.db" --data-dir data 2>restore.log
                exec unshare --net --pid --fork --kill-child bash -c '
                    set -euo pipefail; ip link set lo up
                    etcd --data-dir data --log-level error 2>etcd.log &
                    until etcdctl endpoint health >/dev/null 2>&1; do sleep 0.1; done
                    etcdctl get "" --prefix --keys-only | grep -c .
                    etcdctl get /registry/namespaces/ --prefix --keys-only | grep .'
                """,
                environment: ["SETS": controller.sets]
            )
            #expect(answer.code == 0, "\(answer)")
            #expect(answer.lines.first.flatMap { Int($0) } == entry.keys, "\(answer)")
            #expect(answer.lines.contains("/registry/namespaces/kube-system"), "\(answer)")
        }

        private static func listArchives(_ controller: Controller, _ entry: BackupEntry) async throws {
            let answer = try await controller.bash(
                "for h in master1 lb1; do tar -tf $SETS/\(entry.id)/hosts/$h.tar || exit; done",
                environment: ["SETS": controller.sets]
            )
            #expect(answer.code == 0, "\(answer)")
            let wanted = [
                "./etc/kubernetes/pki/ca.key", "./etc/kubernetes/pki/etcd/ca.key", "./etc/kubernetes/admin.conf",
                "./etc/kubernetes/manifests/etcd.yaml", "./etc/haproxy/haproxy.cfg", "./etc/keepalived/keepalived.conf",
            ]
            for path in wanted { #expect(answer.lines.contains(Substring(path)), "\(path) is missing: \(answer)") }
        }

        @Test("with a byte flipped is found, named and set aside, and no longer counts")
        func flippedByte() async throws {
            let controller = try Controller()
            let entry = try await controller.backup()
            let path = "\(controller.sets)/\(entry.id)/etcd/master2.db"
            var bytes = try Data(contentsOf: URL(filePath: path))
            bytes[bytes.count / 2] ^= 0x10
            try bytes.write(to: URL(filePath: path))
            let verified = try await controller.rollbook("backups", "verify", entry.id)
            #expect(verified.code == 9, "\(verified)")
            #expect(verified.errors.contains("rollbook: integrity: \(entry.id)"), "\(verified)")
            #expect(verified.errors.contains("etcd/master2.db"), "\(verified)")
            #expect(verified.errors.contains("set aside in bad/"), "\(verified)")
            #expect(try await controller.backups().backups.isEmpty)
            #expect(controller.names(in: "bad") == [entry.id])
            let status = try await controller.rollbook("backups", "status")
            #expect(status.code == 4 && status.output.hasPrefix("lab: NONE"), "\(status)")
        }

        @Test("is refused to a second run at the same time, with the first one named")
        func concurrently() async throws {
            let controller = try Controller()
            let first = try await controller.rollbook("run", "nightly-backup", "--yes", "--format", "json") { running in
                try await running.line(with: "\"stage.began\"")
                let holder = try #require(try await controller.runs().first).run
                let second = try await controller.rollbook("run", "nightly-backup", "--yes")
                #expect(second.code == 7, "\(second)")
                #expect(
                    second.errors.contains("rollbook: locked: run \(holder) (pid ")
                        && second.errors.contains("holds cluster lab. Nothing was done."),
                    "\(second)"
                )
                let resumed = try await controller.rollbook("resume", holder)
                #expect(resumed.code == 7, "\(resumed)")
            }
            #expect(first.code == 0, "\(first)")
            #expect(try await controller.backups().backups.count == 1)
            #expect(try await controller.runs().map(\.status) == ["done"])
        }
    }
}

extension Controller {
    /// Everything below the state folder that others than its owner could use, or that is neither file nor folder.
    func openFiles() throws -> [String] {
        let found = FileManager.default.enumerator(atPath: state)?.compactMap { $0 as? String } ?? []
        return try ([""] + found).filter { path in
            let attributes = try FileManager.default.attributesOfItem(atPath: state + "/" + path)
            let mode = (attributes[.posixPermissions] as? NSNumber)?.intValue ?? 0o777
            switch attributes[.type] as? FileAttributeType {
            case .typeDirectory: return mode != 0o700
            case .typeRegular: return mode != 0o600 && mode != 0o400
            default: return true
            }
        }
    }
}
