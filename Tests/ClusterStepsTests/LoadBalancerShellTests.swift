import ClusterModel
import Foundation
import RemoteShell
import RunEngine
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("Asking load balancers, in a real shell")
struct LoadBalancerShellTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "rollbook-lb-\(UUID().uuidString)")

    private func put(_ text: String, _ path: String) throws {
        let url = folder.appending(path: path)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    private func answer(_ fact: some Fact) async throws -> ProbeBatch.Answer {
        let transport = LocalTransport(
            host: try #require(HostName("lb1")),
            folder: folder.appending(path: "host").path,
            replacing: [
                ("/proc/[0-9]*", "'\\''\(folder.path)'\\''/processes/[0-9]*"),
                ("me=${me%%.*}", "me=lb1"),
            ]
        )
        let result = try await FramedConnection(transport, become: .no).run(fact.command)
        #expect(result.succeeded, "\(result.errorOutput.text)")
        return ProbeBatch.Answer(exitCode: 0, output: Array(result.output.text.utf8))
    }

    @Test("includes are followed, other hosts' lines left out, and no password leaves the host")
    func keepalived() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        try put(
            """
            @lb1 $PRIO=110
            @lb2 $PRIO=90
            vrrp_script chk {   # what it is
                script "/usr/bin/sh -c { true"
                weight -20
            }
            smtp_password topsecret
            include conf.d/*.conf
            """,
            "keepalived.conf"
        )
        try put(
            """
            vrrp_instance V
            {
                @lb1 state MASTER
                @^lb1 state BACKUP
                virtual_router_id 51
                priority $PRIO
                authentication {
                    auth_type PASS
                    auth_pass "hush1234" ! do not tell
                }
                include ../peers
                virtual_ipaddress { 10.9.9.9/32 dev eth0 }
                track_script { chk }
            }
            """,
            "conf.d/10.conf"
        )
        try put("unicast_peer { 10.0.3.2 }\n", "peers")
        try put("include keepalived.conf\n", "conf.d/again.conf")
        var paths = ClusterPaths()
        paths.haproxy = folder.appending(path: "haproxy.cfg").path
        paths.keepalived = folder.appending(path: "keepalived.conf").path
        paths.nginx = folder.appending(path: "nginx.conf").path
        let answer = try await answer(LoadBalancerState(paths))
        #expect(!answer.text.contains("hush") && !answer.text.contains("topsecret"))
        let instance = try #require(try LoadBalancerState(paths).parse(answer).vrrp.instance(of: "10.9.9.9"))
        #expect(instance.state == "MASTER")
        #expect(instance.priority == 110)
        #expect(instance.routerID == 51)
        #expect(instance.unicastPeers == ["10.0.3.2"])
        #expect(instance.authDigest?.utf8.count == 4)
        #expect(instance.tracks == [KeepalivedConfiguration.Track(name: "chk", weight: -20)])
    }

    @Test("HAProxy's files are those that the running one was started with, folders too")
    func haproxy() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let place = folder.path
        try put("listen a\n bind :6443\n stats auth admin:topsecret\n", "haproxy.cfg")
        try put(" server m1 10.0.1.1:6443 check\n", "conf.d/10.cfg")
        try put("listen b\n", "conf.d/10.cfg.old")
        try put("haproxy\n", "processes/7/comm")
        try put("haproxy\0-f\0/gone/haproxy.cfg\0", "processes/7/cmdline")
        try put("haproxy\n", "processes/8/comm")
        try put("haproxy\0-Ws\0-f\0\(place)/haproxy.cfg\0-f\0\(place)/conf.d\0", "processes/8/cmdline")
        let fact = LoadBalancerState(ClusterPaths())
        let answer = try await answer(fact)
        #expect(!answer.text.contains("topsecret"))
        let value = try fact.parse(answer)
        #expect(value.haproxyOptions == "-f \(place)/haproxy.cfg -f \(place)/conf.d")
        let section = try #require(value.backends.behind(6443).first)
        #expect(value.backends.sections.count == 1)
        #expect(section.servers.map(\.address) == ["10.0.1.1"])
        #expect(section.servers.map(\.isChecked) == [true])
    }

    @Test("a port of this machine where nobody listens refuses, and every dial is told of")
    func dialled() async throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let hosts = ["127.0.0.1", "127.0.0.2"].enumerated().compactMap { index, address in
            HostName("master\(index)").map {
                ClusterModel.Host(name: $0, role: .master, ssh: SSHSettings(address: address))
            }
        }
        // Port 1 (tcpmux) is nobody's.
        let balancer = ClusterModel.Host(
            name: try #require(HostName("lb1")),
            role: .loadBalancer,
            ssh: SSHSettings(address: "127.0.0.3")
        )
        let worker = ClusterModel.Host(
            name: try #require(HostName("worker1")),
            role: .worker,
            ssh: SSHSettings(address: "127.0.0.4")
        )
        let cluster = Cluster(id: Cluster.sample().id, apiPort: 1, hosts: hosts + [worker, balancer])
        let plan = DialPlan(of: worker, in: cluster)
        let value = try DialledPorts(plan).parse(try await answer(DialledPorts(plan)))
        #expect(value.missing == nil)
        #expect(plan.dials.map { value.outcome(of: $0) } == [.refused])
    }
}
