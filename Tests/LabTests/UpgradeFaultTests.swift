import Foundation
import Testing

extension LabSuite {
    /// What goes wrong in the window, made on purpose; runbooks of one worker, so that each takes seconds.
    @Suite("an upgrade that is disturbed", .serialized)
    struct UpgradeFaultTests {
        /// The shipped runbook's stage for workers without kubeadm, on one of them.
        private static func kubelet(of host: String, drained: Bool) -> String {
            """
            format: 1
            runbook: one-kubelet
            summary: The kubelet of one worker
            stages:
              - name: Package repository
                on: \(host)
                steps:
                  - { uses: package.repository, with: { version: \(UpgradeDrill.new) } }
              - name: Kubelet
                on: \(host)
                steps:
            \(drained ? "      - uses: node.cordon\n      - uses: node.drain" : "")
                  - { uses: kubelet.upgrade, with: { version: \(UpgradeDrill.new) } }
            \(drained ? "      - uses: node.uncordon" : "")
                gate:
                  - { uses: node.ready, with: { version: \(UpgradeDrill.new) } }

            """
        }

        private func book(_ text: String, for controller: Controller) throws -> String {
            let file = controller.folder.path + "/one-kubelet.yaml"
            try Data(text.utf8).write(to: URL(filePath: file))
            return file
        }

        /// Installs the old kubelet on a worker again, as an operator would.
        private func setBack(_ host: String) async throws {
            _ = try await Lab.here.shell(
                host,
                """
                sed -i 's/v1\\.32/v1.31/' /etc/apt/sources.list.d/kubernetes.list
                apt-get update -q >/dev/null
                DEBIAN_FRONTEND=noninteractive apt-get install -y -q --allow-downgrades --allow-change-held-packages \\
                    kubeadm=\(UpgradeDrill.old)-1.1 kubelet=\(UpgradeDrill.old)-1.1 kubectl=\(UpgradeDrill.old)-1.1 >/dev/null 2>&1
                apt-mark hold kubeadm kubelet kubectl >/dev/null
                systemctl daemon-reload; systemctl restart kubelet
                """
            )
            if UpgradeDrill.masters.contains(host) { return }
            _ = try await UpgradeDrill.kubectl("uncordon", host)
            for _ in 0..<60 {
                if try await UpgradeDrill.nodes()[host]?.version == "v\(UpgradeDrill.old)" { return }
                try await Task.sleep(for: .milliseconds(500))
            }
            Issue.record("\(host) does not come back with the old kubelet")
        }

        /// What keeps a new kubelet from running.
        enum Breakage: String, CaseIterable, CustomTestStringConvertible {
            case start = "systemd cannot start it"
            case flag = "it ends again and again"

            var testDescription: String { rawValue }

            /// A line of the unit that lets the old kubelet run, and not the new one.
            var line: String {
                let isNew = "/usr/bin/kubelet --version | grep -q v1.32"
                return switch self {
                case .start: "ExecStartPre=/bin/sh -c \"! \(isNew)\""
                case .flag: "ExecStart=\nExecStart=/bin/sh -c \"\(isNew) && exit 1; exec /usr/bin/kubelet\""
                }
            }

            var message: String {
                self == .start ? "systemd could not restart the kubelet" : "the kubelet was restarted, but 3 min later"
            }
        }

        @Test(
            "a kubelet that does not come back: the node stays cordoned, the next command is named, and does the rest",
            arguments: Lab.variants(Breakage.allCases)
        )
        func kubeletGone(_ breakage: Breakage) async throws {
            try await UpgradeDrill.makeOld()
            let controller = try Controller()
            let place = "/etc/systemd/system/kubelet.service.d"
            _ = try await Lab.here.shell(
                "worker2",
                "mkdir -p \(place); printf '[Service]\\n%s\\n' \"$1\" >\(place)/99-broken.conf; systemctl daemon-reload",
                breakage.line
            )
            var process = controller.process([
                "run", try book(Self.kubelet(of: "worker2", drained: true), for: controller), "--yes",
            ])
            process.deadline = .seconds(300)
            let answer = try await process.run()
            let seen = try await UpgradeDrill.nodes()["worker2"]
            _ = try await Lab.here.shell("worker2", "rm \(place)/99-broken.conf; systemctl daemon-reload")
            #expect(answer.code == 5, "\(answer)")
            #expect(answer.errors.contains("worker2/kubelet.upgrade: \(breakage.message)"), "\(answer)")
            #expect(seen?.isCordoned == true)
            let run = try #require(try await controller.runs().first).run
            let step = "2.worker2.kubelet.upgrade"
            #expect(answer.errors.contains("rollbook resume \(run) --retry \(step)"), "\(answer)")
            let resumed = try await controller.rollbook("resume", run, "--retry", step)
            #expect(resumed.code == 0, "\(resumed)")
            let node = try await UpgradeDrill.nodes()["worker2"]
            #expect(node == UpgradeDrill.Node(version: "v\(UpgradeDrill.new)", isCordoned: false))
            try await setBack("worker2")
        }

        /// For how long another program keeps the package manager's lock.
        enum Lock: String, CaseIterable, CustomTestStringConvertible {
            case letGo = "let go while it waits"
            case kept = "kept for more than five minutes"
            var testDescription: String { rawValue }
        }

        @Test(
            "the package manager's lock is taken: it waits, and if nobody lets go says who",
            arguments: Lab.variants(Lock.allCases)
        )
        func locked(_ lock: Lock) async throws {
            try await UpgradeDrill.makeOld()
            let controller = try Controller()
            let file = try book(Self.kubelet(of: "worker1", drained: false), for: controller)
            _ = try await Lab.here.shell(
                "worker1",
                """
                systemd-run -q --collect --unit=lock-keeper python3 -c '
                import fcntl, time
                file = open("/var/lib/dpkg/lock-frontend", "r+")
                fcntl.lockf(file, fcntl.LOCK_EX)
                time.sleep(600)
                '
                """
            )
            var process = controller.process(["run", file, "--yes"])
            process.deadline = .seconds(500)
            let answer = try await process.run { running in
                try await running.line(with: "worker1", "waits for the package manager's lock: process")
                guard lock == .letGo else { return }
                // It has changed nothing for as long as the lock is held.
                let waits = try await Lab.here.shell(
                    "worker1",
                    "dpkg-query -W -f '${Version}' kubelet; systemctl stop lock-keeper"
                )
                #expect(waits.hasPrefix(UpgradeDrill.old))
            }
            let run = try #require(try await controller.runs().first).run
            if lock == .kept {
                #expect(answer.code == 5, "\(answer)")
                #expect(
                    answer.errors.contains(/the package manager's lock stays taken: process \d+ \(python3/),
                    "\(answer)"
                )
                #expect(answer.errors.contains("rollbook resume \(run) --retry 2.worker1.kubelet.upgrade"), "\(answer)")
                let held = try await Lab.here.shell(
                    "worker1",
                    "systemctl stop lock-keeper; apt-mark showhold | tr '\\n' ' '"
                )
                #expect(held.contains("kubeadm kubectl kubelet"), "\(held)")
                let resumed = try await controller.rollbook("resume", run, "--retry", "2.worker1.kubelet.upgrade")
                #expect(resumed.code == 0, "\(resumed)")
            } else {
                #expect(answer.code == 0, "\(answer)")
            }
            let held = try await Lab.here.shell("worker1", "apt-mark showhold | tr '\\n' ' '")
            #expect(held.contains("kubeadm kubectl kubelet"), "\(held)")
            #expect(try await UpgradeDrill.nodes()["worker1"]?.version == "v\(UpgradeDrill.new)")
            try await setBack("worker1")
        }

        @Test(
            "a master that is down already: refused, the message names it, and nothing is changed",
            arguments: [("kube-apiserver-standin", "upgrade.ready"), ("etcd", "etcd.healthy")]
        )
        func masterDown(_ unit: String, gate: String) async throws {
            try await UpgradeDrill.makeOld()
            let controller = try Controller()
            try await Lab.here.with("service stop master2 \(unit)") {
                let answer = try await controller.process(["run", "rolling-upgrade", "--yes"] + UpgradeDrill.inputs)
                    .run()
                #expect(answer.code == 4, "\(answer)")
                let said = answer.errors.split(separator: "\n").filter { $0.hasPrefix("rollbook: refused: ") }
                #expect(said.contains { $0.contains("\(gate): master2: ") }, "\(answer)")
                #expect(said.contains { $0.contains("Nothing was changed") }, "\(answer)")
                #expect(try await controller.runs().isEmpty)
            }
            try await UpgradeDrill.expectNodes(at: UpgradeDrill.old)
            for node in UpgradeDrill.nodes { #expect(try await UpgradeDrill.calls(on: node).isEmpty, "\(node)") }
        }

        @Test("somebody installed kubeadm on one master before: the plan is shorter by that")
        func begun() async throws {
            try await UpgradeDrill.makeOld()
            let controller = try Controller()
            let fresh = try await controller.process(["plan", "rolling-upgrade"] + UpgradeDrill.inputs).run()
            #expect(fresh.code == 0, "\(fresh)")
            _ = try await Lab.here.shell(
                "master1",
                """
                sed -i 's/v1\\.31/v1.32/' /etc/apt/sources.list.d/kubernetes.list
                apt-get update -q >/dev/null
                apt-get install -y -q --allow-change-held-packages kubeadm=\(UpgradeDrill.new)-1.1 >/dev/null 2>&1
                apt-mark hold kubeadm >/dev/null
                """
            )
            let plan = try await controller.process(["plan", "rolling-upgrade"] + UpgradeDrill.inputs).run()
            try await setBack("master1")
            #expect(plan.code == 0, "\(plan)")
            func count(_ words: String, in answer: Answer) -> Int { answer.lines.count { $0.contains(words) } }
            let installs = "install kubeadm \(UpgradeDrill.new)"
            #expect(count(installs, in: fresh) == 5 && count(installs, in: plan) == 4, "\(plan)")
            let repository = "package.repository  nothing to do"
            #expect(count(repository, in: fresh) == 0 && count(repository, in: plan) == 1, "\(plan)")
            // What kubeadm does is still to be done everywhere.
            #expect(count("$ kubeadm upgrade apply v\(UpgradeDrill.new)", in: plan) == 1, "\(plan)")
        }
    }
}
