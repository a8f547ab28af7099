import ClusterModel
import ClusterSteps
import Foundation
import RemoteShell
import RunEngine
import TestSupport
import Testing

/// How a host's etcd is found and asked, in a real shell with etcdctl and crictl that answer as recorded.
@Suite("Access to etcd, in a real shell")
struct EtcdAccessShellTests {
    private let host: HostTree

    init() throws { host = try HostTree(try #require(HostName("master1"))) }

    /// An etcdctl that notes how it was called and answers with the lines of a recorded case.
    private func etcdctl(_ name: String, _ recorded: String) throws {
        try host.write("/recorded", String(decoding: Fixtures.answer(EtcdStatus.name, recorded).output, as: UTF8.self))
        try host.program(
            name,
            """
            [ "$1" = ps ] && { echo c0ffee; exit 0; }
            printf '%s\\n' "$@" >>@/asked
            case "$*" in
                *'endpoint status'*) sed -n 's/^status //p' @/recorded ;;
                *'member list'*) sed -n 's/^members //p' @/recorded ;;
                *'alarm list'*) sed -n 's/^alarms //p' @/recorded ;;
            esac
            """
        )
    }

    private var asked: [String] {
        (try? String(contentsOfFile: host.root + "/asked", encoding: .utf8))?.split(separator: "\n").map(String.init)
            ?? []
    }

    private func read() async throws -> EtcdStatus.Value {
        let fact = EtcdStatus(pki: host.root + "/pki")
        return try fact.parse(try await host.run(fact.command))
    }

    private let flags = [
        "--name=master1", "--data-dir=/var/lib/etcd",
        "--listen-client-urls=https://10.78.0.11:2379,https://127.0.0.1:2379",
        "--trusted-ca-file=/p/ca.crt", "--cert-file=/p/server.crt", "--key-file=/p/server.key",
        "--peer-trusted-ca-file=/peer/ca.crt", "--peer-cert-file=/peer/peer.crt", "--peer-key-file=/peer/peer.key",
        "--quota-backend-bytes=8589934592",
    ]
    private let expected = [
        "--endpoints=https://127.0.0.1:2379", "--cacert=/p/ca.crt", "--cert=/p/server.crt", "--key=/p/server.key",
    ]

    private func check(_ value: EtcdStatus.Value, via: String) {
        #expect(value.problem == nil)
        #expect(value.via == via && value.name == "master1" && value.dataDirectory == "/var/lib/etcd")
        #expect(value.quotaBytes == 8_589_934_592)
        #expect(value.isLeader && value.members.count == 3 && value.revision == 990)
        for word in expected { #expect(asked.contains(word), "\(word) of \(asked)") }
    }

    @Test("flags written --flag=value", arguments: ["--", "-"])
    func joined(dashes: String) async throws {
        defer { host.remove() }
        try etcdctl("etcdctl", "healthy-leader")
        try host.process(7, "sh", ["sh"])
        try host.process(4711, "etcd", ["etcd"] + flags.map { dashes + $0.dropFirst(2) })
        check(try await read(), via: "host")
    }

    @Test("flags written --flag value")
    func apart() async throws {
        defer { host.remove() }
        try etcdctl("etcdctl", "healthy-leader")
        let words = flags.flatMap { $0.split(separator: "=", maxSplits: 1).map(String.init) }
        try host.process(4711, "etcd", ["/usr/bin/etcd"] + words)
        check(try await read(), via: "host")
    }

    @Test("settings in the environment, as Debian's unit gives them")
    func environment() async throws {
        defer { host.remove() }
        try etcdctl("etcdctl", "healthy-leader")
        let variables = flags.map { flag in
            let parts = flag.dropFirst(2).split(separator: "=", maxSplits: 1)
            return "ETCD_" + parts[0].uppercased().replacing("-", with: "_") + "=" + parts[1]
        }
        try host.process(4711, "etcd", ["/usr/bin/etcd"], environment: ["HOME=/"] + variables)
        check(try await read(), via: "host")
    }

    @Test(
        "settings in a configuration file, however the file is named to etcd",
        arguments: [["--config-file=/conf.yml"], ["--config-file", "/conf.yml"], ["ETCD_CONFIG_FILE=/conf.yml"]]
    )
    func configurationFile(words: [String]) async throws {
        defer { host.remove() }
        try etcdctl("etcdctl", "healthy-leader")
        let isVariable = words[0].hasPrefix("ETCD")
        try host.process(
            4711,
            "etcd",
            ["etcd"] + (isVariable ? [] : words),
            environment: isVariable ? words : ["ETCDCTL_API=3"]
        )
        try host.write(
            "/proc/4711/root/conf.yml",
            """
            # made by hand
            name: 'master1'
            data-dir: /var/lib/etcd
            quota-backend-bytes: 8589934592
            listen-client-urls: "https://10.78.0.11:2379,https://127.0.0.1:2379"
            peer-transport-security:
              cert-file: /peer/peer.crt
              key-file: /peer/peer.key
              trusted-ca-file: /peer/ca.crt
            client-transport-security:
              cert-file: /p/server.crt
              key-file: /p/server.key
              trusted-ca-file: /p/ca.crt
            """
        )
        check(try await read(), via: "host")
    }

    @Test("the container's etcdctl is taken when there is a container, without -s")
    func container() async throws {
        defer { host.remove() }
        try etcdctl("crictl", "healthy-leader")
        try etcdctl("etcdctl", "no-quorum")
        try etcdctl("crictl", "healthy-leader")
        try host.process(4711, "etcd", ["etcd"] + flags)
        check(try await read(), via: "container")
        #expect(asked.prefix(3) == ["exec", "c0ffee", "etcdctl"])
    }

    @Test("kubeadm's health check client is preferred to the server's own certificate")
    func healthcheckClient() async throws {
        defer { host.remove() }
        try etcdctl("etcdctl", "healthy-leader")
        try host.process(4711, "etcd", ["etcd"] + flags)
        for file in ["healthcheck-client.crt", "healthcheck-client.key"] { try host.write("/pki/etcd/\(file)", "") }
        _ = try await read()
        #expect(asked.contains("--cert=\(host.root)/pki/etcd/healthcheck-client.crt"))
        #expect(asked.contains("--cacert=/p/ca.crt"))
    }

    @Test(
        "an etcd that listens everywhere is asked on the loopback address",
        arguments: ["https://0.0.0.0:2379", "https://[::]:2379"]
    )
    func everywhere(url: String) async throws {
        defer { host.remove() }
        try etcdctl("etcdctl", "healthy-leader")
        try host.process(4711, "etcd", ["etcd", "--listen-client-urls=\(url)"])
        _ = try await read()
        #expect(asked.contains("--endpoints=https://127.0.0.1:2379"))
        #expect(!asked.contains { $0.hasPrefix("--cacert") })
    }

    @Test("without a leader members and alarms are not asked: they would only end after their time limit")
    func noLeader() async throws {
        defer { host.remove() }
        try etcdctl("etcdctl", "no-quorum")
        try host.process(4711, "etcd", ["etcd"] + flags)
        let value = try await read()
        #expect(value.errors == ["etcdserver: no leader"])
        #expect(!asked.contains("member") && !asked.contains("alarm"))
    }

    @Test("no etcd, and no etcdctl, are told apart")
    func missing() async throws {
        defer { host.remove() }
        try host.process(7, "etcdctl", ["etcdctl"])
        #expect(try await read().problem == "no etcd process")
    }

    @Test("the CA's fingerprint is the hash of its public key, as kubeadm prints it for joining")
    func certificateAuthority() async throws {
        defer { host.remove() }
        let pki = Fixtures.folder.appending(path: "shell/etc/kubernetes/pki").path
        let fact = CertificateAuthority(pki: pki)
        let value = try fact.parse(try await host.run(fact.command))
        // openssl x509 -pubkey -in ca.crt | openssl rsa -pubin -outform der | openssl dgst -sha256 -hex
        #expect(value.fingerprint == "0033d08472e982e080c0e6a09b2f668c1178bc62e0daeec91b284f9c70edfd4f")
        try host.write("/pki/ca.crt", "no certificate")
        let broken = CertificateAuthority(pki: host.root + "/pki")
        #expect(try broken.parse(try await host.run(broken.command)).fingerprint == nil)
        let none = CertificateAuthority(pki: host.root + "/elsewhere")
        #expect(try none.parse(try await host.run(none.command)).fingerprint == nil)
    }
}
