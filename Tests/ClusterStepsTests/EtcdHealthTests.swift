import ClusterModel
import ClusterSteps
import RemoteShell
import RunEngine
import TestSupport
import Testing

/// Makes clusters of members out of short words: `L` leader, `v` voter, `l` learner, `x` does not answer, `!` answers
/// without a leader, `?` listed but on no host and never started.
struct Members {
    static func health(_ text: String, _ change: (inout [EtcdStatus.Value]) -> Void = { _ in }) -> EtcdHealth {
        let kinds = Array(text)
        let leader = kinds.firstIndex(of: "L").map { UInt64($0 + 1) } ?? 0
        let entries = kinds.enumerated().map { index, kind in
            EtcdMemberEntry(
                id: UInt64(index + 1),
                name: kind == "?" ? "" : "m\(index + 1)",
                peerURLs: ["https://10.0.0.\(index + 1):2380"],
                clientURLs: [],
                isLearner: kind == "l"
            )
        }
        var values = kinds.enumerated().filter { $0.element != "?" }.map { index, kind in
            var value = EtcdStatus.Value()
            guard kind != "x" else {
                value.problem = "no etcd process"
                return value
            }
            value.memberID = UInt64(index + 1)
            value.name = "m\(index + 1)"
            value.clusterID = 99
            value.version = "3.5.16"
            value.revision = 500
            value.raftAppliedIndex = 1000
            value.isLearner = kind == "l"
            if kind == "!" { value.errors = ["etcdserver: no leader"] }
            if kind != "!", leader != 0 {
                value.leader = leader
                value.members = entries
            }
            return value
        }
        change(&values)
        return EtcdHealth(
            values.enumerated().compactMap { index, value in HostName("m\(index + 1)").map { ($0, value) } }
        )
    }
}

@Suite("Health of etcd")
struct EtcdHealthTests {
    @Test("a line of nothing but blanks in etcd's answer is passed over")
    func blankLine() throws {
        let answer = ProbeBatch.Answer(exitCode: 0, output: Array("via host\n  \n \nname m1\n".utf8))
        #expect(try EtcdStatus(pki: "/etc/kubernetes/pki").parse(answer).name == "m1")
    }

    @Test(
        "quorum is counted over voters, whatever else there is",
        arguments: [
            // Everything is well.
            ("L", "", ""), ("Lv", "", ""), ("Lvv", "", ""), ("Lvvv", "", ""), ("Lvvvv", "", ""), ("Lvvvvv", "", ""),
            ("Lvvvvvv", "", ""),
            // Some are down, quorum holds.
            ("Lvx", "", "m3: no etcd process"), ("Lvvx", "", "m4"), ("Lvvxx", "", "m4"), ("Lvvvxxx", "", "m5"),
            // No quorum, though one still calls itself leader.
            ("Lx", "no quorum (1 of 2 voters healthy, 2 needed)", "m2"),
            ("Lxx", "no quorum (1 of 3 voters healthy, 2 needed)", "m2"), ("Lvxx", "no quorum (2 of 4", "m3"),
            ("Lvxxx", "no quorum (2 of 5", "m3"), ("Lvvxxxx", "no quorum (3 of 7", "m4"),
            // No leader.
            ("!", "no leader (1 of 1 members answer)", "m1: etcdserver: no leader"), ("!!!", "no leader (3 of 3", "m1"),
            ("!xx", "no leader (1 of 3", "m2"), ("xxx", "does not answer on any of 3 hosts", "m1"),
            // Learners never count, for or against.
            ("Lvvl", "", ""), ("Lll", "", ""), ("Lvxl", "", "m3"), ("Lxxl", "no quorum (1 of 3", "m2"),
            ("Lxll", "no quorum (1 of 2", "m2"),
            // A member that was added and never started is a voter all the same.
            ("Lvv?", "", "was never started"), ("L?", "no quorum (1 of 2", "was never started"),
            ("Lv?", "", "was never started"), ("Lvx?", "no quorum (2 of 4", "was never started"),
        ]
    )
    func quorum(members: String, refusal: String, degradation: String) {
        let health = Members.health(members)
        check(health.refusals, refusal)
        check(health.degradations, degradation)
    }

    private func check(_ found: [String], _ expected: String) {
        if expected.isEmpty {
            #expect(found == [])
        } else {
            #expect(found.contains { $0.contains(expected) }, "\(found)")
        }
    }

    @Test("the arithmetic agrees with a plain count for every cluster of up to seven members")
    func everyCluster() {
        func clusters(_ count: Int) -> [String] {
            count == 0 ? [""] : clusters(count - 1).flatMap { before in "vxl".map { before + String($0) } }
        }
        var checked = 0
        for rest in (0...6).flatMap(clusters) {
            let kinds = Array("L" + rest)
            let voters = kinds.count { $0 != "l" }
            let healthy = kinds.count { $0 == "L" || $0 == "v" }
            #expect(Members.health(String(kinds)).refusals.isEmpty == (healthy * 2 > voters), "\(kinds)")
            checked += 1
        }
        #expect(checked == 1093)
    }

    @Test("members that serve different clusters, or name different leaders, are refused")
    func splitBrain() {
        let two = Members.health("Lvv") { $0[2].clusterID = 7 }
        check(two.refusals, "2 different clusters (m1 63, m2 63, m3 7): split brain")
        let leaders = Members.health("Lvv") { $0[2].leader = 3 }
        check(leaders.refusals, "name different leaders")
    }

    @Test("a recorded split brain is refused")
    func recordedSplitBrain() throws {
        let statuses = try ["healthy-leader", "healthy-follower", "split-brain"].enumerated().map { index, name in
            let host = try #require(HostName("master\(index + 1)"))
            return (host, try EtcdStatus(pki: "/pki").parse(Fixtures.answer(EtcdStatus.name, name)))
        }
        check(EtcdHealth(statuses).refusals, "split brain")
    }

    @Test("a member that lags more than a thousand revisions degrades; one that lags less does not")
    func lag() {
        #expect(Members.health("Lvv") { $0[1].revision = -500 }.degradations == [])
        check(Members.health("Lvv") { $0[1].revision = -501 }.degradations, "m2 is 1001 revisions behind")
    }

    @Test("a full database degrades and does not refuse; corruption refuses; an alarm nobody knows refuses")
    func alarms() throws {
        let full = Members.health("Lvv") { $0[0].alarms = ["NOSPACE on member 1"] }
        check(full.refusals, "")
        check(full.degradations, "NOSPACE on member 1")
        check(Members.health("Lvv") { $0[2].alarms = ["CORRUPT on member 2"] }.refusals, "alarm CORRUPT on member 2")
        check(Members.health("Lvv") { $0[2].alarms = ["alarm 9 on member 2"] }.refusals, "alarm 9")
    }

    @Test("etcd repeats alarms among a member's errors; a full database is no missing leader")
    func recordedAlarm() throws {
        let status = try EtcdStatus(pki: "/pki").parse(Fixtures.answer(EtcdStatus.name, "no-space-3.4"))
        let host = try #require(HostName("m1"))
        let health = EtcdHealth([(host, status)])
        check(health.refusals, "")
        #expect(health.degradations == ["etcd raised the alarm NOSPACE on member 628170c800dbcee"])
        #expect(health.bestSource == host)
    }

    @Test(
        "releases that may corrupt data are refused",
        arguments: ["3.5.0", "3.5.1", "3.5.2", "3.5.3", "3.4.23", "3.6.0"]
    )
    func versions(version: String) {
        let found = Members.health("Lvv") { $0[1].version = version }.refusals
        check(found, ["3.5.0", "3.5.1", "3.5.2"].contains(version) ? "m2 runs etcd \(version)" : "")
    }

    @Test("a member on no host of the inventory is told of, unless its host is just away")
    func elsewhere() {
        let health = Members.health("Lvv") { $0.removeLast() }
        check(health.degradations, "member m3 (3) is on no host of the inventory")
        let away = Members.health("Lvx")
        #expect(away.degradations == ["m3: no etcd process"])
    }

    @Test(
        "a single snapshot is taken from the most up to date voter, a follower when there is a choice",
        arguments: [
            ("Lvv", [1000, 1000, 1000], "m2"), ("Lvv", [1000, 900, 1000], "m3"), ("Lvv", [1000, 992, 1000], "m2"),
            ("Lvv", [1000, 991, 900], "m1"), ("L", [1000], "m1"), ("Ll", [1000, 2000], "m1"),
            ("Lxv", [1000, 0, 1000], "m3"),
            ("xxx", [0, 0, 0], ""), ("!!!", [5, 5, 5], ""),
        ]
    )
    func source(members: String, applied: [UInt64], expected: String) {
        let health = Members.health(members) { values in
            for index in values.indices { values[index].raftAppliedIndex = applied[index] }
        }
        #expect(health.bestSource?.text ?? "" == expected)
    }
}

@Suite("etcd.snapshot-ready")
struct SnapshotReadyGateTests {
    private func gate(_ cases: [String?], _ policy: BackupPolicy.WhenDegraded) async throws -> PlannedGate {
        var backup = BackupPolicy()
        backup.whenDegraded = policy
        let sample = Cluster.sample(workers: 0, loadBalancers: 0)
        let trial = EngineTrial(Cluster(id: sample.id, backup: backup, hosts: sample.hosts), registry: .shipped)
        for (index, name) in cases.enumerated() {
            if let name {
                trial.answer(EtcdStatus(pki: sample.paths.pki), with: name, on: "master\(index + 1)")
            } else {
                trial.hosts["master\(index + 1)"].isUp = false
            }
        }
        let call = StepCall(kind: "etcd.snapshot-ready", location: SourceLocation(file: "", line: 1, column: 1))
        let plan = try await trial.plan(.toy([.toy(on: "controller", require: [call], [])]))
        return try #require(plan.stages.first?.require.first)
    }

    @Test("a healthy cluster opens it and names leader, revision and cluster")
    func open() async throws {
        let gate = try await gate(["healthy-leader", "healthy-follower", "healthy-follower-3"], .refuse)
        #expect(gate.closed == nil)
        #expect(gate.detail == "3 of 3 voters healthy, leader master1, revision 994, cluster fedecc5c9b28aef6")
        #expect(gate.remarks == [])
    }

    @Test("one member down opens it with a remark where the policy stores, and closes it where it refuses")
    func degraded() async throws {
        for down in [nil, "no-process"] as [String?] {
            let cases = ["healthy-leader", "healthy-follower", down]
            let stored = try await gate(cases, .store)
            #expect(stored.closed == nil)
            #expect(stored.remarks.count == 1)
            #expect(stored.remarks[0].hasPrefix("degraded: master3: "), "\(stored.remarks)")
            let refused = try await gate(cases, .refuse)
            #expect(refused.closed?.code == .refused)
            #expect(refused.closed?.next?.contains("whenDegraded: store") == true)
        }
    }

    @Test(
        "without quorum or leader it is closed, whatever the policy",
        arguments: [BackupPolicy.WhenDegraded.store, .refuse]
    )
    func closed(policy: BackupPolicy.WhenDegraded) async throws {
        #expect(try await gate(["no-quorum", nil, nil], policy).closed?.event.contains("no leader") == true)
        #expect(try await gate(["healthy-leader", nil, nil], policy).closed?.event.contains("no quorum") == true)
        #expect(try await gate([nil, nil, nil], policy).closed?.event.contains("does not answer") == true)
        let corrupt = try await gate(["corrupt", "healthy-follower", "healthy-follower-3"], policy)
        #expect(corrupt.closed?.event == "etcd raised the alarm CORRUPT on member 244fae6a94d3b9a0")
    }
}

extension EngineTrial {
    /// Lets a host answer a fact as a recorded case did.
    func answer(_ fact: some Fact, with name: String, on host: String) {
        answer(fact, with: Fixtures.answer(type(of: fact).name, name), on: host)
    }

    /// The same, with the addresses of the recorded clusters' masters moved to those of another one.
    func answer(_ fact: some Fact, with name: String, on host: String, movingTo net: String) {
        let recorded = Fixtures.answer(type(of: fact).name, name)
        let text = recorded.text.replacing("10.78.0.1", with: net).replacing("10.77.0.1", with: net)
        answer(
            fact,
            with: ProbeBatch.Answer(
                exitCode: recorded.exitCode,
                output: Array(text.utf8),
                errorOutput: recorded.errorOutput
            ),
            on: host
        )
    }

    /// Lets a host answer all of preflight's facts as one does that is in order.
    func answerAsPlanned(_ host: ClusterModel.Host) {
        for fact in Fixtures.facts(about: host, in: cluster) {
            answer(fact, with: Fixtures.planned(type(of: fact).name, about: host, in: cluster), on: host.name.text)
        }
    }

    private func answer(_ fact: some Fact, with recorded: ProbeBatch.Answer, on host: String) {
        hosts[host].answers[fact.command] = CommandResult(
            exitCode: recorded.exitCode,
            output: CapturedBytes(recorded.output),
            errorOutput: CapturedBytes(recorded.errorOutput)
        )
    }
}
