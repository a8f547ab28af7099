import ClusterModel
import RunEngine
import TestSupport
import Testing

@Suite("Host selectors")
struct HostSelectorTests {
    private static let cluster = Cluster.sample()

    private func picked(_ text: String) throws -> [String] {
        try HostSelector(text).hosts(in: Self.cluster).map(\.name.text)
    }

    @Test(
        "a selector picks its hosts, in the order of the inventory",
        arguments: [
            ("all", "master1 master2 master3 worker1 worker2 lb1 lb2"), ("masters", "master1 master2 master3"),
            ("workers", "worker1 worker2"), ("loadBalancers", "lb1 lb2"), ("etcd", "master1 master2 master3"),
            ("master2", "master2"), ("masters[0]", "master1"), ("masters[2]", "master3"),
            ("masters[1:]", "master2 master3"), ("masters[:2]", "master1 master2"), ("masters[1:2]", "master2"),
            ("masters[:]", "master1 master2 master3"), ("masters[1:1]", ""), ("masters[5:9]", ""),
            ("masters[2:1]", ""), ("all:!masters", "worker1 worker2 lb1 lb2"), ("workers:!worker1", "worker2"),
            ("lb1:master1", "master1 lb1"), ("workers:masters[0]:!worker2", "master1 worker1"),
            ("all:!masters[1:]", "master1 worker1 worker2 lb1 lb2"), ("masters:!masters", ""),
            ("masters:!master1:master1", "master1 master2 master3"), ("controller", ""), ("controller:lb1", "lb1"),
            ("lb1:!controller", "lb1"),
        ]
    )
    func picks(selector: String, expected: String) throws {
        #expect(try picked(selector).joined(separator: " ") == expected)
    }

    @Test(
        "the controller is picked by name only, and an exclusion takes it away",
        arguments: [
            ("controller", true), ("controller:masters", true), ("all", false), ("masters:!controller", false),
            ("controller:!controller", false), ("all:!controller:controller", true),
        ]
    )
    func controller(selector: String, expected: Bool) throws {
        #expect(try HostSelector(selector).picksController == expected)
    }

    @Test("external etcd has hosts of its own")
    func external() throws {
        let sample = Cluster.sample(masters: 1, workers: 0, loadBalancers: 0)
        let name = try #require(HostName("etcd1"))
        let etcd = Host(name: name, role: .etcd, ssh: SSHSettings(address: "10.0.4.1"))
        let cluster = Cluster(id: sample.id, topology: .external, hosts: sample.hosts + [etcd])
        #expect(try HostSelector("etcd").hosts(in: cluster).map(\.name.text) == ["etcd1"])
    }

    @Test(
        "what cannot be read, or names nothing, is refused and says why",
        arguments: [
            ("", "an empty term"), ("masters:", "an empty term"), ("!masters", "begins with an exclusion"),
            ("masters[", "open bracket"), ("masters[]", "empty brackets"), ("masters[x]", "not an index"),
            ("masters[-1]", "not an index"), ("masters[1:2:3]", "more than one colon"), ("masters[3]", "there are 3"),
            ("master", "did you mean 'master1'"), ("nothing-like-it", "no host or group"),
            ("masters]", "no host or group"),
            ("masters[+1]", "not an index"), ("masters[0][0]", "not an index"), ("controller[0]", "is one place"),
        ]
    )
    func refused(selector: String, reason: String) {
        do {
            let picked = try picked(selector)
            Issue.record("'\(selector)' picked \(picked)")
        } catch {
            #expect("\(error)".contains(reason), "\(error)")
        }
    }

    @Test("any selector picks hosts once, in inventory order, and an exclusion takes away exactly its hosts")
    func properties() throws {
        var random = SplitMix64(seed: 7)
        let groups = ["all", "masters", "workers", "loadBalancers", "etcd", "master2", "lb1"]
        for _ in 0..<2000 {
            func term() -> String {
                let base = groups.randomElement(using: &random) ?? "all"
                guard Bool.random(using: &random) else { return base }
                let from = Int.random(in: 0...4, using: &random)
                return "\(base)[\(from):\(Int.random(in: 0...4, using: &random))]"
            }
            let plus = [term(), term()]
            let minus = term()
            let names = try picked(plus.joined(separator: ":") + ":!" + minus)
            let union = Set(try plus.flatMap { try picked($0) })
            let expected = Self.cluster.hosts.map(\.name.text).filter { union.contains($0) }
            let taken = Set(try picked(minus))
            #expect(names == expected.filter { !taken.contains($0) })
        }
    }
}
