import ClusterModel
import Foundation
import Testing

@testable import Manifests

@Suite("Inventories of Ansible and Kubespray")
struct AnsibleImportTests {
    private func imported(_ text: String, id: String? = nil) throws -> ImportedInventory {
        try ImportedInventory(try AnsibleInventory(Array(text.utf8), from: "hosts"), id: id, from: "hosts")
    }

    private func fixture(_ name: String) throws -> ImportedInventory {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/ansible")
        return try imported(String(contentsOf: folder.appending(path: name), encoding: .utf8))
    }

    private func loaded(_ imported: ImportedInventory) throws -> Cluster {
        try InventoryLoader.load(Array(imported.text.utf8), path: "inventory.yaml", context: .sample).cluster
    }

    @Test("Kubespray's INI: roles, addresses inside and outside, ports, jump hosts, ranges")
    func ini() throws {
        let result = try fixture("kubespray.ini")
        let cluster = try loaded(result)
        #expect(cluster.id.text == "cluster.local")
        #expect(cluster.hosts(in: .master).map(\.name.text) == ["node1", "node2", "node3"])
        #expect(
            cluster.hosts(in: .worker).map(\.name.text) == ["node4"],
            "a master that is a worker too stays a master"
        )
        #expect(cluster.topology == .stacked)
        #expect(cluster.networks.pods == "10.233.64.0/18" && cluster.networks.services == "10.233.0.0/18")
        let first = try #require(cluster.hosts.first)
        #expect(first.ssh.address == "95.54.0.12" && first.clusterAddress == "10.3.0.1" && first.ssh.user == "kube")
        #expect(cluster.hosts[2].ssh.port == 2222)
        #expect(cluster.hosts[3].ssh.jump.map(\.name) == ["ops@bastion.example:22"])
    }

    @Test("what does not come along is said, and a password is never repeated")
    func leftOut() throws {
        let left = try fixture("kubespray.ini").leftOut
        #expect(left.contains("etcd_member_name=etcd1 of node1"))
        #expect(left.contains("group of workers: node3 has a role already"))
        #expect(left.contains("host spare: is in no group that is a role"))
        #expect(left.contains { $0.contains("ansible_ssh_pass of node3: passwords are not carried over") })
        #expect(!left.joined().contains("s e#cret"))
        #expect(left.contains("no VIP: give cluster.vip, if there is one"))
    }

    @Test("variables of groups that have no place here are listed as those of hosts are, those of files by their names")
    func leftOutOfGroups() throws {
        let text = """
            [masters]
            m1
            [masters:vars]
            kube_proxy_mode=ipvs
            vault_Token=s3cr3t
            cluster_name=elsewhere
            [all:vars]
            ansible_user=ops
            cluster_name=here
            """
        var source = try AnsibleInventory(Array(text.utf8), from: "hosts")
        let file =
            "bin_dir: /opt/bin\nkube_network_plugin: calico\nregistry_pass: s3cr3t\nkube_pods_subnet: 10.1.0.0/16\n"
        try source.addFile(Array(file.utf8), from: "group_vars/all.yml", of: "all")
        let result = try ImportedInventory(source, id: nil, from: "hosts")
        #expect(
            result.leftOut == [
                "group_vars/all.yml: kube_network_plugin, registry_pass",
                "cluster_name=elsewhere of group masters: is taken from the groups all and k8s_cluster only",
                "kube_proxy_mode=ipvs of group masters",
                "vault_Token of group masters: passwords are not carried over; see becomePasswordFile and identityFile",
                "bin_dir=/opt/bin of group all", "no VIP: give cluster.vip, if there is one",
            ]
        )
        let cluster = try loaded(result)
        #expect(cluster.id.text == "here" && cluster.networks.pods == "10.1.0.0/16")
    }

    @Test("YAML with an etcd of its own, a VIP, load balancers, a template and a proxy command")
    func yaml() throws {
        let result = try fixture("kubespray.yaml")
        let cluster = try loaded(result)
        #expect(cluster.id.text == "prod-west")
        #expect(cluster.topology == .external && cluster.hosts(in: .etcd).map(\.name.text) == ["db-1"])
        #expect(cluster.vip == "192.0.2.100" && cluster.apiPort == 8443)
        let balancer = try #require(cluster.hosts(in: .loadBalancer).first)
        #expect(balancer.ssh.jump.map(\.name) == ["ops@jump.example"])
        #expect(cluster.hosts.first { $0.name.text == "cp-c" }?.ssh.user == "root")
        #expect(cluster.hosts(in: .worker).first?.clusterAddress == "192.0.2.21")
        #expect(result.leftOut.contains { $0.contains("'{{ lookup('env', 'W1') }}' is a template") })
        #expect(result.leftOut.contains { $0.contains("node_labels of host cp-c") })
    }

    @Test("a group without a role's name is refused with the names that are there")
    func noMasters() {
        #expect { try imported("[web]\na\n[db]\nb\n") } throws: { error in
            let message = error as? OperatorMessage
            return message?.code == .invalidInput && "\(error)".contains("web, db")
        }
    }

    @Test(
        "ranges, quotes and heads of INI",
        arguments: [
            ("[masters]\nm[01:03]\n", ["m01", "m02", "m03"]), ("[masters]\nm[a:c]\n", ["ma", "mb", "mc"]),
            ("[masters]\nm[1:5:2].x\n", ["m1.x", "m3.x", "m5.x"]), ("[masters]\na b='c d' # e\n; f\n", ["a"]),
            ("m9\n[masters]\na:2200\n", ["a"]),
        ]
    )
    func ranges(text: String, names: [String]) throws {
        #expect(try loaded(imported(text)).hosts.map(\.name.text) == names)
    }

    @Test(
        "what is broken is refused with its line",
        arguments: [
            "[masters\na\n", "[masters]\na b\n", "[masters]\nm[1:x]\n", "[masters]\nm[1:99999999]\n",
            "[masters:odd]\na\n",
            "", "# nothing\n", "all:\n  - x\n", "all: &a\n  children:\n    b: *a\n", "all: [\n",
        ]
    )
    func broken(text: String) {
        #expect { try imported(text) } throws: { ($0 as? OperatorMessage)?.code == .invalidInput }
    }

    @Test("any text gives an inventory or a refusal, and what is given is one that the loader reads")
    func hostile() throws {
        var random = SplitMix64(seed: 7)
        let seed = try Array(
            String(
                contentsOf: URL(filePath: #filePath).deletingLastPathComponent()
                    .appending(path: "Fixtures/ansible/kubespray.ini"),
                encoding: .utf8
            ).utf8
        )
        var refused = 0
        for _ in 0..<400 {
            var bytes = seed
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            guard let result = try? ImportedInventory(AnsibleInventory(bytes, from: "f"), id: "x", from: "f") else {
                refused += 1
                continue
            }
            // The loader may find a name or an address that cannot be; it must not find another structure.
            do { _ = try loaded(result) } catch { #expect(!"\(error)".contains("unknown key"), "\(result.text)") }
        }
        #expect(refused < 400)
    }
}
