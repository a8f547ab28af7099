import ClusterModel
import Foundation
import RemoteShell
import RunEngine
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("Scripts that call kubectl, in a real shell")
struct KubernetesScriptShellTests {
    private let tree: HostTree
    private let api: KubernetesAPI
    private let master: ClusterModel.Host
    private let cluster: Cluster

    /// A master whose kubectl notes what it was called with, and answers from files.
    init() throws {
        let sample = Cluster.sample(masters: 1, workers: 1, loadBalancers: 0)
        master = try #require(sample.hosts.first)
        tree = try HostTree(master.name)
        var paths = ClusterPaths()
        paths.kubernetes = tree.root + "/etc/kubernetes"
        cluster = Cluster(id: sample.id, vip: "10.0.9.1", paths: paths, hosts: sample.hosts)
        api = KubernetesAPI(on: master, in: cluster)
        try tree.program(
            "kubectl",
            """
            echo "$*" >>'\(tree.root)/calls'
            state='\(tree.root)/state'
            while [ $# -gt 0 ]; do case $1 in
                get | patch | drain) break ;;
                --kubeconfig | --server) shift ;;
                esac; shift; done
            case "$*" in
            'get --raw /version') echo '{ "gitVersion": "v1.31.14" }' ;;
            'get --raw '*) echo ok ;;
            'get namespace '*) echo 0a7c-uid ;;
            'get node '*) cat "$state" ;;
            'get pods '*) cat '\(tree.root)/pods' ;;
            'patch node '*)
                read -r version rest <"$state"
                if [ -f '\(tree.root)/conflict' ]; then
                    rm '\(tree.root)/conflict'; echo 'Error from server (Conflict): the object has been modified' >&2; exit 1
                fi
                case "$*" in
                *"\\"resourceVersion\\":\\"$version\\""*'"unschedulable":true'*) echo "9 yes run-1" >"$state" ;;
                *"\\"resourceVersion\\":\\"$version\\""*'"unschedulable":null'*) echo "10 no" >"$state" ;;
                *) echo 'another version' >&2; exit 1 ;;
                esac ;;
            'drain '*) echo 'node/worker1 cordoned'; echo 'error: no' >&2; exit 1 ;;
            *) exit 9 ;;
            esac
            """
        )
    }

    private func calls() -> [String] {
        ((try? String(contentsOfFile: tree.root + "/calls", encoding: .utf8)) ?? "").split(separator: "\n").map(
            String.init
        )
    }

    @Test("the API server is asked where its manifest says that it listens", arguments: ["10.9.8.7", "fd00::7"])
    func address(advertised: String) async throws {
        defer { tree.remove() }
        try tree.write(
            "/etc/kubernetes/manifests/kube-apiserver.yaml",
            "    - --advertise-address=\(advertised)\n    - --secure-port=7443\n"
        )
        try tree.write("/state", "7 no\n")
        _ = try await tree.run(NodeCordon.cordonCommand("worker1", run: "run-1", api))
        let shown = advertised.contains(":") ? "[\(advertised)]" : advertised
        let call = try #require(calls().first)
        #expect(call.contains("--server https://\(shown):7443 --request-timeout=20s --cache-dir=/dev/null/none"))
        #expect(call.hasPrefix("--kubeconfig \(tree.root)/etc/kubernetes/admin.conf "))
    }

    @Test("without a manifest it is asked at the inventory's address")
    func inventoryAddress() async throws {
        defer { tree.remove() }
        try tree.write("/state", "7 no\n")
        _ = try await tree.run(NodeCordon.cordonCommand("worker1", run: "run-1", api))
        #expect(calls().first?.contains("--server https://10.0.1.1:6443 ") == true)
    }

    @Test("a cordon and its mark are one write to the node as it was read, made again after a conflict")
    func cordon() async throws {
        defer { tree.remove() }
        try tree.write("/state", "7 no\n")
        try tree.write("/conflict", "")
        let answer = try await tree.run(NodeCordon.cordonCommand("worker1", run: "run-1", api))
        #expect(answer.exitCode == 0 && answer.text == "cordoned\n")
        let patches = calls().filter { $0.contains(" patch node worker1 ") }
        #expect(patches.count == 2)
        let wanted = #"{"metadata":{"resourceVersion":"7","annotations":{"rollbook.io/cordoned-by":"run-1"}},"#
        #expect(patches.allSatisfy { $0.contains(wanted) })
        let again = try await tree.run(NodeCordon.cordonCommand("worker1", run: "run-2", api))
        #expect(again.text == "already run-1\n")
        #expect(calls().count { $0.contains(" patch ") } == 2)
    }

    @Test(
        "whose cordon it is decides whether it goes",
        arguments: [
            ("8 yes run-1", "run-1", "uncordoned"), ("8 yes run-1", nil, "uncordoned"),
            ("8 yes run-1", "run-2", "kept"),
            ("8 yes", nil, "kept"), ("8 yes", "run-1", "kept"), ("8 no", nil, "schedulable"),
            ("8 no run-1", nil, "schedulable"),
        ] as [(String, String?, String)]
    )
    func uncordon(state: String, run: String?, said: String) async throws {
        defer { tree.remove() }
        try tree.write("/state", state + "\n")
        let answer = try await tree.run(NodeCordon.uncordonCommand("worker1", run: run, api))
        #expect(answer.exitCode == 0 && answer.text == said + "\n")
        // A mark that was left over goes in any case.
        let goes = said == "uncordoned" || state == "8 no run-1"
        #expect(calls().contains { $0.contains(" patch ") } == goes)
    }

    @Test("a node that is not there is kubectl's complaint")
    func notThere() async throws {
        defer { tree.remove() }
        let answer = try await tree.run(NodeCordon.cordonCommand("worker9", run: "run-1", api))
        #expect(answer.exitCode == 1)
    }

    @Test("after a call of drain the pods that are left are listed, whatever drain said")
    func drain() async throws {
        defer { tree.remove() }
        try tree.write("/pods", "pod\tdemo\tweb\tworker1\tRunning\t\tReplicaSet/web\t\t\tTrue\t\t\t\n")
        let command = DrainNode.command("worker1", seconds: 5, ["--ignore-daemonsets"], api)
        let result = try await tree.connection.run(command)
        let answer = DrainAnswer(result)
        #expect(!answer.isDone && answer.refusal == nil && answer.complaint == "error: no")
        #expect(answer.pods?.map(\.id) == ["demo/web"])
        #expect(calls().first?.hasSuffix(" drain worker1 --timeout=5s --ignore-daemonsets") == true)
        #expect(calls().contains { $0.contains(" get pods -A --field-selector=spec.nodeName=worker1 ") })
    }

    @Test("a master's own control plane: answers, manifests, and for how long what is really it has been running")
    func controlPlane() async throws {
        defer { tree.remove() }
        try tree.write("/proc/uptime", "5000.12 1.00\n")
        let ticks = 100
        let processes = [
            (7, "kube-apiserver", "kube-apiserver", 4000),
            (8, "kube-controller", "/usr/local/bin/kube-controller-manager", 100),
            (9, "kube-controller", "/usr/bin/kube-controllers", 4999), (10, "kube-scheduler", "kube-scheduler", 4991),
        ]
        for (pid, comm, program, began) in processes {
            try tree.process(pid, comm, [program, "--flag"])
            let fields = Array(repeating: "0", count: 18).joined(separator: " ")
            try tree.write("/proc/\(pid)/stat", "\(pid) (\(comm)) S \(fields) \(began * ticks) 0 0\n")
        }
        try tree.write(
            "/etc/kubernetes/manifests/kube-scheduler.yaml",
            "spec:\n  containers:\n    image: registry.k8s.io/kube-scheduler:v1.31.14\n"
        )
        let fact = ControlPlaneState(of: master, in: cluster)
        let value = try fact.parse(try await tree.run(fact.command))
        #expect(value.version == "1.31.14" && value.cluster == "0a7c-uid")
        #expect(value.readyz == nil && value.livez == nil && value.vip == nil)
        #expect(value.images == ["kube-scheduler": "registry.k8s.io/kube-scheduler:v1.31.14"])
        #expect(value.ages == ["kube-apiserver": 1000, "kube-controller-manager": 4900, "kube-scheduler": 9])
        #expect(
            calls().contains { $0.contains("--server https://10.0.9.1:6443 ") && $0.hasSuffix(" get --raw /readyz") }
        )
    }

    @Test("5000 pods are about a MiB, and read whole")
    func manyPods() throws {
        let line =
            "pod\tproduction-namespace\tsome-service-7db849b67f-lrcsv\tworker-17.example.org\tRunning\t\t"
            + "ReplicaSet/some-service-7db849b67f\t\tlocal\tTrue\t2026-11-20T23:03:50Z\t\t"
            + "app=some-service,pod-template-hash=7db849b67f,\n"
        let text = String(repeating: line, count: 5000) + "end\n"
        #expect(text.utf8.count < 1_300_000)
        let pods = try ClusterPods.read(ProbeBatch.Answer(exitCode: 0, output: Array(text.utf8))).pods
        #expect(pods.count == 5000)
        #expect(pods.last?.owner?.description == "ReplicaSet production-namespace/some-service-7db849b67f")
    }
}
