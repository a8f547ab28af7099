import BackupStore
import ClusterModel
import ClusterSteps
import Foundation
import RemoteShell
import RunEngine
import TestSupport
import Testing

/// What is collected of a host, by the scripts themselves in a real shell.
@Suite("Collecting files, in a real shell")
struct CollectFilesShellTests {
    private let host: HostTree
    private let paths: ClusterPaths

    init() throws {
        host = try HostTree(try #require(HostName("master1")))
        var paths = ClusterPaths()
        paths.kubernetes = host.root + "/etc/kubernetes"
        paths.pki = host.root + "/etc/kubernetes/pki"
        paths.etcdData = host.root + "/var/lib/etcd"
        paths.haproxy = host.root + "/etc/haproxy/haproxy.cfg"
        paths.keepalived = host.root + "/etc/keepalived/keepalived.conf"
        paths.nginx = host.root + "/etc/nginx/nginx.conf"
        self.paths = paths
    }

    /// A master as kubeadm 1.31 leaves it, its absolute paths led into the tree.
    private func makeMaster() throws {
        for name in Fixtures.names(in: "shell/etc/kubernetes/manifests") {
            let text = String(decoding: Fixtures.bytes("shell/etc/kubernetes/manifests/\(name)") ?? [], as: UTF8.self)
            let moved = ["/etc/", "/var/", "/usr/"].reduce(text) { text, folder in
                text.replacing("=\(folder)", with: "=\(host.root)\(folder)")
                    .replacing("path: \(folder)", with: "path: \(host.root)\(folder)")
            }
            try host.write("/etc/kubernetes/manifests/\(name)", moved)
        }
        for file in ["admin.conf", "pki/ca.crt", "pki/etcd/ca.crt", "pki/sa.pub", "tmp/etcd-backup/snap.db"] {
            try host.write("/etc/kubernetes/\(file)", "12345")
        }
        try host.write("/var/lib/etcd/member/snap/db", String(repeating: "x", count: 10_000))
        try host.write("/var/lib/kubelet/config.yaml", "12345")
        try host.write("/etc/containerd/config.toml", "12345")
        try host.write("/etc/audit/policy.yaml", "12345")
        try host.write("/etc/ssl/certs/ca.pem", "12345")
    }

    /// What is found, with the paths of the tree as the host would call them.
    private func found(_ kind: CollectableFiles.Kind) async throws -> (paths: [String], files: Int, missing: [String]) {
        let fact = CollectableFiles(kind: kind, paths: paths)
        let value = try fact.parse(try await host.run(fact.command))
        func inner(_ path: String) -> String {
            path.hasPrefix(host.root) ? String(path.dropFirst(host.root.count)) : path
        }
        return (value.paths.map(inner), value.files, value.missing.map(inner))
    }

    @Test("a master's files: kubeadm's folders, the kubelet, the runtime, and what the manifests name; not etcd's data")
    func controlPlane() async throws {
        defer { host.remove() }
        try makeMaster()
        let manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml"
        let text = try String(contentsOfFile: host.root + manifest, encoding: .utf8)
        let flag = "    - --audit-policy-file=@/etc/audit/policy.yaml\n    image:"
        try host.write(manifest, text.replacing("    image:", with: flag))
        let value = try await found(.controlPlane)
        #expect(
            value.paths == [
                "/etc/audit/policy.yaml", "/etc/containerd/config.toml", "/etc/kubernetes",
                "/var/lib/kubelet/config.yaml",
            ]
        )
        #expect(value.missing == [])
        // Four manifests, four files of kubernetes without its tmp, and three others.
        #expect(value.files == 11)
    }

    @Test("what every master has and this one has not is named")
    func missing() async throws {
        defer { host.remove() }
        try makeMaster()
        try FileManager.default.removeItem(atPath: host.root + "/etc/kubernetes/admin.conf")
        try FileManager.default.removeItem(atPath: host.root + "/etc/kubernetes/pki")
        #expect(try await found(.controlPlane).missing == ["/etc/kubernetes/pki/ca.crt", "/etc/kubernetes/admin.conf"])
    }

    @Test("an external etcd host: its PKI, its unit, and every file its process was given; not its data")
    func etcd() async throws {
        defer { host.remove() }
        try host.write("/etc/kubernetes/pki/ca.crt", "1")
        try host.write("/etc/default/etcd", "1")
        try host.write("/srv/tls/server.crt", "1")
        try host.write("/srv/tls/server.key", "1")
        try host.write("/var/lib/etcd/member/snap/db", "1")
        try host.process(
            9,
            "etcd",
            ["etcd", "--cert-file=\(host.root)/srv/tls/server.crt", "--data-dir=\(host.root)/var/lib/etcd"],
            environment: [
                "ETCD_KEY_FILE=\(host.root)/srv/tls/server.key", "ETCD_WAL_DIR=\(host.root)/var/lib/etcd/wal",
            ]
        )
        #expect(
            try await found(.etcd).paths == [
                "/etc/default/etcd", "/etc/kubernetes/pki", "/srv/tls/server.crt", "/srv/tls/server.key",
            ]
        )
    }

    @Test("a load balancer: its configuration folders, what it was started with, and the scripts keepalived calls")
    func loadBalancer() async throws {
        defer { host.remove() }
        try host.write("/etc/haproxy/haproxy.cfg", "1")
        try host.write("/etc/keepalived/keepalived.conf", "vrrp_script chk {\n  script \"@/opt/check.sh 3\"\n}\n")
        try host.write("/opt/check.sh", "1", mode: 0o755)
        try host.write("/srv/haproxy/extra.cfg", "1")
        try host.write("/etc/sysctl.d/vip.conf", "net.ipv4.ip_nonlocal_bind = 1\n")
        try host.process(
            3,
            "haproxy",
            ["haproxy", "-f", "\(host.root)/etc/haproxy/haproxy.cfg", "-f", "\(host.root)/srv/haproxy/extra.cfg"]
        )
        #expect(
            try await found(.loadBalancer).paths == [
                "/etc/haproxy", "/etc/keepalived", "/etc/sysctl.d/vip.conf", "/opt/check.sh", "/srv/haproxy/extra.cfg",
            ]
        )
    }

    @Test("a host that has nothing says so")
    func nothing() async throws {
        defer { host.remove() }
        let value = try await found(.loadBalancer)
        #expect(value.paths == [] && value.files == 0 && value.missing == ["/etc/haproxy/haproxy.cfg"])
    }
}
