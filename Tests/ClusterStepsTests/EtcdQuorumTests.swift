import ClusterModel
import RunEngine
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("What etcd can lose")
struct EtcdQuorumTests {
    @Test(
        "the margin is counted over voters: dead and unstarted ones are lost already, learners never count",
        arguments: [
            // All are well.
            ("L", 0), ("Lv", 0), ("Lvv", 1), ("Lvvv", 1), ("Lvvvv", 2), ("Lvvvvv", 2), ("Lvvvvvv", 3),
            // Dead ones.
            ("Lx", -1), ("Lvx", 0), ("Lxx", -1), ("Lvvx", 0), ("Lvxx", -1), ("Lvvvx", 1), ("Lvvxx", 0), ("Lvxxx", -1),
            ("Lvvvvx", 1), ("Lvvvxx", 0), ("Lvvvvxx", 1), ("Lvvvxxx", 0), ("Lvvxxxx", -1),
            // Without a leader nobody is healthy.
            ("!", -1), ("!!!", -2), ("!!!!!", -3),
            // Learners, running or dead.
            ("Ll", 0), ("Lvl", 0), ("Lvvl", 1), ("Lvvll", 1), ("Lvxl", 0), ("Lvvvvl", 2), ("Lvvvvxl", 1),
            // Added and never started: a voter that is lost.
            ("L?", -1), ("Lv?", 0), ("Lvv?", 0), ("Lvvv?", 1), ("Lvx?", -1), ("Lvvvv?", 1), ("Lvvvv??", 1),
            ("Lvvxl?", 0),
        ]
    )
    func spare(members: String, expected: Int) {
        #expect(Members.health(members).spare == expected)
    }

    @Test("for every cluster of up to seven members, one may be lost exactly when the rest would keep quorum")
    func everyCluster() {
        func clusters(_ count: Int) -> [String] {
            count == 0 ? [""] : clusters(count - 1).flatMap { before in "vxl?".map { before + String($0) } }
        }
        var checked = 0
        // An unstarted member has no host, so it stands last in what `Members` makes.
        for rest in (0...6).flatMap(clusters) where !rest.drop(while: { $0 != "?" }).contains(where: { $0 != "?" }) {
            let kinds = Array("L" + rest)
            let voters = kinds.count { $0 != "l" }
            let left = kinds.count { $0 == "L" || $0 == "v" } - 1
            let health = Members.health(String(kinds))
            let mayLose = voters == 1 || left * 2 > voters
            #expect((health.obstacleToLosingOne == nil) == mayLose, "\(String(kinds)): \(health)")
            checked += 1
        }
        #expect(checked == 1636)
    }

    @Test("split brain and corruption close it, however many are healthy; a full database does not")
    func otherReasons() {
        let two = Members.health("Lvvvv") { $0[4].clusterID = 7 }
        #expect(two.obstacleToLosingOne?.contains("split brain") == true)
        let corrupt = Members.health("Lvvvv") { $0[0].alarms = ["CORRUPT on member 2"] }
        #expect(corrupt.obstacleToLosingOne == "etcd raised the alarm CORRUPT on member 2")
        #expect(Members.health("Lvv") { $0[0].alarms = ["NOSPACE on member 2"] }.obstacleToLosingOne == nil)
    }

    private func gate(
        _ kind: String,
        _ cases: [String?],
        _ parameters: [String: JSONValue] = [:]
    ) async throws -> PlannedGate {
        let trial = EngineTrial(.sample(masters: cases.count, workers: 0, loadBalancers: 0), registry: .shipped)
        for (index, name) in cases.enumerated() {
            if let name {
                trial.answer(EtcdStatus(pki: trial.cluster.paths.pki), with: name, on: "master\(index + 1)")
            } else {
                trial.hosts["master\(index + 1)"].isUp = false
            }
        }
        let call = StepCall(
            kind: kind,
            parameters: parameters,
            location: SourceLocation(file: "", line: 1, column: 1)
        )
        let plan = try await trial.plan(.toy([.toy(on: "controller", require: [call], [])]))
        return try #require(plan.stages.first?.require.first)
    }

    @Test("the gate says how many may be lost, or who is lost already")
    func told() async throws {
        let open = try await gate("etcd.quorum", ["healthy-leader", "healthy-follower", "healthy-follower-3"])
        #expect(open.detail == "3 of 3 voters healthy, 2 needed: 1 may be lost" && open.remarks.isEmpty)
        let closed = try await gate("etcd.quorum", ["healthy-leader", "healthy-follower", "no-process"])
        #expect(
            closed.closed?.event
                == "no more etcd member can be lost: 2 of 3 voters are healthy, 2 are needed (master3: no etcd process)"
        )
        #expect(closed.closed?.code == .refused)
        let away = try await gate("etcd.quorum", ["healthy-leader", nil, nil])
        #expect(away.closed?.event.contains("no quorum (1 of 3 voters healthy, 2 needed)") == true)
        let alone = try await gate("etcd.quorum", ["healthy-alone"])
        #expect(alone.closed == nil && alone.remarks == ["while the only member of etcd is away, the cluster is"])
    }

    @Test("etcd.healthy is closed by a full database, and open with a remark where that is what is to be mended")
    func full() async throws {
        let cases = ["out-of-space-leader", "out-of-space-follower", "out-of-space-follower-3"]
        let closed = try await gate("etcd.healthy", cases)
        #expect(closed.closed?.event.contains("etcd raised the alarm NOSPACE on member") == true)
        let open = try await gate("etcd.healthy", cases, ["spaceAlarm": .bool(true)])
        #expect(open.closed == nil)
        #expect(open.remarks.count == 1 && open.remarks[0].hasPrefix("etcd raised the alarm NOSPACE on member"))
        let corrupt = try await gate(
            "etcd.healthy",
            [cases[0], "out-of-space-and-corrupt", cases[2]],
            ["spaceAlarm": .bool(true)]
        )
        #expect(corrupt.closed?.event.hasPrefix("etcd raised the alarm CORRUPT on member") == true)
        let down = try await gate("etcd.healthy", [cases[0], cases[1], nil], ["spaceAlarm": .bool(true)])
        #expect(down.closed?.event.hasPrefix("master3: ") == true, "\(String(describing: down.closed))")
    }
}
