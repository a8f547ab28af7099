import ClusterModel
import RunEngine
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("The other members of etcd")
struct EtcdSurvivorsTests {
    private func entry(_ id: UInt64, _ name: String, _ url: String, isLearner: Bool = false) -> EtcdMemberEntry {
        EtcdMemberEntry(id: id, name: name, peerURLs: [url], clientURLs: [], isLearner: isLearner)
    }

    @Test(
        "a member is found when its name and its address agree, or it was never started",
        arguments: [
            ("m2", "10.0.0.2", UInt64(2)), ("m3", "10.0.0.3", 3), ("m4", "fd00::4", 4), ("m9", "10.0.0.9", 0),
        ]
    )
    func found(name: String, address: String, expected: UInt64) throws {
        let members = [
            entry(2, "m2", "https://10.0.0.2:2380"), entry(3, "", "http://10.0.0.3:2380", isLearner: true),
            entry(4, "m4", "https://[fd00::4]:2380"), entry(5, "m5", "https://10.0.0.22:2380"),
        ]
        #expect(try EtcdSurvivors.entry(named: name, at: address, in: members)?.id ?? 0 == expected)
    }

    @Test(
        "a name at another address, another name at the address, and anything twice are refused",
        arguments: [
            ("m2", "10.0.0.7", "has its name but the peer address https://10.0.0.2:2380, not 10.0.0.7"),
            ("m7", "10.0.0.2", "at its address 10.0.0.2 is called m2"),
            ("m2", "10.0.0.3", "has its name but the peer address"), ("twin", "10.0.0.5", "more than once"),
            ("m8", "10.0.0.8", "more than once"),
        ]
    )
    func ghosts(name: String, address: String, expected: String) {
        let members = [
            entry(2, "m2", "https://10.0.0.2:2380"), entry(3, "m3", "https://10.0.0.3:2380"),
            entry(5, "twin", "https://10.0.0.5:2380"), entry(6, "twin", "https://10.0.0.6:2380"),
            entry(8, "", "https://10.0.0.8:2380"), entry(9, "m8", "https://10.0.0.8:2380"),
        ]
        let error = #expect(throws: OperatorMessage.self) {
            try EtcdSurvivors.entry(named: name, at: address, in: members)
        }
        #expect(error?.code == .refused)
        #expect(error?.event.contains(expected) == true, "\(String(describing: error?.event))")
    }

    @Test(
        "the host of a peer URL",
        arguments: [
            ("https://10.0.1.2:2380", "10.0.1.2"), ("http://[fd00::2]:2380", "fd00::2"),
            ("https://etcd-1.example:2380/", "etcd-1.example"), ("10.0.1.2:2380", "10.0.1.2"), ("", ""),
        ]
    )
    func hostOfURL(url: String, expected: String) { #expect(EtcdSurvivors.host(ofURL: url) == expected) }

    /// The view of a cluster in `Members`' words without its last member, which is the one taken out.
    ///
    /// What `Members` calls `x` is on the list and does not answer; a `?` is on the list and on no host.
    private func obstacle(_ text: String, _ change: (inout [EtcdStatus.Value]) -> Void = { _ in }) throws -> String? {
        let all = Members.health(text, change)
        let target = try #require(all.statuses.last)
        let others = EtcdHealth(all.statuses.dropLast())
        let number = try #require(UInt64(target.host.text.dropFirst()))
        let own = others.members.first { $0.id == number }
        let view = EtcdSurvivors(health: others, entry: own, name: target.host.text, peerURL: "")
        return view.obstacle(toRemoving: Host(name: target.host, role: .etcd, ssh: SSHSettings(address: "10.0.0.9")))?
            .event
    }

    @Test(
        "the last member may go exactly when all others are healthy and keep quorum without it",
        arguments: [
            ("L", "it is the only member"),
            // Of two, the other alone was no quorum before.
            ("Lv", "no quorum (1 of 2"), ("Lx", "no quorum (1 of 2"), ("xv", "does not answer on any"),
            // Whole clusters, whatever becomes of the one that goes.
            ("Lvv", nil), ("Lvx", nil), ("Lvvv", nil), ("Lvvvx", nil), ("Lvvvvv", nil), ("Lvvvvvx", nil),
            // A learner that goes is no vote less.
            ("Lvl", nil), ("Ll", nil), ("Lvvl", nil),
            // A second sick one, with quorum or without.
            ("Lxv", "without it 1 of 2 voters"), ("Lxx", "without it 1 of 2 voters"), ("Lvxv", "no quorum (2 of 4"),
            ("Lvvxv", "another member is not healthy: m4: no etcd process"),
            ("Lvvvvxx", "another member is not healthy: m6"), ("L!vvv", "another member is not healthy: m2"),
            // Another change is under way.
            ("Lvlv", "is still a learner"), ("Llvv", "is still a learner"),
            // Nobody leads.
            ("!!v", "no leader"), ("!!!x", "no leader"),
        ]
    )
    func table(members: String, expected: String?) throws { check(try obstacle(members), expected, members) }

    private func check(_ found: String?, _ expected: String?, _ what: String) {
        if let expected {
            #expect(found?.contains(expected) == true, "\(what): \(String(describing: found))")
        } else {
            #expect(found == nil, "\(what)")
        }
    }

    @Test("whatever the others are, going is allowed only when they all are healthy voters")
    func everyCluster() throws {
        func clusters(_ count: Int) -> [String] {
            count == 0 ? [""] : clusters(count - 1).flatMap { before in "vxl!".map { before + String($0) } }
        }
        for rest in (1...5).flatMap(clusters) {
            for last in "vxl" {
                let isAllowed = try obstacle("L" + rest + String(last)) == nil
                #expect(isAllowed == rest.allSatisfy { $0 == "v" }, "L\(rest)\(last)")
            }
        }
        #expect(try obstacle("Lv") != nil && obstacle("Ll") == nil)
    }

    @Test(
        "an alarm of the one that goes does not hinder, one of another does",
        arguments: ["CORRUPT", "NOSPACE", "alarm 9"]
    )
    func alarms(kind: String) throws {
        check(try obstacle("Lvv") { $0[0].alarms = ["\(kind) on member 3"] }, nil, kind)
        check(try obstacle("Lvv") { $0[0].alarms = ["\(kind) on member 2"] }, "alarm \(kind) on member 2", kind)
        let both = ["\(kind) on member 2", "\(kind) on member 3"]
        check(try obstacle("Lvv") { $0[1].alarms = both }, "alarm \(kind) on member 2", kind)
        // An id that ends like the other one is another member.
        check(try obstacle("Lvv") { $0[0].alarms = ["\(kind) on member 13"] }, "on member 13", kind)
    }

    @Test("split brain among the others, and releases that corrupt data, hinder; the one that goes may serve anything")
    func clusters() throws {
        check(try obstacle("Lvv") { $0[1].clusterID = 7 }, "split brain", "other")
        check(try obstacle("Lvv") { $0[2].clusterID = 7 }, nil, "own")
        check(try obstacle("Lvv") { $0[1].version = "3.5.1" }, "runs etcd 3.5.1", "other")
        check(try obstacle("Lvv") { $0[2].version = "3.5.1" }, nil, "own")
    }

    @Test("a member that is on no host of the inventory hinders, even while there is quorum")
    func elsewhere() throws {
        // Of five members the inventory has the first four, and m4 goes.
        check(
            try obstacle("Lvvvv") { $0.removeLast() },
            "another member is on no host of the inventory: m5 (5, https://10.0.0.5:2380)",
            "five"
        )
    }
}
