import ClusterModel
import RemoteShell
import RunEngine
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("Preflight's facts, in a real shell")
struct PreflightFactShellTests {
    private let tree: HostTree

    init() throws { tree = try HostTree(try #require(HostName("master1"))) }

    /// What openssl says of a certificate whose text is a year.
    private static let openssl = """
        case $1 in
        s_client) [ "$3" = 127.0.0.1:6444 ] && echo 2027; exit 0 ;;
        esac
        read -r year || exit 1
        [ "$year" -gt 0 ] 2>/dev/null || exit 1
        printf 'notBefore=Nov 21 06:55:16 2026 GMT\\nnotAfter=Jan  2 03:04:05 %s GMT\\n' "$year"
        printf 'sha256 Fingerprint=%s\\nissuer=CN = kubernetes\\n' "$year"
        """

    @Test("certificates are read in files, in kubeconfigs, and as the manifest's port serves them")
    func certificates() async throws {
        defer { tree.remove() }
        try tree.program("openssl", Self.openssl)
        try tree.write("/pki/ca.crt", "2036\n")
        try tree.write("/pki/ca.key", "key")
        try tree.write("/pki/own.crt", "2028\n")
        try tree.write("/pki/etcd/server.crt", "2029\n")
        try tree.write("/pki/etcd/peer.crt", "")
        let own = tree.root + "/pki/own.crt"
        try tree.write(
            "/kubernetes/manifests/kube-apiserver.yaml",
            "    - --tls-cert-file=\(own)\n    - --secure-port=6444\n"
        )
        try tree.write("/kubernetes/manifests/etcd.yaml", "    - --peer-cert-file=/nowhere/peer.crt\n")
        try tree.write("/kubernetes/admin.conf", "    client-certificate-data: MjAzMAo=\n")
        try tree.write("/kubernetes/kubelet.conf", "    client-certificate: \"/nowhere/current.pem\"\n")
        // It began 1000 s after the boot, 500 s ago, and its kubeconfig was written just now.
        try tree.write("/kubernetes/scheduler.conf", "")
        try tree.process(7, "kube-scheduler", ["kube-scheduler"])
        try tree.write("/proc/7/stat", "7 (kube-scheduler) S 1 7 7 0 -1 1 1 0 1 0 1 1 0 0 20 0 9 0 100000 1 1\n")
        try tree.write("/proc/uptime", "1500.00 1.00\n")
        try tree.program("getconf", "echo 100")
        var paths = ClusterPaths()
        paths.pki = tree.root + "/pki"
        paths.kubernetes = tree.root + "/kubernetes"
        let fact = HostCertificates(paths: paths, address: "127.0.0.1")
        let value = try fact.parse(try await tree.run(fact.command))

        let told = value.certificates.map { one in
            let name = one.path.split(separator: "/").last ?? ""
            return "\(one.place) \(name) \(one.port ?? 0) \(one.notAfter?.description.prefix(10) ?? "unreadable")"
        }
        #expect(
            told == [
                "file ca.crt 0 2036-01-02", "file own.crt 0 2028-01-02", "file peer.crt 0 unreadable",
                "file server.crt 0 2029-01-02", "kubeconfig admin.conf 0 2030-01-02", "served own.crt 6444 2027-01-02",
            ]
        )
        #expect(value.authorities == ["ca"])
        #expect(value.clients.map(\.process) == ["kube-scheduler"])
        #expect(value.clients.allSatisfy { (490...500).contains($0.newerBy) })
        #expect(
            value.missing.mapValues { $0.split(separator: "/").last } == [
                "/nowhere/current.pem": "kubelet.conf", "/nowhere/peer.crt": "etcd.yaml",
            ]
        )
    }

    @Test("names are looked up once each, the API's as the kubeconfigs have it, and addresses are not looked up")
    func names() async throws {
        defer { tree.remove() }
        try tree.program(
            "getent",
            """
            case $2 in
            k8s-api) printf '10.0.0.1 STREAM k8s-api\\n10.0.0.1 DGRAM\\nfd00::1 STREAM\\n' ;;
            registry.k8s.io) exit 2 ;;
            late) exit 124 ;;
            *) echo "127.0.0.1 STREAM $2" ;;
            esac
            """
        )
        try tree.write("/kubernetes/admin.conf", "    server: https://k8s-api:6443\n")
        try tree.write("/kubernetes/kubelet.conf", "    server: https://k8s-api:6443\n")
        try tree.write("/kubernetes/scheduler.conf", "    server: https://late\n")
        try tree.write("/kubernetes/controller-manager.conf", "    server: https://10.0.0.9:6443\n")
        try tree.write("/etc/resolv.conf", "domain old.example\nnameserver 10.0.0.53\nsearch a.example b.example\n")
        try tree.write("/var/lib/kubelet/config.yaml", "resolvConf: \"@/pods.conf\"\n")
        try tree.write("/pods.conf", "nameserver 10.0.0.54\n# nameserver 10.0.0.55\n")
        var paths = ClusterPaths()
        paths.kubernetes = tree.root + "/kubernetes"
        let fact = NameResolution(paths: paths)
        let value = try fact.parse(try await tree.run(fact.command))

        #expect(value.servers.map(\.name) == ["k8s-api", "k8s-api", "late"])
        #expect(value.lookups.filter { $0.name == "k8s-api" }.map(\.addresses) == [["10.0.0.1", "fd00::1"]])
        #expect(value.lookup("late").timedOut && !value.lookup("registry.k8s.io").timedOut)
        #expect(value.lookup("localhost").addresses == ["127.0.0.1"])
        #expect(Set(value.lookups.map(\.name)) == [value.hostname, "k8s-api", "late", "localhost", "registry.k8s.io"])
        #expect(value.resolver.nameservers == ["10.0.0.53"] && value.resolver.search == ["a.example", "b.example"])
        #expect(value.podResolver.nameservers == ["10.0.0.54"])
    }

    @Test("a clock is looked at with the uptime, behind whatever took time")
    func clock() async throws {
        defer { tree.remove() }
        try tree.program("timedatectl", "echo yes")
        try tree.program(
            "systemctl",
            "printf 'Id=chrony.service\\nLoadState=loaded\\nActiveState=active\\nUnitFileState=alias\\n'"
        )
        // The shell's own start and uptime are those of this machine.
        let path = "PATH=\(tree.root)/bin:"
        let transport = LocalTransport(
            host: try #require(HostName("master1")),
            folder: tree.root,
            replacing: [("PATH=/usr/local/sbin:", path)]
        )
        let result = try await FramedConnection(transport, become: .no).run(HostClock().command)
        var answer = ProbeBatch.Answer(exitCode: 0, output: result.output.bytes)
        answer.window = .seconds(1_000_000) ... .seconds(1_000_060)
        let value = try HostClock().parse(answer)
        #expect(value.isSynchronised)
        #expect(value.running == ["chrony"] && value.enabled == ["chrony"])
        let offset = try #require(value.offset)
        // The shell has lived for less than the minute that it was asked in.
        #expect((0...60_002).contains(offset.most - offset.least))
        #expect(UTCMoment(milliseconds: offset.least + 1_000_060_000).description.hasPrefix("20"))
    }
}
