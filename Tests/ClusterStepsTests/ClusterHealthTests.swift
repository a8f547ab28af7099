import ClusterModel
import RunEngine
import TestSupport
import Testing

@testable import ClusterSteps

/// Makes clusters out of short words: `etcd` as `Members` reads it, `api` with `r` ready and `x` not, `balancers` with `H` holds the
/// VIP, `s` stands by, `x` haproxy stopped, `k` keepalived stopped, `b` not enabled at boot; hosts in `away` do not answer.
private struct Scene {
    var etcd = "Lvv"
    var api = "rrr"
    var balancers = "Hs"
    var away: Set<String> = []
    var topology = EtcdTopology.stacked
    var vip: String? = "10.0.3.100"
    var why = ExitCode.unreachable
    var change: (inout [EtcdStatus.Value]) -> Void = { _ in }

    var health: ClusterHealth {
        let sample = Cluster.sample(masters: api.count, workers: 1, loadBalancers: balancers.count)
        let members = topology == .external ? Array(etcd.indices) : []
        let own = members.enumerated().compactMap { index, _ in
            HostName("etcd\(index + 1)").map {
                Host(name: $0, role: .etcd, ssh: SSHSettings(address: "10.0.4.\(index + 1)"))
            }
        }
        let cluster = Cluster(id: sample.id, topology: topology, vip: vip, hosts: sample.hosts + own)
        var statuses = Members.health(etcd, change).statuses.map(\.status).makeIterator()
        var ready = api.makeIterator()
        var kinds = balancers.makeIterator()
        return ClusterHealth(
            cluster,
            cluster.hosts.map { host in
                var seen = HostObservation(host: host)
                if HostObservation.runsEtcd(host, in: cluster) { seen.etcd = statuses.next() }
                if host.role == .master {
                    seen.api = APIServerReadiness.Value(problem: ready.next() == "r" ? nil : "connection refused")
                }
                if host.role == .loadBalancer, let kind = kinds.next() {
                    seen.balancer = Self.balancer(kind)
                    seen.addresses = Self.addresses(holds: kind == "H")
                }
                guard away.contains(host.name.text) else { return seen }
                var silent = HostObservation(host: host)
                silent.failure = OperatorMessage(why, at: host.name.text, "no answer within 10 s")
                return silent
            }
        )
    }

    private static func balancer(_ kind: Character) -> LoadBalancerState.Value {
        func unit(_ program: LoadBalancerState.Program, _ isActive: Bool) -> LoadBalancerState.Unit {
            LoadBalancerState.Unit(
                program: program,
                isInstalled: program != .nginx,
                isConfigured: program != .nginx,
                state: UnitState([
                    program.rawValue, isActive ? "active" : "inactive", kind == "b" ? "disabled" : "enabled",
                ]),
                verdict: nil
            )
        }
        return LoadBalancerState.Value(
            units: [unit(.haproxy, kind != "x"), unit(.keepalived, kind != "k"), unit(.nginx, false)],
            haproxyOptions: "",
            backends: HAProxyBackends([]),
            vrrp: KeepalivedConfiguration([]),
            bindsForeignAddresses: false
        )
    }

    private static func addresses(holds: Bool) -> HostAddresses.Value {
        HostAddresses.Value(
            addresses: holds ? [HostAddresses.Address(link: "eth0", prefix: "10.0.3.100/32")] : [],
            isKnown: true,
            keepalived: UnitState(["keepalived", "active", "enabled"]),
            isConfigured: true
        )
    }
}

@Suite("Health of a cluster")
struct ClusterHealthTests {
    /// masters, load balancers, etcd members that can be lost.
    private func expect(_ scene: Scene, _ verdict: ClusterHealth.Verdict, _ losses: (Int, Int?, Int), _ code: ExitCode)
    {
        let health = scene.health
        #expect(health.verdict == verdict, "\(scene): \(health.outages) \(health.down) \(health.wrong)")
        #expect(health.spareMasters == losses.0, "\(scene)")
        #expect(health.spareBalancers == losses.1, "\(scene)")
        #expect(health.spareMembers == losses.2, "\(scene)")
        #expect(health.exitCode == code, "\(scene)")
    }

    @Test("all well: as much can be lost as quorum, API servers and load balancers allow")
    func well() {
        expect(Scene(), .well, (1, 1, 1), .done)
        expect(Scene(etcd: "Lvvvv", api: "rrrrr", balancers: "Hss"), .well, (2, 2, 2), .done)
        expect(Scene(etcd: "L", api: "r", balancers: "H"), .well, (0, 0, 0), .done)
        expect(Scene(balancers: "", vip: nil), .well, (1, nil, 1), .done)
        expect(Scene(balancers: "kk", vip: nil), .well, (1, 1, 1), .done)
    }

    @Test("external etcd does not limit how many masters can be lost")
    func external() {
        expect(Scene(topology: .external), .well, (2, 1, 1), .done)
        expect(Scene(etcd: "Lvx", topology: .external), .degraded, (2, 1, 0), .partial)
        expect(Scene(etcd: "Lxx", topology: .external), .down, (0, 0, 0), .refused)
    }

    @Test("one member, API server or load balancer down: it works, and less can be lost")
    func degraded() {
        expect(Scene(etcd: "Lvx"), .degraded, (0, 1, 0), .partial)
        expect(Scene(api: "rrx"), .degraded, (1, 1, 1), .partial)
        expect(Scene(api: "rxx"), .degraded, (0, 1, 1), .partial)
        expect(Scene(balancers: "Hx"), .degraded, (1, 0, 1), .partial)
        expect(Scene(balancers: "Hk"), .degraded, (1, 0, 1), .partial)
        expect(Scene(balancers: "Hb"), .degraded, (1, 1, 1), .partial)
        expect(Scene(away: ["worker1"]), .degraded, (1, 1, 1), .partial)
        expect(Scene(away: ["lb2"]), .degraded, (1, 0, 1), .partial)
        expect(Scene(away: ["lb1"]), .degraded, (1, 0, 1), .partial)
        expect(Scene(away: ["master3"]), .degraded, (0, 1, 0), .partial)
        expect(Scene(etcd: "Lvvl", api: "rrrr"), .degraded, (1, 1, 1), .partial)
    }

    @Test("no quorum, no API server, no load balancer or no VIP: it does not serve, and that is said first")
    func down() {
        expect(Scene(etcd: "!xx"), .down, (0, 0, 0), .refused)
        #expect(Scene(etcd: "!xx").health.outages == ["etcd has no quorum (0 of 3 members healthy, 2 needed)"])
        expect(Scene(api: "xxx"), .down, (0, 0, 0), .refused)
        #expect(Scene(api: "xxx").health.outages == ["no API server is ready"])
        expect(Scene(balancers: "xx"), .down, (0, 0, 0), .refused)
        expect(Scene(balancers: "ss"), .down, (0, 0, 0), .refused)
        #expect(Scene(balancers: "ss").health.outages == ["nobody holds the VIP 10.0.3.100"])
    }

    @Test("members out of sight are no lost quorum where one answers what only quorum can")
    func outOfSight() {
        let scene = Scene(away: ["master2", "master3"])
        expect(scene, .degraded, (0, 1, 0), .partial)
        expect(Scene(etcd: "!vv", away: ["master2", "master3"]), .down, (0, 0, 0), .refused)
    }

    @Test("when no host answers nothing is claimed, and the code says why; a changed host key comes first")
    func unknown() {
        let all: Set = ["master1", "master2", "master3", "worker1", "lb1", "lb2"]
        expect(Scene(away: all), .unknown, (0, 0, 0), .unreachable)
        expect(Scene(away: ["worker1"], why: .security), .degraded, (1, 1, 1), .security)
        expect(Scene(etcd: "!xv", away: ["master3"], why: .security), .down, (0, 0, 0), .security)
    }

    @Test("what is down is told once for a host that does not answer, and by its part for one that does")
    func told() {
        func lines(_ findings: [ClusterHealth.Finding]) -> [String] {
            findings.map { "\($0.host?.text ?? "cluster"): \($0.what)" }
        }
        #expect(lines(Scene(away: ["master3"]).health.down) == ["master3: does not answer: no answer within 10 s"])
        #expect(lines(Scene(away: ["master3"]).health.wrong) == [])
        let part = Scene(etcd: "Lvx", api: "rrx", balancers: "Hx").health
        #expect(
            lines(part.down) == [
                "master3: etcd: no etcd process", "master3: API server: connection refused",
                "lb2: haproxy is not running (inactive)",
            ]
        )
        #expect(lines(part.wrong) == [])
        #expect(
            lines(Scene(balancers: "HH").health.wrong) == ["cluster: the VIP 10.0.3.100 is on lb1 and on lb2 at once"]
        )
        #expect(lines(Scene(balancers: "Hb").health.wrong).count == 2)
    }

    @Test("a database near its quota, a learner and a split brain are wrong though all is up")
    func wrong() {
        let full = Scene(change: { $0[1].databaseBytes = 2 << 30 }).health
        #expect(full.verdict == .degraded && full.wrong.map(\.host?.text) == ["master2"])
        #expect(full.wrong[0].what.hasSuffix("100 % of the quota of 2.0 GiB"), "\(full.wrong)")
        let learner = Scene(etcd: "Lvvl", api: "rrrr").health
        #expect(learner.wrong.map(\.what) == ["member m4 is still a learner"])
        let split = Scene(change: { $0[2].clusterID = 7 }).health
        #expect(split.verdict == .degraded && split.spareMembers == 0 && split.spareMasters == 0)
        #expect(split.wrong.contains { $0.what.contains("split brain") })
    }
}
