import ClusterModel
import Foundation
import RemoteShell
import RunEngine
import Testing

@testable import ClusterSteps

/// What the upgrade steps do to a host, in a real shell: once, twice, undone, and killed at any call.
@Suite("Switching repositories and installing, in a real shell")
struct UpgradePackagesShellTests {
    private static let list = "/etc/apt/sources.list.d/k8s-mirror.list"

    @Test("the host's own mirror stays, only its minor changes, and the key is fetched anew")
    func mirror() async throws {
        let host = try UpgradeHostTree()
        defer { host.remove() }
        let fact = KubernetesRepository()
        let before = try await host.read(fact)
        #expect(before.entries.map(\.url) == ["https://mirror.example/kubernetes/v1.31/deb/"])
        #expect(before.entries.map(\.minor) == [31])
        let old = host.text(Self.list)
        try await host.do(UpgradeHostTree.repository(32, "1.32.13"))
        #expect(host.text(Self.list) == old.replacing("v1.31", with: "v1.32"))
        #expect(host.text("/keys/k.asc") == "-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
        let after = try await host.read(fact)
        #expect(after.offered.map(\.description) == ["1.32.12", "1.32.13"])
        try await host.do(UpgradeHostTree.undoRepository)
        #expect(host.text(Self.list) == old && host.text("/keys/k.asc") == "old key\n")
        try await host.do(UpgradeHostTree.undoRepository)
        #expect(host.text(Self.list) == old)
    }

    @Test("killed at any call, the next run ends as one does, and undone all is as before")
    func repositoryKilled() async throws {
        let first = try UpgradeHostTree()
        defer { first.remove() }
        try first.countCalls()
        try await first.do(UpgradeHostTree.repository(32, "1.32.13"))
        let count = first.calls
        #expect(count >= 2)
        for number in 1...count {
            let host = try UpgradeHostTree()
            defer { host.remove() }
            let old = host.text(Self.list)
            try host.countCalls(killAt: number)
            _ = try? await host.do(UpgradeHostTree.repository(32, "1.32.13"))
            try host.countCalls()
            try await host.do(UpgradeHostTree.repository(32, "1.32.13"))
            #expect(host.text(Self.list) == old.replacing("v1.31", with: "v1.32"), "killed at \(number)")
            try await host.do(UpgradeHostTree.undoRepository)
            #expect(host.text(Self.list) == old && host.text("/keys/k.asc") == "old key\n", "killed at \(number)")
        }
    }

    @Test("a repository without the version, or that is not there, is taken back at once")
    func notThere() async throws {
        let host = try UpgradeHostTree()
        defer { host.remove() }
        let old = host.text(Self.list)
        let lacking = await #expect(throws: UpgradeHostTree.Failed.self) {
            try await host.do(UpgradeHostTree.repository(32, "1.32.99"))
        }
        #expect(lacking?.text.contains("https://mirror.example/kubernetes/v1.32/deb/ has no kubeadm 1.32.99") == true)
        #expect(host.text(Self.list) == old && host.text("/keys/k.asc") == "old key\n")
        let missing = await #expect(throws: UpgradeHostTree.Failed.self) {
            try await host.do(UpgradeHostTree.repository(33, "1.33.0"))
        }
        #expect(
            missing?.text.contains("cannot be read: E: The repository 'v1.33' does not have a Release file.") == true
        )
        #expect(host.text(Self.list) == old)
    }

    @Test("a mirror without a key file keeps the key there is")
    func noKey() async throws {
        let host = try UpgradeHostTree()
        defer { host.remove() }
        try host.tree.write("/state/no-key", "")
        let said = try await host.do(UpgradeHostTree.repository(32, "1.32.13"))
        #expect(said.contains("; @/keys/k.asc stays".replacing("@", with: host.root)))
        #expect(host.text("/keys/k.asc") == "old key\n" && host.text(Self.list).contains("v1.32"))
    }

    @Test(
        "an address that is given takes the place of the host's own; what somebody else changed since is not taken back"
    )
    func givenAddress() async throws {
        let host = try UpgradeHostTree()
        defer { host.remove() }
        try await host.do(UpgradeHostTree.repository(32, "1.32.13", "https://other.example/k8s/v1.32/deb/"))
        #expect(host.text(Self.list).contains(" https://other.example/k8s/v1.32/deb/ /\n"))
        try host.tree.write(Self.list, "# mine\n")
        try await host.do(UpgradeHostTree.undoRepository)
        #expect(host.text(Self.list) == "# mine\n")
    }

    @Test("of several sorts of entries only Kubernetes' own is found and rewritten, in either style")
    func styles() async throws {
        let host = try UpgradeHostTree()
        defer { host.remove() }
        let deb822 = """
            Types: deb
            URIs: https://pkgs.k8s.io/core:/stable:/v1.31/deb/
            Suites: /
            Signed-By: /etc/apt/keyrings/k.gpg

            Types: deb
            URIs: https://pkgs.k8s.io/addons:/cri-o:/stable:/v1.31/deb/
            Suites: /

            Enabled: no
            URIs: https://pkgs.k8s.io/core:/stable:/v1.30/deb/

            """
        try host.tree.write("/etc/apt/sources.list.d/a.sources", deb822)
        try host.tree.write(
            Self.list,
            "#deb https://pkgs.k8s.io/core:/stable:/v1.31/deb/ /\ndeb https://apt.kubernetes.io/ kubernetes-xenial main\ndeb http://mirror.example/debian trixie main\n"
        )
        let found = try await host.read(KubernetesRepository()).entries
        #expect(found.map(\.url) == ["https://pkgs.k8s.io/core:/stable:/v1.31/deb/"])
        #expect(found.first?.key == "/etc/apt/keyrings/k.gpg" && found.first?.minor == 31)
        let said = try await host.do(
            RemoteCommand(
                [
                    PackageManager.functions, RepositoryEntries.functions,
                    "rewritten \"$1\" \"$2\" \"$(of_minor \"$2\" 32)\"",
                ],
                [host.root + "/etc/apt/sources.list.d/a.sources", "https://pkgs.k8s.io/core:/stable:/v1.31/deb/"]
            )
        )
        #expect(said == deb822.replacing("core:/stable:/v1.31", with: "core:/stable:/v1.32"))
    }

    @Test("with several entries the newest that is not above the wanted one is changed")
    func choice() {
        func entry(_ minor: Int?) -> KubernetesRepository.Entry {
            KubernetesRepository.Entry(file: "f", url: "u\(minor ?? 0)", minor: minor, key: nil, id: nil)
        }
        func chosen(_ minors: [Int?]) -> String? {
            KubernetesRepository.Value(manager: .apt, entries: minors.map(entry), offered: []).entry(toward: 32)?.url
        }
        #expect(chosen([30, 31, 33]) == "u31")
        #expect(chosen([34, 33]) == "u33")
        #expect(chosen([nil, 31]) == "u31")
        #expect(chosen([nil]) == "u0")
        #expect(chosen([]) == nil)
    }

    @Test("exactly the version is installed, and what was held is held, what was not is not")
    func installs() async throws {
        let host = try UpgradeHostTree()
        defer { host.remove() }
        try await host.do(UpgradeHostTree.repository(32, "1.32.13"))
        let said = try await host.do(UpgradeHostTree.install("kubelet=1.32.13", "?kubectl=1.32.13", "?cri-o=1.32.13"))
        #expect(said.contains("was kubelet 1.31.14-1.1\nwas kubectl 1.31.14-1.1\n"))
        #expect(host.text("/state/packages/kubelet") == "1.32.13-1.1\n")
        #expect(host.text("/state/packages/kubectl") == "1.32.13-1.1\n")
        #expect(host.text("/state/packages/kubeadm") == "1.31.14-1.1")
        #expect(host.names("/state/holds") == ["kubeadm", "kubelet"])
        #expect(host.names("/var/lib/rollbook-host/packages") == ["before"])
        let again = try await host.do(UpgradeHostTree.install("kubelet=1.32.13"))
        #expect(again == "was kubelet 1.31.14-1.1\n")
    }

    @Test("killed at any call, holds are as before and the version is there after the next run")
    func installKilled() async throws {
        let first = try UpgradeHostTree()
        defer { first.remove() }
        try await first.do(UpgradeHostTree.repository(32, "1.32.13"))
        try first.countCalls()
        try await first.do(UpgradeHostTree.install("kubelet=1.32.13", "?kubectl=1.32.13"))
        let count = first.calls
        #expect(count >= 3)
        for number in 1...count {
            let host = try UpgradeHostTree()
            defer { host.remove() }
            try await host.do(UpgradeHostTree.repository(32, "1.32.13"))
            try host.countCalls(killAt: number)
            _ = try? await host.do(UpgradeHostTree.install("kubelet=1.32.13", "?kubectl=1.32.13"))
            let between = try await host.read(KubernetesPackages())
            let isFree = between.packages.contains { $0.name == "kubelet" && !$0.isHeld }
            #expect(!isFree || between.released.contains("kubelet"), "killed at \(number)")
            try host.countCalls()
            if number % 2 == 0 {
                try host.tree.write("/state/locked", "")
                let said = try await host.do(UpgradeHostTree.install("kubelet=1.32.13", "?kubectl=1.32.13"))
                #expect(said.contains("was kubelet 1.31.14-1.1\n"), "killed at \(number)")
                #expect(host.text("/state/packages/kubelet") == "1.32.13-1.1\n", "killed at \(number)")
            } else {
                // What a run does that is given up.
                try await host.do(RemoteCommand([PackageManager.functions, PackageManager.restoring]))
            }
            #expect(host.names("/state/holds") == ["kubeadm", "kubelet"], "killed at \(number)")
            #expect(!host.exists("/var/lib/rollbook-host/packages/held"), "killed at \(number)")
        }
    }

    @Test("holds are put back when the package manager refuses")
    func refused() async throws {
        let host = try UpgradeHostTree()
        defer { host.remove() }
        try await host.do(UpgradeHostTree.repository(32, "1.32.13"))
        try host.tree.write("/state/busy", "")
        let failed = await #expect(throws: UpgradeHostTree.Failed.self) {
            try await host.do(UpgradeHostTree.install("kubelet=1.32.13"))
        }
        #expect(failed?.text.contains("held by process 8486") == true)
        #expect(host.names("/state/holds") == ["kubeadm", "kubelet"])
        #expect(host.text("/state/packages/kubelet") == "1.31.14-1.1")
    }

    @Test("a lock that dpkg does not wait for when holds are taken off is waited for")
    func lockedHolds() async throws {
        let host = try UpgradeHostTree()
        defer { host.remove() }
        try await host.do(UpgradeHostTree.repository(32, "1.32.13"))
        try host.tree.write("/state/frontend", "3 58")
        try await host.do(UpgradeHostTree.install("kubelet=1.32.13"))
        #expect(host.text("/state/packages/kubelet") == "1.32.13-1.1\n")
        #expect(host.names("/state/holds") == ["kubeadm", "kubelet"])
        try host.tree.write("/proc/58/comm", "python3\n")
        try host.tree.write("/state/frontend", "1000 58")
        let failed = await #expect(throws: UpgradeHostTree.Failed.self) {
            try await host.do(UpgradeHostTree.install("kubeadm=1.32.13"))
        }
        let said = PackageManager.complaint(output: "", errorOutput: failed?.text ?? "")
        #expect(said == "the package manager's lock stays taken: process 58 (python3)")
        #expect(host.names("/state/holds") == ["kubeadm", "kubelet"])
    }

    @Test("holds that stay, whatever the package manager says, are given up, and so are those it does not put back")
    func stuckHolds() async throws {
        let host = try UpgradeHostTree()
        defer { host.remove() }
        try await host.do(UpgradeHostTree.repository(32, "1.32.13"))
        try host.program("apt-mark", "exit 0")
        let failed = await #expect(throws: UpgradeHostTree.Failed.self) {
            try await host.do(UpgradeHostTree.install("kubelet=1.32.13"))
        }
        #expect(failed?.text.contains("says that it did, and they are held") == true)
        #expect(host.text("/state/packages/kubelet") == "1.31.14-1.1")
        try host.program("apt-mark", "[ $1 = hold ] || rm -f @/state/holds/$2")
        let unheld = await #expect(throws: UpgradeHostTree.Failed.self) {
            try await host.do(UpgradeHostTree.install("kubelet=1.32.13"))
        }
        #expect(unheld?.text.contains("cannot hold kubelet again") == true)
    }

    @Test("what was there before is installed from the older minor's repository, without touching the host's own")
    func goesBack() async throws {
        let host = try UpgradeHostTree()
        defer { host.remove() }
        try await host.do(UpgradeHostTree.repository(32, "1.32.13"))
        try await host.do(UpgradeHostTree.install("kubelet=1.32.13", "?kubectl=1.32.13"))
        let list = host.text(Self.list)
        try await host.do(UpgradeHostTree.goBack(31, "kubelet=1.31.14", "kubectl=1.31.14"))
        #expect(host.text("/state/packages/kubelet") == "1.31.14-1.1\n")
        #expect(host.text("/state/packages/kubectl") == "1.31.14-1.1\n")
        #expect(host.text(Self.list) == list && host.names("/state/holds") == ["kubeadm", "kubelet"])
    }

    @Test("the kubelet is restarted once, however often the step is begun, and its running version is what counts")
    func restart() async throws {
        let host = try UpgradeHostTree()
        defer { host.remove() }
        try await host.do(UpgradeHostTree.repository(32, "1.32.13"))
        try await host.do(UpgradeHostTree.install("kubelet=1.32.13"))
        let between = try await host.read(KubernetesPackages())
        #expect(between.kubelet?.description == "1.32.13" && between.runningKubelet?.description == "1.31.14")
        for _ in 1...2 { try await host.do(UpgradeHostTree.restart("1.32.13")) }
        #expect(host.text("/state/restarts") == "x\n")
        let after = try await host.read(KubernetesPackages())
        #expect(after.runningKubelet?.description == "1.32.13" && after.isKubeletCurrent)
    }

    @Test("a kubelet that does not come up is told with its own last error")
    func broken() async throws {
        let host = try UpgradeHostTree()
        defer { host.remove() }
        try host.tree.write("/state/packages/kubelet", "1.32.13-1.1")
        try host.tree.write("/state/broken", "")
        let failed = await #expect(throws: UpgradeHostTree.Failed.self) {
            try await host.do(UpgradeHostTree.restart("1.32.13"))
        }
        #expect(failed?.text.contains("3 min later it is ''") == true)
        #expect(failed?.text.contains("err=\"unknown flag\"") == true)
    }
}
