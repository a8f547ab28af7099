import ClusterModel
import Foundation
import Journal
import RunEngine
import TestSupport
import Testing

/// The plan format, version 1, as `Sources/RunEngine/Format.md` says it.
@Suite("Plan format")
struct PlanFormatTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(
        path: "Fixtures/plans/v1"
    )

    /// A plan that has every form there is.
    private func sample() async throws -> Plan {
        var base = Cluster.sample(masters: 3, workers: 1, loadBalancers: 1)
        var backup = BackupPolicy()
        backup.recipients = ["age1qqq"]
        backup.encryption = .required
        backup.interval = .seconds(43_200)
        backup.metricsFile = "/var/lib/node-exporter/rollbook.prom"
        backup.pingURL = "https://ping.example/a-capability-that-plans-do-not-hold"
        var networks = ClusterNetworks()
        networks.pods = "10.244.0.0/16"
        let hosts = base.hosts.enumerated().map { index, host in
            var ssh = host.ssh
            ssh.become = [.no, .sudo, .sudoWithPassword(file: "/root/sudo")][index % 3]
            ssh.connectTimeout = .milliseconds(2500 + index)
            if index == 1 {
                ssh.identities = [
                    .file(path: "/k", passphraseFile: nil), .file(path: "/l", passphraseFile: "/p"), .agent,
                ]
                ssh.knownHosts = ["/etc/ssh/ssh_known_hosts"]
                ssh.hostKeyAlias = "alias"
                ssh.jump = [JumpHop(name: "lb1", address: "10.0.3.1", port: 22, user: "ops")]
            }
            return Host(
                name: host.name,
                role: host.role,
                ssh: ssh,
                clusterAddress: "10.9.9.\(index)",
                labels: index == 0 ? ["b": "2", "a": "1/\u{E9}\n", "Z": "", "a10": "", "a9": "", "\u{E9}": ""] : [:]
            )
        }
        base = Cluster(id: base.id, vip: "10.0.0.100", networks: networks, backup: backup, hosts: hosts)
        var trial = EngineTrial(base)
        trial.hosts["master1"].values = ["x": "1", "ready": "yes"]
        trial.hosts["master2"].values = ["x": "0", "ready": "yes"]
        trial.hosts["master3"].values = ["x": "forbidden", "ready": "yes"]
        trial.hosts["worker1"].isUp = false
        trial.library = ["inner": .toy("inner", [.toy("Inner", on: "masters[0]", [.add("k", "e")])])]
        return try await trial.plan(
            .toy(
                "sample",
                inputs: [RunbookInput(name: "v", type: .string, defaultValue: "1")],
                [
                    .toy(
                        "Set",
                        on: "masters",
                        pace: .serial([.count(1), .percent(50)]),
                        onFailure: .continue,
                        require: [.gate("ready", "yes")],
                        gates: [.gate("ready", "no")],
                        [.set("x", "${inputs.v}"), .read("x")]
                    ),
                    .toy(
                        "More",
                        on: "controller",
                        require: [.gate("ready", "no")],
                        [.toy("add-twice", ["key": .string("k")])]
                    ),
                    .toy("After", on: "masters[:2]", pace: .parallel(cap: 1), [.toy("after", ["key": .string("y")])]),
                    .toy("Down", on: "workers", [.set("x", "1"), .turn("t")]), .including("inner"),
                ]
            )
        )
    }

    @Test("a plan of today is written as version 1 says, byte for byte")
    func writes() async throws {
        let bytes = try await sample().bytes()
        let difference = try GoldenFile(Self.folder.appending(path: "every-form.json")).difference(from: bytes)
        #expect(difference == nil)
    }

    @Test("fields that are absent when nothing is special are written as version 1 says, byte for byte")
    func writesOptional() async throws {
        let sample = Cluster.sample(masters: 1, workers: 2, loadBalancers: 0)
        let cluster = Cluster(
            id: sample.id,
            preflight: [.swap: CheckPolicy(severity: .warn), .sysctl: CheckPolicy(fix: false)],
            hosts: sample.hosts
        )
        let trial = EngineTrial(cluster)
        let facts = FactCache(cluster: cluster, connections: trial.hosts, parallel: 1)
        let planner = Planner(cluster: cluster, registry: .toys, facts: facts, views: StepServices()) { name in
            throw OperatorMessage(.invalidInput, at: name, "no such runbook")
        }
        trial.hosts["worker1"].values = ["y": "doubtful"]
        let away = StepCall.toy("hold", ["key": .string("x"), "value": .string("1"), "away": .bool(true)])
        let plan = try await planner.plan(
            Planner.Request(
                runbook: .toy([
                    .toy(
                        "Workers",
                        on: "workers",
                        maxFailures: .count(1),
                        [away, .toy("after", ["key": .string("y")]), .read("y")]
                    )
                ]),
                inputs: [:],
                bindings: PlanBindings(
                    inventory: "sha256:i",
                    runbook: "sha256:r",
                    knownHosts: "sha256:k",
                    runbookFile: "/srv/ops/toy.yaml"
                ),
                program: "rollbook test",
                moment: trial.time.now,
                without: [try #require(HostName("worker2"))],
                skipped: ["toy.read"]
            )
        )
        let bytes = try plan.bytes()
        let text = String(decoding: bytes, as: UTF8.self)
        for field in [
            "without", "skipped", "maxFailures", "takesHostAway", "preflight", "runbookFile", "\"warning\":true",
        ] {
            #expect(text.contains(field), "\(field)")
        }
        let difference = try GoldenFile(Self.folder.appending(path: "optional-fields.json")).difference(from: bytes)
        #expect(difference == nil)
    }

    @Test("stored plans of version 1 are read, and written again to the same bytes")
    func replays() throws {
        let files = try FileManager.default.contentsOfDirectory(at: Self.folder, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "json" }
        #expect(!files.isEmpty)
        for file in files {
            let bytes = [UInt8](try Data(contentsOf: file))
            let plan = try Plan.read(bytes, from: file.lastPathComponent)
            #expect(try plan.bytes() == bytes, "\(file.lastPathComponent)")
        }
    }

    @Test("reading gives back what was written")
    func roundTrip() async throws {
        let plan = try await sample()
        #expect(try Plan.read(try plan.bytes(), from: "plan.json") == plan)
    }

    @Test("the bytes are the canonical JSON of the journal: keys by their bytes, no white space")
    func canonical() async throws {
        let bytes = try await sample().bytes()
        let value = try JSONDecoder().decode(JSONValue.self, from: Data(bytes))
        #expect(
            String(decoding: bytes, as: UTF8.self) == String(decoding: CanonicalJSON.bytes(of: value), as: UTF8.self)
        )
    }

    @Test("a plan of another version is stale, what is no plan is an integrity error")
    func refuses() async throws {
        let bytes = try await sample().bytes()
        let text = String(decoding: bytes, as: UTF8.self)
        let cases: [(String, ExitCode)] = [
            (text.replacing(",\"v\":1}", with: ",\"v\":2}"), .stale), ("", .integrity), ("{}", .integrity),
            (String(text.dropLast(5)), .integrity), (text.replacing("\"noop\"", with: "\"noon\""), .integrity),
            (text.replacing("connectTimeoutMs", with: "connectTimeout"), .integrity),
        ]
        for (changed, code) in cases {
            #expect(changed != text)
            let error = #expect(throws: OperatorMessage.self) { try Plan.read(Array(changed.utf8), from: "plan.json") }
            #expect(error?.code == code)
        }
    }

    @Test("a changed byte is another plan, or none")
    func everyByteCounts() async throws {
        let plan = try await sample()
        let bytes = try plan.bytes()
        let id = ContentHash(of: bytes)
        var random = SplitMix64(seed: 11)
        for _ in 0..<400 {
            var changed = bytes
            changed[Int.random(in: changed.indices, using: &random)] ^= UInt8.random(in: 1...127, using: &random)
            guard let other = try? Plan.read(changed, from: "plan.json") else { continue }
            #expect(try ContentHash(of: changed) != id && (other != plan || other.bytes() != changed))
        }
    }
}
