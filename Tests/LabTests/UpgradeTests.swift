import Foundation
import Testing

extension LabSuite {
    /// The rolling upgrade of a kubeadm-shaped cluster: real apt, etcd, HAProxy and kubectl, stand-ins for what Debian does not have.
    @Suite("upgrading Kubernetes")
    struct UpgradeTests {
        private static let old = "v1.31.14"
        private static let new = "1.32.13"
        /// The lab has no CoreDNS, and kubeadm says so.
        private static let arguments = [
            "rolling-upgrade", "--set", "version=\(new)", "--set",
            "ignorePreflightErrors=CoreDNSUnsupportedPlugins,CoreDNSMigration",
        ]
        private static var clients: Regex<(Substring, Substring, Substring, Substring, Substring)> {
            /([0-9]+) of [0-9]+ reads failed, longest gap ([0-9.]+) s; ([0-9]+) of [0-9]+ writes failed, longest gap ([0-9.]+) s/
        }
        private static let nodes = ["master1", "master2", "master3", "worker1", "worker2"]

        private func kubectl(_ arguments: String...) async throws -> String {
            try await Lab.here.run(["kubectl"] + arguments)
        }

        /// What a node's object says: its kubelet's version, and whether it is cordoned.
        private func nodes() async throws -> [String: (version: String, cordoned: Bool)] {
            let text = try await kubectl(
                "get",
                "nodes",
                "-o",
                #"jsonpath={range .items[*]}{.metadata.name} {.status.nodeInfo.kubeletVersion} {.spec.unschedulable}{"\n"}{end}"#
            )
            var found: [String: (version: String, cordoned: Bool)] = [:]
            for line in text.split(separator: "\n") {
                let words = line.split(separator: " ").map(String.init)
                try #require(words.count >= 2, "\(line)")
                found[words[0]] = (words[1], words.count > 2 && words[2] == "true")
            }
            return found
        }

        @Test(
            "what would break the skew rules is refused before anything is changed",
            arguments: [
                ("1.33.1", "one minor"), ("1.30.9", "downgrade"),
            ]
        )
        func refused(version: String, reason: String) async throws {
            try await UpgradeDrill.makeOld()
            let controller = try Controller()
            let answer = try await controller.rollbook("run", "rolling-upgrade", "--set", "version=\(version)", "--yes")
            #expect(answer.code == 4, "\(answer)")
            #expect(answer.errors.contains("upgrade.ready"), "\(answer)")
            #expect(answer.errors.contains(reason), "\(answer)")
            #expect(try await nodes().values.allSatisfy { $0.version == Self.old && !$0.cordoned })
        }

        @Test("a budget holds a drain: it ends at its limit, names pods and budget, and given up the node is as before")
        func blockedDrain() async throws {
            try await UpgradeDrill.makeOld()
            let controller = try Controller()
            let file = controller.folder.path + "/drain-one.yaml"
            try Data(
                """
                format: 1
                runbook: drain-one
                summary: Empty one worker
                stages:
                  - name: Drain
                    on: worker1
                    steps:
                      - uses: node.cordon
                      - { uses: node.drain, with: { timeout: 15s } }

                """.utf8
            ).write(to: URL(filePath: file))
            // One pod of the budget may go, and with the other worker closed nothing takes its place.
            _ = try await kubectl("cordon", "worker2")
            let late = try await controller.rollbook("run", file, "--yes")
            #expect(late.code == 14, "\(late)")
            let words = late.output + late.errors
            #expect(words.contains("budget demo/web"), "\(late)")
            #expect(words.contains("demo/web-"), "\(late)")
            #expect(words.contains("rollbook abandon"), "\(late)")
            #expect(try await nodes()["worker1"]?.cordoned == true)
            let run = try #require(try await controller.runs().first)
            let given = try await controller.rollbook("abandon", run.run, "--yes")
            #expect(given.code == 0, "\(given)")
            #expect(try await nodes()["worker1"]?.cordoned == false)
            #expect(try await nodes()["worker2"]?.cordoned == true)
            _ = try await kubectl("uncordon", "worker2")

            _ = try await kubectl("-n", "demo", "rollout", "status", "deployment/web", "--timeout=60s")
            _ = try await kubectl("-n", "demo", "patch", "pdb", "web", "-p", #"{"spec":{"minAvailable":4}}"#)
            let refused = try await controller.rollbook("run", file, "--yes")
            _ = try await kubectl("-n", "demo", "patch", "pdb", "web", "-p", #"{"spec":{"minAvailable":3}}"#)
            #expect(refused.code == 4, "\(refused)")
            #expect((refused.output + refused.errors).contains("demo/web"), "\(refused)")
            #expect(try await nodes().values.allSatisfy { !$0.cordoned })
        }

        /// Upgrades while kubeadm and the controller are killed on a master, then the controller twice more, and goes on each time.
        private func upgradeWithKills(_ controller: Controller) async throws {
            var moments = [
                "master2 kubeadm.upgrade begins", "master1 kubelet.upgrade begins", "worker1 node.drain begins",
            ]
            var arguments = ["run"] + Self.arguments + ["--yes"]
            for _ in 0..<10 {
                var process = controller.process(arguments)
                process.deadline = .seconds(900)
                let moment = moments.first
                let answer = try await process.run { running in
                    // It may end with a step to retry before.
                    guard let moment, (try? await running.line(with: moment, within: .seconds(400))) != nil else {
                        return
                    }
                    try await Task.sleep(for: .seconds(4))
                    try? running.kill()
                    guard moment.contains("kubeadm") else { return }
                    // It stands between two renames: one manifest is neither here nor there.
                    _ = try await Lab.here.shell(
                        "master2",
                        "pkill -KILL -x kubeadm || pkill -KILL -f 'kubeadm upgrade'"
                    )
                    try await Lab.here.run("fault", "kubeadm", "heal", "master2")
                }
                if answer.code == 0 { break }
                if answer.code == -9 { moments.removeFirst() }
                let run = try #require(try await controller.runs().first, "\(answer)")
                arguments = ["resume", run.run]
                // What failed is tried again only when told so, by the words of the message.
                if let step = answer.errors.firstMatch(of: /--retry ([A-Za-z0-9.-]+)/)?.1 {
                    arguments += ["--retry", String(step)]
                } else {
                    try #require(answer.code == -9, "\(answer)")
                }
            }
            #expect(moments.isEmpty)
        }

        @Test(
            "upgraded under load, killed in kubeadm, in a drain and in a kubelet's restart, and resumed: nobody notices",
            .enabled(if: Lab.isThorough, "make endurance")
        )
        func upgraded() async throws {
            try await UpgradeDrill.makeOld()
            let drill = try await EtcdDrill()
            let controller = drill.controller
            // An operator's own cordon is to stay; so the other worker's pods have nowhere to go for a while.
            _ = try await kubectl("cordon", "worker2")
            _ = try await kubectl("-n", "demo", "patch", "pdb", "web", "-p", #"{"spec":{"minAvailable":0}}"#)
            let (watch, _) = try await OutageWatch.during(operators: ["worker2"]) {
                try await Lab.here.with("kubeadm stop master2 between-moves:kube-scheduler") {
                    try await drill.writing(through: UpgradeDrill.masters, within: .seconds(1800)) {
                        try await upgradeWithKills(controller)
                    }
                }
            }
            print("who was out: \(watch.summary)")
            #expect(watch.looksWithOneOut > 60 && watch.faults.isEmpty, "\(watch)")
            let found = try await nodes()
            for name in Self.nodes {
                #expect(found[name]?.version == "v\(Self.new)", "\(name)")
                #expect(found[name]?.cordoned == (name == "worker2"), "\(name)")
                let held = try await Lab.here.shell(name, "apt-mark showhold | tr '\\n' ' '")
                #expect(held.contains("kubeadm kubectl kubelet"), "\(name): \(held)")
            }
            _ = try await kubectl("uncordon", "worker2")
            for balancer in ["lb1", "lb2"] {
                let left = try await Lab.here.shell(balancer, "ls /var/lib/rollbook-host/held 2>/dev/null | wc -l")
                #expect(left.trimmingCharacters(in: .whitespacesAndNewlines) == "0", "\(balancer)")
            }
            let shown = try await controller.rollbook("show")
            let clients = try #require(shown.output.firstMatch(of: Self.clients), "\(shown)")
            print(clients.output.0)
            #expect(clients.output.1 == "0" && clients.output.3 == "0", "no request fails, and none is tried again")
            let gaps = [clients.output.2, clients.output.4].compactMap { Double($0) }
            #expect(gaps.count == 2 && gaps.allSatisfy { $0 <= 1 }, "\(clients.output.0)")
            #expect(try await controller.runs().first?.status == "done")
            let again = try await controller.rollbook("plan", "rolling-upgrade", "--set", "version=\(Self.new)")
            #expect(again.code == 0, "\(again)")
            for kind in ["kubeadm upgrade", "kubectl drain", "state drain", "apt-get install"] {
                #expect(!again.output.contains(kind), "\(again)")
            }
            try await UpgradeDrill.makeOld()
        }
    }
}
