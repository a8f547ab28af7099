import ClusterModel
import Journal
import RunEngine
import Synchronization
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("Cordon, drain and uncordon")
struct NodeStepTests {
    /// A node in some state, and what each step makes of it.
    struct Row: Sendable, CustomTestStringConvertible {
        let name: String
        var prepare: @Sendable (KubernetesTrial) -> Void = { _ in }
        /// Beginnings of what is said.
        var cordon: String?
        var drain: String?
        /// Nil when it is decided when its turn comes.
        var uncordon: String?

        var testDescription: String { name }
    }

    static let rows: [Row] = [
        Row(
            name: "in service",
            prepare: { $0.deployWeb(2) },
            cordon: "no new pods on worker1",
            drain: "evict 2 pods: demo/web-1, demo/web-2"
        ),
        Row(name: "empty", cordon: "no new pods on worker1", drain: "no pod has to leave"),
        Row(
            name: "cordoned by an operator",
            prepare: { trial in
                trial.deployWeb()
                trial.kubernetes.node("worker1") { $0.isCordoned = true }
            },
            cordon: "noop: it is cordoned, by somebody else",
            drain: "worker1 is cordoned by somebody else, and stays so; evict 2 pods"
        ),
        Row(
            name: "cordoned by an earlier run",
            prepare: { trial in
                trial.deployWeb()
                trial.kubernetes.node("worker1") { node in
                    node.isCordoned = true
                    node.by = "20261119T101010Z-00000001"
                }
            },
            cordon: "noop: it is cordoned, by run 20261119T101010Z-00000001",
            drain: "worker1 is cordoned by run 20261119T101010Z-00000001; evict 2 pods",
            uncordon: "pods may come to worker1 again; run 20261119T101010Z-00000001 had cordoned it"
        ),
        Row(
            name: "drained already",
            prepare: { trial in
                trial.kubernetes.node("worker1") { $0.isCordoned = true }
                trial.addPod("net") { $0.owner = "DaemonSet/net" }
            },
            cordon: "noop: it is cordoned",
            drain: "noop: it is cordoned, and no pod has to leave"
        ),
        Row(
            name: "not Ready",
            prepare: { trial in
                trial.deployWeb()
                trial.kubernetes.node("worker1") { $0.isReady = false }
            },
            cordon: "no new pods on worker1",
            drain: "evict 2 pods"
        ),
        Row(
            name: "not in the cluster",
            prepare: { trial in trial.kubernetes.change { $0.nodes.removeAll { $0.name == "worker1" } } },
            cordon: "blocked: it is no node of the cluster",
            drain: "blocked: it is no node of the cluster",
            uncordon: "blocked: it is no node of the cluster"
        ),
        Row(
            name: "a budget that never lets go",
            prepare: { $0.deployWeb(4) },
            cordon: "no new pods",
            drain: "blocked: demo/web-1, demo/web-2 cannot be evicted: the budget demo/web allows no disruption: "
                + "it needs 4 healthy pods and has 4"
        ),
        Row(
            name: "a budget that waits for a pod",
            prepare: { trial in
                trial.deployWeb(3)
                trial.kubernetes.change { $0.pods[3].isReady = false }
            },
            cordon: "no new pods",
            drain:
                "evict 2 pods: demo/web-1, demo/web-2; waits for the budget demo/web allows no disruption"
        ),
        Row(
            name: "an unmanaged pod",
            prepare: { trial in trial.addPod("bare") { $0.owner = "" } },
            cordon: "no new pods",
            drain: "blocked: nothing would make these pods anew: demo/bare"
        ),
        Row(
            name: "local data",
            prepare: { trial in trial.addPod("cache") { $0.isLocal = true } },
            cordon: "no new pods",
            drain: "blocked: pods would lose the data in their emptyDir volumes: demo/cache"
        ),
        Row(
            name: "no other API server",
            prepare: { trial in
                for name in ["master1", "master2", "master3"] { trial.kubernetes.master(name) { $0.isReady = false } }
            },
            cordon: "blocked: no API server besides worker1's is ready: master1: connection refused",
            drain: "blocked: no API server besides worker1's is ready",
            uncordon: "blocked: no API server besides worker1's is ready"
        ),
    ]

    @Test("what a node's state means", arguments: rows)
    func decides(row: Row) async throws {
        let trial = KubernetesTrial()
        row.prepare(trial)
        for (kind, expected) in [
            ("node.cordon", row.cordon), ("node.drain", row.drain), ("node.uncordon", row.uncordon),
        ] {
            let found = try #require(try await trial.decision(kind))
            guard let expected else {
                #expect(found.isUnknown, "\(kind): \(found)")
                continue
            }
            let said =
                found.noop.map { "noop: \($0)" } ?? found.blocked.map { "blocked: \($0.event)" }
                ?? found.changes.first?.summary
            let text = said ?? "\(found)"
            #expect(text.hasPrefix(expected), "\(kind): \(text)")
        }
        #expect(trial.engine.hosts.sentOnlyReads)
    }

    @Test("what was allowed is said, with the flags that allow it")
    func allowed() async throws {
        let trial = KubernetesTrial()
        trial.addPod("bare") { $0.owner = "" }
        trial.addPod("cache") { $0.isLocal = true }
        let found = try await trial.decision(
            "node.drain",
            ["deleteLocalData": .bool(true), "allowUnmanaged": .bool(true)]
        )
        let change = try #require(found?.changes.first)
        #expect(change.summary.hasSuffix("; nothing makes anew: demo/bare; local data is lost of: demo/cache"))
        #expect(change.commands == ["kubectl drain worker1 --ignore-daemonsets --delete-emptydir-data --force"])
    }

    @Test("of many pods ten are named")
    func many() async throws {
        let trial = KubernetesTrial()
        for number in 10...40 { trial.addPod("job-\(number)") }
        let summary = try #require(try await trial.decision("node.drain")?.changes.first?.summary)
        #expect(summary.hasPrefix("evict 31 pods: demo/job-10, "))
        #expect(summary.hasSuffix("demo/job-19 and 21 more"))
    }

    private static func runbook(_ host: String = "worker1", timeout: String = "2m") -> Runbook {
        .toy([
            .toy(
                on: host,
                [
                    KubernetesTrial.call("node.drain", ["timeout": .string(timeout)]),
                    KubernetesTrial.call("kubernetes.wait-workloads", ["timeout": .string("2m")]),
                    KubernetesTrial.call("node.uncordon"),
                ]
            )
        ])
    }

    @Test("a node is drained, what ran on it runs elsewhere, and it comes back")
    func wholeWay() async throws {
        let trial = KubernetesTrial()
        trial.deployWeb(3)
        let plan = try await trial.engine.plan(Self.runbook())
        let journal = try trial.engine.foldJournal(for: plan)
        let ending = try await trial.engine.execute(plan, on: journal)
        #expect(ending.exitCode == .done, "\(ending.problems)")
        let state = trial.kubernetes.now
        #expect(state.nodes.allSatisfy { !$0.isCordoned && $0.by.isEmpty })
        #expect(state.pods.count == 4 && state.pods.allSatisfy { $0.node == "worker2" })
        #expect(Set(state.drains) == ["master1"])
    }

    @Test("a master is drained through another one; an operator's cordon stays")
    func master() async throws {
        let trial = KubernetesTrial()
        trial.kubernetes.node("master1") { $0.isCordoned = true }
        trial.addPod("web") { $0.node = "master1" }
        let plan = try await trial.engine.plan(Self.runbook("master1"))
        let ending = try await trial.engine.execute(plan, on: try trial.engine.foldJournal(for: plan))
        #expect(ending.exitCode == .done, "\(ending.problems)")
        let state = trial.kubernetes.now
        #expect(Set(state.drains) == ["master2"])
        #expect(state.nodes.first?.isCordoned == true)
    }

    @Test("the only master is drained through itself")
    func onlyMaster() async throws {
        let trial = KubernetesTrial(masters: 1)
        trial.addPod("web") { $0.node = "master1" }
        let plan = try await trial.engine.plan(Self.runbook("master1"))
        let ending = try await trial.engine.execute(plan, on: try trial.engine.foldJournal(for: plan))
        #expect(ending.exitCode == .done, "\(ending.problems)")
        #expect(Set(trial.kubernetes.now.drains) == ["master1"])
    }

    @Test("a budget that holds pods back ends it at the deadline, with pod and budget named, and the node cordoned")
    func late() async throws {
        let trial = KubernetesTrial()
        trial.deployWeb(3)
        trial.kubernetes.change { $0.pods[3].isReady = false }
        let plan = try await trial.engine.plan(Self.runbook())
        let began = trial.engine.time.elapsed
        let ending = try await trial.engine.execute(plan, on: try trial.engine.foldJournal(for: plan))
        #expect(ending.exitCode == .deadline)
        let message = try #require(ending.problems.first)
        #expect(
            message.event == "after 2m00s 2 pods are still there: demo/web-1, demo/web-2 "
                + "(the budget demo/web allows no disruption: it needs 3 healthy pods and has 3)"
        )
        #expect(message.state == "worker1 stays cordoned; 0 pods were evicted")
        let took = trial.engine.time.elapsed - began
        #expect(took >= .seconds(120) && took < .seconds(150))
        let node = try #require(trial.kubernetes.now.nodes.first { $0.name == "worker1" })
        #expect(node.isCordoned && node.by == trial.engine.run.text)
    }

    @Test("a pod that does not end is named as such")
    func stuck() async throws {
        let trial = KubernetesTrial()
        trial.addPod("slow") { $0.isStuck = true }
        let plan = try await trial.engine.plan(Self.runbook())
        let ending = try await trial.engine.execute(plan, on: try trial.engine.foldJournal(for: plan))
        #expect(ending.problems.first?.event == "after 2m00s 1 pod is still there: demo/slow (still ending)")
    }

    @Test("what no waiting changes ends it at once")
    func refused() async throws {
        let trial = KubernetesTrial()
        trial.addPod("web")
        let plan = try await trial.engine.plan(Self.runbook())
        trial.addPod("cache") { $0.isLocal = true }
        let ending = try await trial.engine.execute(plan, on: try trial.engine.foldJournal(for: plan))
        #expect(ending.problems.first?.event.hasSuffix("(use --delete-emptydir-data to override): demo/cache") == true)
        #expect(ending.problems.first?.state == "worker1 stays cordoned; 0 pods were evicted")
        #expect(trial.kubernetes.now.drains.count == 1)
    }

    @Test("the master it goes through may die meanwhile")
    func masterDies() async throws {
        let trial = KubernetesTrial()
        trial.deployWeb(3)
        trial.kubernetes.change { $0.dying = "master1" }
        let plan = try await trial.engine.plan(Self.runbook())
        let ending = try await trial.engine.execute(plan, on: try trial.engine.foldJournal(for: plan))
        #expect(ending.exitCode == .done, "\(ending.problems)")
        #expect(trial.kubernetes.now.drains == ["master1", "master2"])
    }

    @Test("what was evicted and comes up nowhere ends the wait, with its owner named")
    func nowhere() async throws {
        let trial = KubernetesTrial()
        trial.deployWeb()
        trial.kubernetes.change { $0.isFull = true }
        let plan = try await trial.engine.plan(Self.runbook())
        let ending = try await trial.engine.execute(plan, on: try trial.engine.foldJournal(for: plan))
        #expect(
            ending.problems.first?.event
                == "after 2m00s not all that was evicted runs again: ReplicaSet demo/web (2 of 4 ready)"
        )
    }

    /// What a run leaves whose controller was killed when the outcome of its first step was to be written.
    private func killed(_ trial: KubernetesTrial, _ plan: Plan) async throws -> FoldJournal {
        let whole = try trial.engine.journal(for: plan)
        _ = try await trial.engine.execute(plan, on: whole)
        let journal = try trial.engine.foldJournal(for: plan)
        for record in whole.records.dropFirst(2) {
            if case .stepOutcome = record.event { break }
            try journal.append(record.event)
        }
        return try trial.engine.resumed(journal)
    }

    @Test("killed during the drain and resumed: nothing is done twice, nothing is left out", arguments: [true, false])
    func resumed(isDrained: Bool) async throws {
        let trial = KubernetesTrial()
        trial.deployWeb(2)
        let runbook = Runbook.toy([.toy(on: "worker1", [KubernetesTrial.call("node.drain")])])
        let plan = try await trial.engine.plan(runbook)
        let journal = try await killed(trial, plan)
        if !isDrained { trial.kubernetes.change { $0.pods[0].node = "worker1" } }
        let before = trial.kubernetes.now.drains.count
        let ending = try await trial.engine.execute(plan, on: journal)
        #expect(ending.exitCode == .done, "\(ending.problems)")
        #expect(trial.kubernetes.now.drains.count == (isDrained ? before : before + 1))
        #expect(trial.kubernetes.now.pods.allSatisfy { $0.node == "worker2" })
    }

    @Test("giving a run up takes back its own cordon, and no other")
    func abandoned() async throws {
        for isOurs in [true, false] {
            let trial = KubernetesTrial()
            trial.deployWeb(3)
            trial.kubernetes.change { $0.pods[3].isReady = false }
            if !isOurs { trial.kubernetes.node("worker1") { $0.isCordoned = true } }
            let runbook = Runbook.toy([
                .toy(
                    on: "worker1",
                    [
                        KubernetesTrial.call("node.cordon"),
                        KubernetesTrial.call("node.drain", ["timeout": .string("30s")]),
                    ]
                )
            ])
            let plan = try await trial.engine.plan(runbook)
            let journal = try trial.engine.foldJournal(for: plan)
            let ending = try await trial.engine.execute(plan, on: journal)
            #expect(ending.exitCode == .deadline)
            let again = try trial.engine.resumed(journal)
            _ = try await trial.engine.executor(for: plan, on: again).abandon()
            #expect(trial.kubernetes.now.nodes.first { $0.name == "worker1" }?.isCordoned == !isOurs)
        }
    }
}
