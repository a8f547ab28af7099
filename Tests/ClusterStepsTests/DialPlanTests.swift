import ClusterModel
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("Whom hosts dial")
struct DialPlanTests {
    private func dials(_ name: String, in cluster: Cluster) throws -> [String] {
        let host = try #require(cluster.hosts.first { $0.name.text == name })
        return DialPlan(of: host, in: cluster).dials.map { "\($0.host?.text ?? $0.address):\($0.port)" }
    }

    private func cluster(_ topology: EtcdTopology, vip: String?, _ hosts: [ClusterModel.Host]) -> Cluster {
        Cluster(id: Cluster.sample().id, topology: topology, vip: vip, apiPort: 8443, hosts: hosts)
    }

    @Test("the number of dials grows with the number of workers, not with its square")
    func linear() {
        func count(_ workers: Int) -> Int {
            let hosts = Cluster.sample(workers: workers).hosts
            let cluster = cluster(.stacked, vip: "10.0.9.9", hosts)
            return hosts.reduce(0) { $0 + DialPlan(of: $1, in: cluster).dials.count }
        }
        #expect(count(100) - count(0) == 100 * (3 + 1))
        #expect(count(100) == 427)
    }

    @Test("no host dials itself")
    func others() {
        let cluster = cluster(.stacked, vip: nil, Cluster.sample().hosts)
        for host in cluster.hosts {
            #expect(!DialPlan(of: host, in: cluster).dials.contains { $0.host == host.name })
        }
    }

    @Test("the API is at the VIP, else at the load balancers, else at the masters")
    func api() throws {
        let hosts = Cluster.sample(masters: 2, workers: 1).hosts
        #expect(try dials("worker1", in: cluster(.stacked, vip: "10.0.9.9", hosts)) == ["10.0.9.9:8443"])
        #expect(try dials("worker1", in: cluster(.stacked, vip: nil, hosts)) == ["lb1:8443", "lb2:8443"])
        let bare = Cluster.sample(masters: 2, workers: 1, loadBalancers: 0).hosts
        #expect(try dials("worker1", in: cluster(.stacked, vip: nil, bare)) == ["master1:6443", "master2:6443"])
    }

    @Test("external etcd is dialled by masters as a client and by its own members as peers")
    func external() throws {
        let names = ["etcd1", "etcd2"]
        let etcd = names.compactMap { HostName($0) }.map {
            ClusterModel.Host(name: $0, role: .etcd, ssh: SSHSettings(address: $0.text))
        }
        let cluster = cluster(.external, vip: "10.0.9.9", Cluster.sample(masters: 2, workers: 0).hosts + etcd)
        let expected = ["etcd1:2379", "etcd2:2379", "10.0.9.9:8443", "master2:10250"]
        #expect(try dials("master1", in: cluster) == expected)
        #expect(try dials("etcd1", in: cluster) == ["etcd2:2380"])
        #expect(try dials("lb1", in: cluster) == ["master1:6443", "master2:6443"])
    }
}
