import Foundation
import Testing

extension LabSuite {
    /// Members of a real etcd cluster replaced while a client writes through the others.
    @Suite("replacing an etcd member")
    struct EtcdReplaceTests {
        /// What happens to a member, by shell as root on its host; and what is said of it.
        struct Loss: Sendable, CustomTestStringConvertible {
            let what: String
            let reason: String
            let script: String
            var testDescription: String { what }
        }

        static let losses = [
            Loss(
                what: "its data was destroyed, and it does not come up",
                reason: "dead",
                script:
                    "systemctl stop etcd; rm -rf @DATA@/member; mkdir -p @DATA@/member; : >@DATA@/member/snap"
            ),
            Loss(
                what: "its database is corrupted",
                reason: "bad-disk",
                script: """
                    systemctl stop etcd
                    dd if=/dev/urandom of=@DATA@/member/snap/db bs=4096 seek=2 count=8 conv=notrunc status=none
                    systemctl start etcd || :
                    """
            ),
            Loss(
                what: "it was killed and stays away",
                reason: "dead",
                script: "systemctl kill -s KILL etcd; systemctl stop etcd"
            ),
        ]

        @Test(
            "a member is replaced, and no acknowledged write is lost",
            .enabled(if: Lab.isThorough, "make endurance"),
            arguments: losses
        )
        func replaced(loss: Loss) async throws { try await replace(loss, in: .stacked) }

        @Test("so is one that is a unit on a host of its own", arguments: Lab.variants([losses[1], losses[0]]))
        func external(loss: Loss) async throws { try await replace(loss, in: .external) }

        private func replace(_ loss: Loss, in topology: EtcdDrill.Topology) async throws {
            let drill = try await EtcdDrill(topology)
            let member = drill.members[1]
            let before = try await drill.memberIDs()
            let began = ContinuousClock.now
            let written = try await drill.writing(through: [drill.members[0], drill.members[2]]) {
                _ = try await Lab.here.shell(member, loss.script.replacing("@DATA@", with: topology.data))
                let answer = try await drill.process(
                    "etcd-member-replace",
                    "member=\(member)",
                    "reason=\(loss.reason)"
                ).run()
                #expect(answer.code == 0, "\(answer)")
            }
            print(
                "\(topology), \(loss.what): \((ContinuousClock.now - began)), \(written) acknowledged writes, none lost"
            )
            try await expectReplaced(member, drill, before: before, written: written)
        }

        @Test(
            "the leader is replaced while it works: it hands its part over first",
            .enabled(if: Lab.isThorough, "make endurance"),
            arguments: [EtcdDrill.Topology.external, .stacked]
        )
        func leader(topology: EtcdDrill.Topology) async throws {
            let drill = try await EtcdDrill(topology)
            let leader = try await drill.leader
            let before = try await drill.memberIDs()
            let others = drill.members.filter { $0 != leader }
            let began = ContinuousClock.now
            let written = try await drill.writing(through: others) {
                let answer = try await drill.process("etcd-member-replace", "member=\(leader)", "reason=bad-disk").run()
                #expect(answer.code == 0, "\(answer)")
                #expect(answer.errors.contains("hand leadership to \(others[0])"), "\(answer)")
            }
            print(
                "\(topology), the leader: \((ContinuousClock.now - began)), \(written) acknowledged writes, none lost"
            )
            try await expectReplaced(leader, drill, before: before, written: written)
        }

        private func expectReplaced(
            _ member: String,
            _ drill: EtcdDrill,
            before: [String: String],
            written: Int
        ) async throws {
            try await drill.expectWhole()
            let after = try await drill.memberIDs()
            #expect(after[member] != before[member], "it is another member now")
            for other in drill.members where other != member { #expect(after[other] == before[other]) }
            #expect(written > 50)
            let aside = try await Lab.here.shell(member, "ls -d \(drill.topology.aside)/member")
            #expect(!aside.isEmpty, "its old data is kept")
            let configuration = try await Lab.here.shell(
                member,
                "grep -i initial.cluster \(drill.topology.configuration)"
            )
            #expect(configuration.contains("=existing"), "\(configuration)")
            for other in drill.members { #expect(configuration.contains("\(other)=https://"), "\(configuration)") }
            #expect(try await drill.controller.runs().map(\.status) == ["done"])
            let parked = try await Lab.here.shell(member, "ls /var/lib/rollbook-host/parked/*.yaml 2>/dev/null || :")
            #expect(parked.isEmpty, "nothing is left parked")
            try await drill.tidy()
        }

        @Test("killed at random moments, it is resumed to the end, and no acknowledged write is lost")
        func killed() async throws {
            let drill = try await EtcdDrill()
            let kills = EtcdDrill.kills
            let run = drill.killed(
                ["etcd-member-replace", "--set", "member=master2", "--set", "reason=bad-disk"],
                kills
            )
            let written = try await drill.writing(through: ["master1", "master3"]) { try await run() }
            #expect(try await drill.controller.runs().map(\.status) == ["done"])
            try await drill.expectWhole()
            try await drill.tidy()
            print("replaced master2 over \(kills) kills: \(written) acknowledged writes, none lost")
        }

        @Test("what would endanger the others, or is not what was said, is refused before anything is changed")
        func refused() async throws {
            let drill = try await EtcdDrill()
            func expect(_ code: Int32, _ words: String, _ inputs: String...) async throws {
                let answer = try await drill.controller.process(
                    ["run", "etcd-member-replace"] + inputs.flatMap { ["--set", $0] } + ["--yes"]
                ).run()
                #expect(answer.code == code && answer.errors.contains(words), "\(answer)")
            }
            try await expect(4, "it is not dead", "member=master2", "reason=dead")
            try await expect(4, "it is no new host", "member=master2", "reason=new-host")
            try await expect(2, "did you mean 'master2'?", "member=mastr2", "reason=dead")
            try await expect(2, "is not a one of dead, bad-disk, new-host", "member=master2", "reason=tired")
            try await drill.controller.lab.with("service stop master3 etcd") {
                try await expect(4, "1 of 2 voters would be healthy, 2 are needed", "member=master2", "reason=bad-disk")
            }
            try await drill.controller.lab.with("power off master2") {
                try await expect(4, "its host cannot be reached", "member=master2", "reason=dead")
                let removed = try await drill.controller.rollbook(
                    "plan",
                    "etcd-member-remove",
                    "--set",
                    "member=master2"
                )
                #expect(removed.output.contains("remove member"), "\(removed)")
            }
            // After a start etcd refuses changes for some seconds.
            for attempt in 1...20 {
                do {
                    _ = try await drill.etcdctl(
                        "member",
                        "add",
                        "ghost",
                        "--learner",
                        "--peer-urls=https://10.77.0.99:2380"
                    )
                    break
                } catch  where attempt < 20 { try await Task.sleep(for: .seconds(1)) }
            }
            try await expect(4, "is still a learner", "member=master2", "reason=bad-disk")
            let ghost = try #require(try await drill.memberIDs()["?"]?.split(separator: " ").first)
            _ = try await drill.etcdctl("member", "remove", String(ghost))
            try await drill.expectWhole()
            #expect(try await drill.controller.runs().isEmpty, "none of them became a run")
        }
    }
}
