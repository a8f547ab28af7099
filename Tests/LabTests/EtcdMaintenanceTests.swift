import Foundation
import Testing

extension LabSuite {
    /// etcd's databases, really fragmented and really full, mended while a client writes.
    @Suite("maintaining etcd")
    struct EtcdMaintenanceTests {
        /// Size of each member's file and what of it is in use.
        struct Size: Sendable {
            let bytes: Int
            let inUse: Int
        }

        private static func sizes() async throws -> [Size] {
            struct Endpoint: Decodable {
                struct Body: Decodable {
                    let dbSize: Int
                    let dbSizeInUse: Int
                }
                let Status: Body
            }
            let text = try await Lab.here.run("etcdctl", "-w", "json", "endpoint", "status")
            return try JSONDecoder().decode([Endpoint].self, from: Data(text.utf8)).map {
                Size(bytes: $0.Status.dbSize, inUse: $0.Status.dbSizeInUse)
            }
        }

        /// Runs bash here; `$LAB` is the lab's tool.
        private static func bash(_ script: String) async throws -> Answer {
            var process = Process(
                program: "/bin/bash",
                arguments: ["-c", "set -euo pipefail\n" + script],
                environment: ProcessInfo.processInfo.environment.merging(["LAB": Lab.here.tool]) { $1 }
            )
            process.deadline = .seconds(120)
            return try await process.run()
        }

        /// Puts about 1.2 MB under a key.
        private static let put = """
            value=$(mktemp); trap 'rm -f "$value"' EXIT
            head -c 900000 /dev/urandom | base64 -w0 >"$value"
            big() { "$LAB" etcdctl put "$1" <"$value"; }

            """

        /// Leaves some 50 MiB of free pages in every member's file.
        private static func fragment() async throws {
            let answer = try await bash(
                put + """
                    for i in $(seq 45); do big "/lab/bulk/$i" >/dev/null; done
                    "$LAB" etcdctl del /lab/bulk/ --prefix >/dev/null
                    revision=$("$LAB" etcdctl -w json get /none | sed 's/.*"revision":\\([0-9]*\\).*/\\1/')
                    "$LAB" etcdctl compact --physical "$revision" >/dev/null
                    """
            )
            try #require(answer.code == 0, "\(answer)")
            // What compaction frees counts only when somebody has written since.
            for _ in 0..<50 where try await sizes().contains(where: { $0.bytes - $0.inUse < 40 << 20 }) {
                _ = try await Lab.here.run("etcdctl", "put", "/lab/bulk/", "x")
                try await Task.sleep(for: .milliseconds(200))
            }
            let sizes = try await sizes()
            try #require(sizes.count == 3 && sizes.allSatisfy { $0.bytes - $0.inUse > 40 << 20 }, "\(sizes)")
        }

        private static func expectShrunk(_ before: [Size]) async throws {
            let after = try await sizes()
            #expect(after.allSatisfy { $0.bytes < 30 << 20 }, "\(after)")
            func mebibytes(_ sizes: [Size]) -> String { sizes.map { "\($0.bytes >> 20)" }.joined(separator: ", ") }
            print("databases of \(mebibytes(before)) MiB are \(mebibytes(after)) MiB")
        }

        @Test(
            "fragmented members shrink, the leader last and no leader any more; nothing written is lost; again is a no-op",
            .enabled(if: Lab.isThorough, "make endurance")
        )
        func defragmented() async throws {
            let drill = try await EtcdDrill()
            try await Self.fragment()
            let before = try await Self.sizes()
            let leader = try await drill.leader
            let began = ContinuousClock.now
            let written = try await drill.writing(through: EtcdDrill.Topology.stacked.members) {
                let answer = try await drill.process("etcd-maintenance", "gain=10", more: ["--quiet"]).run()
                #expect(answer.code == 0, "\(answer)")
                #expect(answer.output.contains("3 etcd members defragmented, "), "\(answer)")
            }
            print("etcd-maintenance took \(ContinuousClock.now - began), \(written) writes acknowledged and found")
            try await Self.expectShrunk(before)
            #expect(try await drill.leader != leader)
            try await drill.expectWhole()
            let again = try await drill.controller.rollbook("plan", "etcd-maintenance", "--set", "gain=10")
            #expect(again.code == 0, "\(again)")
            #expect(
                again.output.contains("etcd.defragment  nothing to do: a follower, and it would not pay"),
                "\(again)"
            )
            #expect(
                again.output.contains("etcd.defragment  nothing to do: the leader, and it would not pay"),
                "\(again)"
            )
            #expect(!again.output.contains("etcdctl defrag"), "\(again)")
        }

        @Test("with the controller killed in between it ends the same", .enabled(if: Lab.isThorough, "make endurance"))
        func killed() async throws {
            let drill = try await EtcdDrill()
            try await Self.fragment()
            let before = try await Self.sizes()
            let run = drill.killed(["etcd-maintenance", "--set", "gain=10"], EtcdDrill.kills)
            try await drill.writing(through: EtcdDrill.Topology.stacked.members, run)
            try await Self.expectShrunk(before)
            try await drill.expectWhole()
        }

        /// The quota of the practice cluster's etcd while it is filled; nil for its own.
        private static func setQuota(_ bytes: Int?) async throws {
            let edit =
                bytes.map { "sed '/^ *- etcd$/a\\    - --quota-backend-bytes=\($0)' \"$kept\"" } ?? "cat \"$kept\""
            for host in EtcdDrill.Topology.stacked.members {
                try await Lab.here.shell(
                    host,
                    """
                    folder=/etc/kubernetes/manifests; kept=/run/rollbook-test-etcd.yaml
                    [ -e "$kept" ] || cp -p "$folder/etcd.yaml" "$kept"
                    \(edit) >"$folder/.etcd.yaml"
                    chmod 600 "$folder/.etcd.yaml"; mv "$folder/.etcd.yaml" "$folder/etcd.yaml"
                    \(bytes == nil ? "rm -f \"$kept\"" : "grep -q quota-backend-bytes \"$folder/etcd.yaml\"")
                    i=0; while tr '\\0' ' ' <"/proc/$(pidof etcd | cut -d' ' -f1)/cmdline" 2>/dev/null \\
                        | grep -q quota-backend-bytes; [ $? != \(bytes == nil ? 1 : 0) ]; do
                        i=$((i + 1)); [ "$i" -lt 100 ] || exit 1; sleep 0.2
                    done
                    """
                )
                let healthy = try await bash(
                    "for i in $(seq 100); do \"$LAB\" etcdctl endpoint health >/dev/null 2>&1 && exit 0; sleep 0.3; done; exit 1"
                )
                #expect(healthy.code == 0 || bytes == nil, "\(host): \(healthy)")
            }
        }

        @Test("a full database: writes fail, health says why, the runbook recovers it, writes work and nothing is lost")
        func outOfSpace() async throws {
            let drill = try await EtcdDrill()
            let failure: (any Error)?
            do {
                try await Self.setQuota(32 << 20)
                try await expectRecovery(drill)
                failure = nil
            } catch {
                failure = error
            }
            _ = try? await Self.bash("\"$LAB\" etcdctl del /lab/full; \"$LAB\" etcdctl alarm disarm")
            try await Self.setQuota(nil)
            try await Lab.here.mend()
            if let failure { throw failure }
            try await drill.expectWhole()
        }

        private func expectRecovery(_ drill: EtcdDrill) async throws {
            let filled = try await Self.bash(
                Self.put + """
                    "$LAB" etcdctl put /lab/before kept >/dev/null
                    for i in $(seq 60); do
                        said=$(big /lab/full 2>&1) || { case $said in *'database space exceeded'*) exit 0 ;; esac; echo "$said" >&2; exit 1; }
                    done
                    echo 'it never was full' >&2; exit 1
                    """
            )
            try #require(filled.code == 0, "\(filled)")
            let refused = try await Self.bash("\"$LAB\" etcdctl put /lab/none x")
            #expect(refused.code != 0 && refused.errors.contains("database space exceeded"), "\(refused)")
            let health = try await drill.controller.rollbook("health")
            #expect(health.code == 13 && health.output.contains("etcd raised the alarm NOSPACE on member"), "\(health)")
            let plan = try await drill.controller.rollbook("plan", "etcd-maintenance", "--set", "keep=5")
            #expect(plan.code == 0 && plan.output.contains("etcdctl alarm disarm"), "\(plan)")
            let answer = try await drill.process("etcd-maintenance", "keep=5").run()
            #expect(answer.code == 0, "\(answer)")
            #expect(answer.output.contains("3 etcd members defragmented, "), "\(answer)")
            let after = try await Self.bash(
                "\"$LAB\" etcdctl alarm list; \"$LAB\" etcdctl put /lab/after x >/dev/null; \"$LAB\" etcdctl get /lab/before --print-value-only; \"$LAB\" etcdctl del /lab/before /lab/before0"
            )
            #expect(after.code == 0 && after.output.hasPrefix("kept\n"), "\(after)")
        }
    }
}
