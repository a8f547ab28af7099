import ClusterModel
import RemoteShell
import RunEngine
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("Gates of an upgrade")
struct UpgradeGateTests {
    struct NodeRow: Sendable, CustomTestStringConvertible {
        let name: String
        let change: @Sendable (inout SimulatedKubernetes.Node) -> Void
        var version: String?
        var closed: String?
        var remarks: [String] = []

        var testDescription: String { name }
    }

    static let nodes: [NodeRow] = [
        NodeRow(name: "Ready", change: { _ in }),
        NodeRow(name: "at its version", change: { $0.kubelet = "v1.32.13" }, version: "1.32.13"),
        NodeRow(
            name: "not at its version yet",
            change: { _ in },
            version: "1.32.13",
            closed: "worker1: its kubelet is v1.31.14, not v1.32.13"
        ),
        NodeRow(name: "not Ready", change: { $0.isReady = false }, closed: "worker1: not Ready (NodeStatusUnknown)"),
        NodeRow(
            name: "Ready, with a dead kubelet",
            change: { $0.lease = 41 },
            closed: "worker1: its kubelet has not renewed its lease for 41 s"
        ),
        NodeRow(name: "a lease at its limit", change: { $0.lease = 40 }),
        NodeRow(
            name: "still cordoned by us",
            change: { node in
                node.isCordoned = true
                node.by = "20261119T101010Z-00000001"
            },
            closed: "worker1: still cordoned by run 20261119T101010Z-00000001"
        ),
        NodeRow(
            name: "cordoned by an operator",
            change: { $0.isCordoned = true },
            remarks: ["worker1 is cordoned by somebody else"]
        ),
    ]

    @Test("node.ready after a batch", arguments: nodes)
    func nodeReady(row: NodeRow) async throws {
        let trial = KubernetesTrial()
        trial.kubernetes.node("worker1", row.change)
        let verdict = try await trial.verdict(NodeReadyGate(version: row.version), after: ["worker1"])
        #expect(verdict.closed?.event == row.closed)
        #expect(verdict.remarks == row.remarks)
        let other = try await trial.verdict(NodeReadyGate(), after: ["worker2"])
        #expect(other.closed == nil)
    }

    @Test("node.ready of hosts that are no nodes")
    func noNode() async throws {
        let trial = KubernetesTrial()
        trial.kubernetes.change { $0.nodes.removeAll { $0.name == "worker2" } }
        let verdict = try await trial.verdict(NodeReadyGate(), after: ["worker1", "worker2"])
        #expect(verdict.closed?.event == "worker2 is no node of the cluster")
    }

    struct MasterRow: Sendable, CustomTestStringConvertible {
        let name: String
        let change: @Sendable (inout SimulatedKubernetes.Master) -> Void
        var version: String? = "1.32.13"
        var closed: String?

        var testDescription: String { name }
    }

    private static func upgrade(_ master: inout SimulatedKubernetes.Master) {
        master.version = "1.32.13"
        master.image = "v1.32.13"
        master.reported = "v1.32.13"
    }

    static let masters: [MasterRow] = [
        MasterRow(name: "upgraded", change: upgrade),
        MasterRow(name: "of any version", change: { _ in }, version: nil),
        MasterRow(
            name: "not upgraded",
            change: { _ in },
            closed: "master2: its API server is 1.31.14, not 1.32.13; master2: the manifest of kube-apiserver has"
        ),
        MasterRow(
            name: "the manifest is new, the pod is not",
            change: { master in
                upgrade(&master)
                master.reported = "v1.31.14"
            },
            closed: "master2: the pod of kube-apiserver is still of registry.k8s.io/kube-apiserver:v1.31.14"
        ),
        MasterRow(
            name: "started just now",
            change: { master in
                upgrade(&master)
                master.age = 9
            },
            closed: "master2: kube-apiserver was started 9 s ago"
        ),
        MasterRow(
            name: "etcd behind it fails",
            change: { master in
                upgrade(&master)
                master.livez = "the server said [-]etcd failed: reason withheld"
            },
            closed: "master2: /livez: etcd failed"
        ),
        MasterRow(
            name: "pods not Ready",
            change: { master in
                upgrade(&master)
                master.podsReady = false
            },
            closed: "master2: the pod of kube-apiserver is not Ready"
        ),
        MasterRow(
            name: "over another etcd",
            change: { master in
                upgrade(&master)
                master.uid = "ffffffff-1111-4222-8333-444455556666"
            },
            closed: "the API servers serve different clusters (uid of kube-system: master1 0a7c0000"
        ),
        MasterRow(
            name: "not reached through the VIP",
            change: { master in
                upgrade(&master)
                master.vip = "Unable to connect to the server: EOF"
            },
            closed: "master2: through the VIP: Unable to connect to the server: EOF"
        ),
        MasterRow(
            name: "API server down",
            change: { $0.isReady = false },
            closed: "master2: its API server does not answer: The connection to the server was refused"
        ),
    ]

    @Test("controlplane.ready after a batch", arguments: masters)
    func controlPlaneReady(row: MasterRow) async throws {
        let trial = KubernetesTrial(vip: "10.0.9.1")
        trial.kubernetes.master("master2", row.change)
        let verdict = try await trial.verdict(ControlPlaneReadyGate(version: row.version), after: ["master2"])
        guard let closed = row.closed else {
            #expect(verdict.closed == nil)
            return
        }
        #expect(verdict.closed?.event.hasPrefix(closed) == true, "\(verdict)")
    }

    @Test("controlplane.ready waits for controller manager and scheduler")
    func leaders() async throws {
        let trial = KubernetesTrial()
        trial.kubernetes.change { $0.leaseAge = 30 }
        let verdict = try await trial.verdict(ControlPlaneReadyGate(), after: ["master1"])
        #expect(
            verdict.closed?.event
                == "no kube-controller-manager has renewed its lease for 30 s; no kube-scheduler has renewed its lease for 30 s"
        )
    }

    @Test("another master that is away is a remark")
    func otherAway() async throws {
        let trial = KubernetesTrial()
        trial.engine.hosts["master3"].isUp = false
        let verdict = try await trial.verdict(ControlPlaneReadyGate(), after: ["master1"])
        #expect(verdict.closed == nil && verdict.remarks.count == 1)
    }

    struct ReadyRow: Sendable, CustomTestStringConvertible {
        let name: String
        var prepare: @Sendable (KubernetesTrial) -> Void = { _ in }
        var with: [String: JSONValue] = [:]
        var target = "1.32.13"
        var closed: String?
        var next: String?
        var remarks: [String] = []

        var testDescription: String { name }
    }

    static let upgrades: [ReadyRow] = [
        ReadyRow(name: "in order"),
        ReadyRow(name: "two minors", target: "1.33.1", closed: "one minor release at a time"),
        ReadyRow(
            name: "a downgrade",
            target: "1.30.1",
            closed: "1.30.1 would be a downgrade of the API server of master1"
        ),
        ReadyRow(
            name: "half upgraded",
            prepare: { trial in
                trial.kubernetes.change { $0.configured = "v1.32.13" }
                trial.kubernetes.master("master1", upgrade)
                trial.kubernetes.node("master1") { $0.kubelet = "v1.31.14" }
            }
        ),
        ReadyRow(
            name: "a kubelet ahead",
            prepare: { trial in trial.kubernetes.node("worker1") { $0.kubelet = "v1.32.13" } },
            closed: "a kubelet must not be newer than any API server: worker1 1.32.13"
        ),
        ReadyRow(
            name: "a node not Ready",
            prepare: { trial in trial.kubernetes.node("worker2") { $0.isReady = false } },
            closed: "worker2 is not Ready (NodeStatusUnknown)",
            next: "kubectl describe node worker2"
        ),
        ReadyRow(
            name: "cordons are remarked upon",
            prepare: { trial in
                trial.kubernetes.node("worker1") { $0.isCordoned = true }
                trial.kubernetes.node("worker2") { $0.by = "20261119T101010Z-00000001" }
            },
            remarks: [
                "worker1 is cordoned by somebody else, and stays so",
                "worker2 bears the mark of run 20261119T101010Z-00000001, but is not cordoned",
            ]
        ),
        ReadyRow(
            name: "an API server down",
            prepare: { trial in trial.kubernetes.master("master3") { $0.isReady = false } },
            closed: "master3: its API server does not answer"
        ),
        ReadyRow(
            name: "a host that is no node",
            prepare: { trial in trial.kubernetes.change { $0.nodes.removeAll { $0.name == "worker1" } } },
            closed: "worker1 is no node of the cluster"
        ),
        ReadyRow(
            name: "a node of no inventory",
            prepare: { trial in
                trial.kubernetes.change { $0.nodes.append(SimulatedKubernetes.Node(name: "edge", address: "10.9.9.9")) }
            },
            remarks: ["edge is in no inventory, and is not upgraded"]
        ),
        ReadyRow(
            name: "a budget that never lets go",
            prepare: { $0.deployWeb(4) },
            closed: "worker1: demo/web-1, demo/web-2 cannot be evicted: the budget demo/web",
            next: "more replicas, or a budget that lets one go: kubectl -n demo edit pdb web"
        ),
        ReadyRow(
            name: "a budget that has nothing to give now",
            prepare: { trial in
                trial.deployWeb(3)
                trial.kubernetes.change { $0.pods[3].isReady = false }
            },
            remarks: [
                "worker1: demo/web-1, demo/web-2 would have to wait: the budget demo/web allows no disruption: "
                    + "it needs 3 healthy pods and has 3",
                "worker2: demo/web-3, demo/web-4 would have to wait: the budget demo/web allows no disruption: "
                    + "it needs 3 healthy pods and has 3",
            ]
        ),
        ReadyRow(
            name: "a budget on a node that is done",
            prepare: { trial in
                trial.deployWeb(4)
                for master in ["master1", "master2", "master3"] { trial.kubernetes.master(master, upgrade) }
                for node in ["worker1", "worker2"] { trial.kubernetes.node(node) { $0.kubelet = "v1.32.13" } }
            }
        ),
        ReadyRow(
            name: "an unmanaged pod",
            prepare: { trial in trial.addPod("bare") { $0.owner = "" } },
            closed: "worker1: nothing would make these pods anew: demo/bare"
        ),
        ReadyRow(
            name: "pods that may go",
            prepare: { trial in
                trial.addPod("bare") { $0.owner = "" }
                trial.addPod("cache") { $0.isLocal = true }
            },
            with: ["allowUnmanaged": .bool(true), "deleteLocalData": .bool(true)],
            remarks: [
                "worker1: nothing makes anew: demo/bare", "worker1: local data will be lost of: demo/cache",
            ]
        ),
        ReadyRow(
            name: "webhooks on one pod or none",
            prepare: { trial in
                trial.kubernetes.change { state in
                    state.webhooks = """
                        webhook\tgate\tgate.example.org\tpolicy\tgate
                        webhook\tinject\tinject.example.org\tpolicy\tinject
                        webhook\tnobody\tnobody.example.org\tpolicy\tnobody
                        endpoints\tpolicy\tgate\t+
                        endpoints\tpolicy\tinject\t++

                        """
                }
            },
            remarks: [
                "one pod answers the webhook gate.example.org (policy/gate), and requests fail while nothing does",
                "nothing answers the webhook nobody.example.org (policy/nobody), and requests fail while nothing does",
            ]
        ),
        ReadyRow(
            name: "etcd too old for 3.6",
            prepare: { trial in
                trial.kubernetes.change { $0.configured = "v1.33.4" }
                for index in 1...3 {
                    trial.kubernetes.master("master\(index)") { $0.version = "1.33.4" }
                    trial.kubernetes.node("master\(index)") { $0.kubelet = "v1.33.4" }
                }
            },
            target: "1.34.1",
            closed:
                "Kubernetes 1.34 brings etcd 3.6, which only members of 3.5.26 or later may go to: master1 has 3.5.16"
        ),
        ReadyRow(
            name: "etcd's image chosen by hand",
            prepare: { trial in trial.kubernetes.change { $0.etcdTag = "3.5.26-0" } },
            remarks: ["kubeadm is told to use etcd's image 3.5.26-0, and will keep it"]
        ),
    ]

    @Test("upgrade.ready before anything", arguments: upgrades)
    func upgradeReady(row: ReadyRow) async throws {
        let trial = KubernetesTrial()
        row.prepare(trial)
        let parameters = row.with.merging(["version": .string(row.target)]) { first, _ in first }
        let gate = try #require(try await trial.gate("upgrade.ready", parameters))
        if let closed = row.closed {
            #expect(gate.closed?.event.hasPrefix(closed) == true, "\(String(describing: gate.closed))")
            if let next = row.next { #expect(gate.closed?.next == next) }
        } else {
            #expect(gate.closed == nil)
            #expect(gate.remarks == row.remarks)
        }
        #expect(trial.engine.hosts.sentOnlyReads)
    }

    @Test("the way to Kubernetes: the first other master that is ready")
    func chosen() async throws {
        let trial = KubernetesTrial()
        func choice(_ host: String?, orItself: Bool = false) async throws -> String {
            let cache = FactCache(cluster: trial.engine.cluster, connections: trial.engine.hosts, parallel: 8)
            let facts = cache.reader(of: trial.engine.cluster)
            return try await KubernetesAPI.chosen(facts, avoiding: host.flatMap { HostName($0) }, orItself: orItself)
                .master.name.text
        }
        #expect(try await choice(nil) == "master1")
        #expect(try await choice("worker1") == "master1")
        #expect(try await choice("master1") == "master2")
        trial.kubernetes.master("master2") { $0.isReady = false }
        #expect(try await choice("master1") == "master3")
        trial.engine.hosts["master3"].isUp = false
        #expect(try await choice("master1", orItself: true) == "master1")
        await #expect(throws: OperatorMessage.self) { try await choice("master1") }
    }

    @Test("kubectl's complaint is its last line that is no log")
    func complaints() {
        let refused = Fixtures.answer(ClusterNodes.name, "refused")
        #expect(
            KubernetesAPI.complaint(String(decoding: refused.errorOutput, as: UTF8.self))
                == "The connection to the server 10.78.0.21:6443 was refused - did you specify the right host or port?"
        )
        #expect(KubernetesAPI.complaint("") == nil)
    }

    @Test("kubernetes.workloads: what lost pods lately is waited for, what was broken before is not")
    func workloads() throws {
        let clock = try #require(UTCMoment("2026-11-20T23:10:00Z"))
        func pod(_ name: String, _ owner: String, age: Int64, waiting: String = "") -> PodEntry {
            PodEntry(
                namespace: "demo",
                name: name,
                node: "",
                phase: "Pending",
                isTerminating: false,
                owner: WorkloadName(kind: "ReplicaSet", namespace: "demo", name: owner),
                isMirror: false,
                hasLocalData: false,
                isReady: false,
                created: UTCMoment(seconds: clock.seconds - age),
                waiting: waiting,
                labels: [:]
            )
        }
        func entry(_ name: String, _ desired: Int, _ ready: Int) -> WorkloadEntry {
            WorkloadEntry(
                workload: WorkloadName(kind: "ReplicaSet", namespace: "demo", name: name),
                desired: desired,
                ready: ready
            )
        }
        let entries = [entry("web", 2, 2), entry("new", 2, 1), entry("old", 1, 0), entry("none", 1, 0)]
        let pods = [pod("new-1", "new", age: 60), pod("old-1", "old", age: 5000, waiting: "CrashLoopBackOff")]
        let closed = WorkloadsGate.verdict(entries, pods, at: clock)
        #expect(
            closed.closed?.event
                == "ReplicaSet demo/new has 1 of 2 replicas ready: new-1 Pending, on no node; "
                + "ReplicaSet demo/none has 0 of 1 replicas ready"
        )
        let open = WorkloadsGate.verdict([entries[0], entries[2]], pods, at: clock)
        #expect(open.detail == "1 workloads have all their replicas")
        #expect(
            open.remarks == ["ReplicaSet demo/old has 0 of 1 replicas ready: old-1 CrashLoopBackOff, on no node"]
        )
    }
}
