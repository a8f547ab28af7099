import ClusterModel
import Manifests
import Testing

@Suite("Large inventories")
struct LargeInventoryTests {
    /// 5,000 workers in block style, each with an override and labels, behind two load balancers.
    static func text(hosts: Int) -> String {
        var text = """
            format: 1
            cluster:
              id: large
              vip: 10.0.0.100
              networks: { nodes: 10.0.0.0/12, pods: 10.244.0.0/16, services: 10.96.0.0/12 }
            ssh:
              user: ops
              identityFile: ~/.ssh/id_ed25519
              jump: [lb1]
            masters:
              - { name: master1, address: 10.0.0.1 }
              - { name: master2, address: 10.0.0.2 }
              - { name: master3, address: 10.0.0.3 }
            loadBalancers:
              - { name: lb1, address: 10.0.0.11 }
              - { name: lb2, address: 10.0.0.12 }
            workers:

            """
        for index in 0..<hosts {
            text += "  - name: worker-\(index)\n    address: 10.\(1 + index >> 16).\(index >> 8 & 255).\(index & 255)\n"
            text += "    labels:\n      rack: r\(index % 40)\n      zone: zone-\(index % 3)\n"
            text += "    ssh:\n      port: \(2000 + index % 100)\n      identityFile: keys/\(index % 7)\n"
        }
        return text
    }

    @Test("5,000 hosts are read in the order of the file, within the time of a debug build")
    func fiveThousand() throws {
        let bytes = Array(Self.text(hosts: 5000).utf8)
        var inventory: Inventory?
        let time = try ContinuousClock().measure {
            inventory = try InventoryLoader.load(bytes, path: "large.yaml", context: .sample)
        }
        let cluster = try #require(inventory).cluster
        #expect(cluster.hosts.count == 5005)
        #expect(cluster.hosts(in: .worker).map(\.name.text) == (0..<5000).map { "worker-\($0)" })
        #expect(cluster.hosts.last?.ssh.jump.map(\.name) == ["lb1"])
        #expect(cluster.host(named: HostName.controller) == nil)
        #expect(time < .seconds(10))
    }
}
