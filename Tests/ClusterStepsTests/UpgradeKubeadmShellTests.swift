import ClusterModel
import Foundation
import RemoteShell
import RunEngine
import Testing

@testable import ClusterSteps

@Suite("Upgrading with kubeadm, in a real shell")
struct UpgradeKubeadmShellTests {
    private static let version = KubernetesVersion(major: 1, minor: 32, patch: 13)

    private func prepared(master: Bool = true) async throws -> UpgradeHostTree {
        let host = try UpgradeHostTree(master: master)
        try await host.do(UpgradeHostTree.repository(32, "1.32.13"))
        try await host.do(UpgradeHostTree.install("kubeadm=1.32.13"))
        return host
    }

    private func isWhole(_ host: UpgradeHostTree) -> Bool {
        ["kube-apiserver", "kube-controller-manager", "kube-scheduler"].allSatisfy {
            host.text("/etc/kubernetes/manifests/\($0).yaml").hasSuffix("\($0):v1.32.13\n")
        } && host.text("/state/configmap").hasPrefix("v1.32.13")
    }

    @Test("the first master applies, the next takes over what the cluster has, with the right rights and servers")
    func applies() async throws {
        let host = try await prepared()
        defer { host.remove() }
        #expect(try await host.situation(Self.version) == .notBegun)
        let said = try await host.do(host.upgrade("1.32.13", "--certificate-renewal=true"))
        #expect(said.contains("command kubeadm upgrade apply v1.32.13 --yes --certificate-renewal=true\n"))
        #expect(isWhole(host))
        #expect(try await host.situation(Self.version) == .done)
        #expect(host.text("/state/kubeadm-calls").hasPrefix(host.root + "/etc/kubernetes/admin.conf upgrade apply"))
        // The first server does not answer, the second does; nobody is asked without a server.
        #expect(
            host.text("/state/kubectl-calls").split(separator: "\n").allSatisfy {
                $0.contains("--server https://10.0.0.1")
            }
        )
        let log = host.text("/var/lib/rollbook-host/logs/kubeadm-upgrade-\(UpgradeHostTree.run).log")
        #expect(log.contains("[upgrade] SUCCESS"))
        let again = try await host.do(host.upgrade("1.32.13"))
        #expect(again.contains("command kubeadm upgrade node\n"))
    }

    @Test("a worker waits for the masters, and takes over their configuration with its own rights")
    func worker() async throws {
        let host = try await prepared(master: false)
        defer { host.remove() }
        let failed = await #expect(throws: UpgradeHostTree.Failed.self) { try await host.do(host.upgrade("1.32.13")) }
        #expect(
            failed?.text.contains("the cluster is at v1.31.14 by ConfigMap kubeadm-config; its masters come first")
                == true
        )
        #expect(host.text("/state/kubeadm-calls") == "")
        try host.tree.write("/state/configmap", "v1.32.13")
        try await host.do(host.upgrade("1.32.13"))
        #expect(host.text("/state/kubeadm-calls") == host.root + "/etc/kubernetes/kubelet.conf upgrade node\n")
        #expect(try await host.situation(Self.version) == .done)
    }

    @Test("kubeadm dead at any point: the situation is seen, and the next run ends whole", arguments: 1...11)
    func dies(phase: Int) async throws {
        let host = try await prepared()
        defer { host.remove() }
        try host.tree.write("/state/dies", "\(phase)\n")
        let failed = try? await host.do(host.upgrade("1.32.13"))
        guard failed == nil else {
            #expect(phase > 10)
            return
        }
        let between = try await host.situation(Self.version)
        switch between {
        case .cutOff, .manifestMissing: break
        default: Issue.record("died at \(phase): \(between)")
        }
        #expect(between.remark != nil)
        try await host.do(host.upgrade("1.32.13"))
        #expect(isWhole(host))
        #expect(try await host.situation(Self.version) == .done)
        #expect(!host.names("/etc/kubernetes/tmp").contains { $0.hasPrefix("kubeadm-upgraded-manifests") })
    }

    @Test("the shell killed at any call: the next run ends whole")
    func killed() async throws {
        let first = try await prepared()
        defer { first.remove() }
        try first.countCalls()
        try await first.do(first.upgrade("1.32.13"))
        let count = first.calls
        #expect(count >= 1)
        for number in 1...count {
            let host = try await prepared()
            defer { host.remove() }
            try host.countCalls(killAt: number)
            _ = try? await host.do(host.upgrade("1.32.13"))
            #expect(try await host.situation(Self.version) != .done, "killed at \(number)")
            try host.countCalls()
            try await host.do(host.upgrade("1.32.13"))
            #expect(isWhole(host), "killed at \(number)")
            #expect(try await host.situation(Self.version) == .done, "killed at \(number)")
        }
    }

    @Test("a manifest between its two renames is put back from kubeadm's own copy, as a file the kubelet sees at once")
    func missing() async throws {
        let host = try await prepared()
        defer { host.remove() }
        let manifest = "/etc/kubernetes/manifests/kube-scheduler.yaml"
        let text = host.text(manifest)
        try host.tree.write(
            "/etc/kubernetes/tmp/kubeadm-backup-manifests-2026-11-20-10-00-00/kube-scheduler.yaml",
            "older"
        )
        try host.tree.write(
            "/etc/kubernetes/tmp/kubeadm-backup-manifests-2026-11-21-10-00-00/kube-scheduler.yaml",
            text
        )
        try FileManager.default.removeItem(atPath: host.root + manifest)
        #expect(try await host.situation(Self.version) == .manifestMissing(["kube-scheduler"]))
        let said = try await host.do(host.upgrade("1.32.13"))
        #expect(said.contains("put back \(host.root)\(manifest) from"))
        #expect(isWhole(host))
        #expect(host.names("/etc/kubernetes/manifests").allSatisfy { !$0.hasPrefix(".") })
    }

    @Test("before it is run again the static pods have to be what the API says")
    func settles() async throws {
        let host = try await prepared()
        defer { host.remove() }
        try host.tree.write("/var/lib/rollbook-host/kubeadm/begun", "1.32.13")
        try host.tree.write("/state/stale", "")
        try await host.do(host.upgrade("1.32.13"))
        #expect(!host.exists("/state/stale") && isWhole(host))
        try host.program("crictl", "exit 0")
        let failed = await #expect(throws: UpgradeHostTree.Failed.self) { try await host.do(host.upgrade("1.32.13")) }
        #expect(failed?.text.contains("have not settled within 5 min: etcd does not run") == true)
    }

    @Test("etcd beside the container runtime is no pod to wait for; a runtime that does not answer does not say so")
    func processOfTheHost() async throws {
        let host = try await prepared()
        defer { host.remove() }
        try host.tree.write("/state/dies", "3")
        await #expect(throws: (any Error).self) { try await host.do(host.upgrade("1.32.13")) }
        try host.program("pgrep", "[ \"$*\" = '-x etcd' ]")
        let crictl = host.text("/bin/crictl")
        try host.program("crictl", "exit 1")
        let failed = await #expect(throws: UpgradeHostTree.Failed.self) { try await host.do(host.upgrade("1.32.13")) }
        #expect(failed?.text.contains("have not settled within 5 min: etcd does not run") == true)
        try host.program("crictl", "case \"$*\" in *component=etcd*) exit 0 ;; esac\n" + crictl)
        try await host.do(host.upgrade("1.32.13"))
    }

    @Test("a refusal of kubeadm is told in its own words, and success without new manifests is none")
    func refuses() async throws {
        let host = try await prepared()
        defer { host.remove() }
        try host.tree.write(
            "/state/refuses",
            "[preflight] Some fatal errors occurred:\n\t[ERROR CoreDNSMigration]: start version '' not supported\nTo see the stack trace\n"
        )
        let failed = await #expect(throws: UpgradeHostTree.Failed.self) { try await host.do(host.upgrade("1.32.13")) }
        #expect(KubeadmOutput.failure(in: failed?.text ?? "") == "CoreDNSMigration: start version '' not supported")
        try host.program("kubeadm", "[ \"$1\" != version ] || echo v1.32.13")
        let silent = await #expect(throws: UpgradeHostTree.Failed.self) { try await host.do(host.upgrade("1.32.13")) }
        #expect(
            silent?.text.contains(
                "kubeadm ended with 0, but kube-apiserver.yaml has registry.k8s.io/kube-apiserver:v1.31.14"
            ) == true
        )
    }

    @Test("nothing is begun without the space for kubeadm's copies, and old copies make room")
    func space() async throws {
        let host = try await prepared()
        defer { host.remove() }
        for day in 10...14 {
            try host.tree.write("/etc/kubernetes/tmp/kubeadm-backup-etcd-2026-11-\(day)-10-00-00/etcd/db", "copy")
        }
        // Room is there once only two copies are left.
        try host.program(
            "df",
            "n=$(ls @/etc/kubernetes/tmp | grep -c kubeadm-backup-etcd-); echo head; echo \"d 9 9 $([ $n -gt 2 ] && echo 5 || cat @/state/free) 1% /\""
        )
        try host.tree.write("/state/free", "9")
        let failed = await #expect(throws: UpgradeHostTree.Failed.self) { try await host.do(host.upgrade("1.32.13")) }
        #expect(failed?.text.contains("MiB have to be free, there are 0") == true)
        #expect(host.text("/state/kubeadm-calls") == "")
        try host.tree.write("/state/free", "99999999")
        try await host.do(host.upgrade("1.32.13"))
        #expect(host.names("/etc/kubernetes/tmp").filter { $0.hasPrefix("kubeadm-backup-etcd-") }.count == 2)
    }

    @Test("a kubeadm that somebody else runs is waited for")
    func otherProcess() async throws {
        let host = try await prepared()
        defer { host.remove() }
        try host.tree.process(99, "kubeadm", ["kubeadm", "upgrade", "apply", "v1.32.13"])
        try host.program("sleep", "rm -rf @/proc/99")
        try await host.do(host.upgrade("1.32.13"))
        #expect(isWhole(host) && !host.exists("/proc/99"))
    }

    @Test("a parked manifest is not mistaken for one that kubeadm lost")
    func parked() async throws {
        let host = try await prepared()
        defer { host.remove() }
        try host.tree.write("/var/lib/rollbook-host/parked/etcd.yaml", "x")
        try FileManager.default.removeItem(atPath: host.root + "/etc/kubernetes/manifests/etcd.yaml")
        let failed = await #expect(throws: UpgradeHostTree.Failed.self) { try await host.do(host.upgrade("1.32.13")) }
        #expect(failed?.text.contains("etcd is parked") == true)
        #expect(host.text("/state/kubeadm-calls") == "")
    }
}
