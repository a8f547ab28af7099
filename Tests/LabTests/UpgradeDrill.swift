import Foundation
import Testing

/// What tests of the rolling upgrade have in common: an old cluster to begin with, and what is to be seen of it afterwards.
enum UpgradeDrill {
    static let old = "1.31.14"
    static let new = "1.32.13"
    static let masters = ["master1", "master2", "master3"]
    static let nodes = masters + ["worker1", "worker2"]
    static let balancers = ["lb1", "lb2"]
    /// The lab has no CoreDNS, and kubeadm says so.
    static let inputs = [
        "--set", "version=\(new)", "--set", "ignorePreflightErrors=CoreDNSUnsupportedPlugins,CoreDNSMigration",
    ]

    /// How often the controller is killed, with `ROLLBOOK_UPGRADE_KILLS`.
    static let kills = number("ROLLBOOK_UPGRADE_KILLS") ?? 0
    /// Of the moments: another number, other moments.
    static let seed = UInt64(number("ROLLBOOK_UPGRADE_SEED") ?? 1)

    private static func number(_ name: String) -> Int? {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) }
    }

    /// Hosts that were made a moment ago, of the old version.
    static func makeAnew() async throws {
        _ = try? await Lab.here.run("down")
        try await Lab.here.mend()
    }

    /// A cluster of the old version: hosts that were upgraded are made anew.
    static func makeOld() async throws {
        let found = (try? await nodes()) ?? [:]
        if found.isEmpty || found.values.contains(where: { $0 != Node(version: "v\(old)", isCordoned: false) }) {
            try await makeAnew()
        }
        try await waitForMastersInService()
    }

    /// A load balancer takes a master back some checks after its API server is up again; a plan made before that is refused.
    private static func waitForMastersInService() async throws {
        var away: [String] = []
        for _ in 0..<60 {
            away = try await mastersOutOfService()
            if away.isEmpty { return }
            try await Task.sleep(for: .seconds(1))
        }
        Issue.record("not in service within a minute: \(away.joined(separator: ", "))")
    }

    /// Masters that a load balancer sends nobody to, with how it tells of them.
    private static func mastersOutOfService() async throws -> [String] {
        var away: [String] = []
        for balancer in balancers {
            for line in try await Lab.here.shell(balancer, balancerScript).split(separator: "\n") {
                let words = line.split(separator: " ").map(String.init)
                guard words.count == 5, masters.contains(words[2]), words[3] != "0" || words[4] != "2" else { continue }
                away.append("\(words[2]) on \(balancer) (\(words[3]) \(words[4]))")
            }
        }
        return away
    }

    static func kubectl(_ arguments: String...) async throws -> String {
        try await Lab.here.run(["kubectl"] + arguments)
    }

    /// A node as the API tells of it.
    struct Node: Equatable {
        let version: String
        let isCordoned: Bool
    }

    static func nodes() async throws -> [String: Node] {
        let columns = "{.metadata.name} {.status.nodeInfo.kubeletVersion} {.spec.unschedulable}"
        let text = try await kubectl("get", "nodes", "-o", "jsonpath={range .items[*]}\(columns){\"\\n\"}{end}")
        var found: [String: Node] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            try #require(words.count >= 2, "\(line)")
            found[words[0]] = Node(version: words[1], isCordoned: words.count > 2 && words[2] == "true")
        }
        return found
    }

    /// Every node has this version, and none is cordoned.
    static func expectNodes(at version: String, _ comment: String = "") async throws {
        let expected = Node(version: "v\(version)", isCordoned: false)
        #expect(try await nodes() == Dictionary(uniqueKeysWithValues: nodes.map { ($0, expected) }), "\(comment)")
    }

    /// What kubeadm was told on a host, as its stand-in noted it: how often it began, by its first words, and how it ended.
    static func calls(on host: String) async throws -> [String] {
        try await Lab.here.shell(host, "cat /var/log/rollbook-lab/kubeadm 2>/dev/null || :").split(separator: "\n").map
        {
            let words = $0.split(separator: " ").dropFirst(2)
            return words.first == "begins:"
                ? words.dropFirst().prefix(3).joined(separator: " ") : words.joined(separator: " ")
        }
    }

    /// All that an upgrade decides, without what differs each time (ids, dates, who leads): equal for equal ends.
    static func end(of run: String) async throws -> [String] {
        var lines: [String] = []
        for host in nodes + balancers {
            let script =
                masters.contains(host) || host.hasPrefix("worker")
                ? Self.nodeScript + Self.leftScript : Self.balancerScript + Self.leftScript
            let text = try await Lab.here.shell(host, script, String(run.suffix(8)))
            lines += text.replacing(run, with: "RUN").split(separator: "\n").map { "\(host): \($0)" }
        }
        let members = try await Lab.here.run("etcdctl", "member", "list")
        // id, status, name, peer addresses, client addresses, learner
        lines += members.split(separator: "\n").map {
            "etcd:" + $0.split(separator: ",").dropFirst().joined(separator: ",")
        }.sorted()
        let columns = "{.metadata.name} {.spec.containers[*].image} {.status.containerStatuses[*].ready}"
        let pods = try await kubectl(
            "-n",
            "kube-system",
            "get",
            "pods",
            "-o",
            "jsonpath={range .items[*]}\(columns){\"\\n\"}{end}"
        )
        lines += pods.split(separator: "\n").filter { line in masters.contains { line.contains("-\($0) ") } }.map {
            "pod: \($0)"
        }.sorted()
        let configured = try await kubectl(
            "-n",
            "kube-system",
            "get",
            "configmap",
            "kubeadm-config",
            "-o",
            "jsonpath={.data.ClusterConfiguration}"
        )
        lines += configured.split(separator: "\n").map { "kubeadm-config: \($0)" }
        let marks = try await kubectl(
            "get",
            "nodes",
            "-o",
            "jsonpath={range .items[*]}{.metadata.name} {.spec.unschedulable} {.spec.taints} {.metadata.annotations}{\"\\n\"}{end}"
        )
        lines += marks.split(separator: "\n").map { "node: \($0)" }
        let web = try await kubectl(
            "-n",
            "demo",
            "get",
            "deployments",
            "-o",
            "jsonpath={range .items[*]}{.metadata.name} {.status.readyReplicas}{\"\\n\"}{end}"
        )
        lines += web.split(separator: "\n").map { "demo: \($0)" }
        return lines
    }

    private static let nodeScript = """
        dpkg-query -W -f '${Package} ${Version} ${db:Status-Want}\\n' kubeadm kubelet kubectl
        cat /etc/apt/sources.list.d/kubernetes.list
        pid=$(systemctl show -p MainPID --value kubelet); echo "kubelet: $(systemctl is-active kubelet)"
        sha256sum /var/lib/kubelet/config.yaml
        for f in $(find /etc/kubernetes/manifests -mindepth 1 2>/dev/null | sort); do sha256sum "$f"; grep -H ' image:' "$f" || :; done

        """

    /// Server, what an operator wants of it (0: ready), and whether it runs (2).
    static let balancerScript = """
        python3 -c '
        import socket
        s = socket.socket(socket.AF_UNIX)
        s.connect("/run/haproxy/admin.sock")
        s.sendall(b"show servers state\\n")
        for row in s.makefile().read().splitlines():
            words = row.split()
            if len(words) > 6 and words[0].isdigit():
                print("server", words[1], words[3], words[6], words[5])
        '

        """

    /// Notes of runs on their host that must not outlive them.
    private static let leftScript = """
        cd /var/lib/rollbook-host 2>/dev/null || exit 0
        for d in held packages/held packages/installing kubeadm/begun parked; do
            [ ! -e "$d" ] || ls -A "$d" | sed "s|^|left in $d: |"
        done
        [ ! -d ops ] || ls -A ops | grep -F "$1" | sed 's|.*|an operation of the run is left|' | sort -u

        """
}
