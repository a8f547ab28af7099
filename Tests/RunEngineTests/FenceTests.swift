import ClusterModel
import Journal
import RunEngine
import Synchronization
import TestSupport
import Testing

@Suite("The fence between controllers")
struct FenceTests {
    private static let runbook = Runbook.toy([
        .toy("One", on: "masters", pace: .serial([.count(1)]), [.add("k", "a"), .add("k", "c")]),
        .toy("Two", on: "all", [.add("k", "b")]),
    ])

    /// One controller's run; returns its exit code, or that it was refused before its journal began.
    private func run(_ trial: EngineTrial, _ controller: String, takesOver: Bool) async throws -> ExitCode {
        let plan = try await trial.plan(Self.runbook)
        let fence = trial.fence(plan, controller: controller, takesOver: takesOver)
        let journal: FoldJournal
        do { journal = try await trial.ownedJournal(for: plan, fence) } catch let message as OperatorMessage {
            return message.code
        }
        var executor = trial.executor(for: plan, on: journal)
        executor.fence = fence
        return try await executor.execute().exitCode
    }

    @Test("two controllers in 200 random interleavings never do a step under a lower epoch than the host has seen")
    func interleavings() async throws {
        var refused = 0
        var overtaken = 0
        for seed in 0..<200 {
            let first = EngineTrial(.sample(masters: 2, workers: 1, loadBalancers: 0))
            let second = EngineTrial(beside: first, random: 0x1111_0000 + UInt32(seed))
            let random = Mutex(SplitMix64(seed: UInt64(seed)))
            first.hosts.delay { _ in
                for _ in 0..<random.withLock({ Int.random(in: 0...6, using: &$0) }) { await Task.yield() }
            }
            // Half of the second ones take over at once, the others wait their turn.
            let takesOver = seed % 2 == 0
            async let one = run(first, "aaaa", takesOver: false)
            for _ in 0..<random.withLock({ Int.random(in: 0...120, using: &$0) }) { await Task.yield() }
            let other = try await run(second, "bbbb", takesOver: takesOver)
            let codes = [try await one, other]
            for host in ["master1", "master2", "worker1"] {
                let begun = first.hosts[host].begun
                #expect(begun.map(\.epoch) == begun.map(\.epoch).sorted(), "seed \(seed): \(host) did \(begun)")
                let changes = zip(begun, begun.dropFirst()).count { $0.run != $1.run }
                #expect(changes <= 1, "seed \(seed): \(host) was changed by both in turn: \(begun)")
                for (one, next) in zip(begun, begun.dropFirst()) where one.run != next.run {
                    #expect(one.epoch < next.epoch, "seed \(seed): two runs share epoch \(one.epoch) on \(host)")
                }
            }
            #expect(codes.allSatisfy { $0 == .done || $0 == .locked }, "seed \(seed): \(codes)")
            #expect(codes.contains(.done), "seed \(seed): somebody gets the cluster")
            refused += codes[1] == .locked ? 1 : 0
            overtaken += codes[0] == .locked ? 1 : 0
        }
        // The interleavings are neither so early nor so late that the test would say nothing.
        #expect(refused > 20 && overtaken > 20, "\(refused) refused, \(overtaken) overtaken")
    }

    @Test("a host that another controller did not give back refuses the run before its journal begins")
    func owned() async throws {
        let trial = EngineTrial()
        trial.hosts["worker2"].owner = "8 20261120T221302Z-00000001 cccc ops2"
        trial.hosts["worker2"].epoch = 8
        let plan = try await trial.plan(Self.runbook)
        let message = await #expect(throws: OperatorMessage.self) {
            try await trial.fence(plan, controller: "aaaa").survey(after: nil)
        }
        #expect(message?.code == .locked)
        #expect(message?.event.contains("run 20261120T221302Z-00000001 of controller ops2 (epoch 8)") == true)
        #expect(trial.hosts.sentOnlyReads)
        #expect(try await trial.fence(plan, controller: "aaaa", takesOver: true).survey(after: nil) == 9)
    }

    @Test("an operation of another run that still works on a host is waited for, even when taking over")
    func busy() async throws {
        let trial = EngineTrial()
        let other = SimulatedHost.Operation(
            digest: "d",
            state: .running(until: .seconds(9999), exitCode: 0, output: [])
        )
        trial.hosts["master2"].operations["00000001.1.master2.toy.add.1.main"] = other
        #expect(try await run(trial, "aaaa", takesOver: true) == .locked)
        #expect(trial.hosts.areUntouched)
    }

    @Test("hosts are given back at the end, and kept while the run is held with something done")
    func givenBack() async throws {
        let trial = EngineTrial()
        #expect(try await run(trial, "aaaa", takesOver: false) == .done)
        #expect(trial.hosts["master1"].owner.isEmpty)
        #expect(trial.hosts["master1"].epoch == 1)
        let second = EngineTrial(beside: trial, random: 2)
        second.hosts["master2"].isUp = false
        let plan = try await second.plan(
            .toy([.toy(on: "master1", [.add("k", "c")]), .toy(on: "master2", [.add("k", "c")])])
        )
        let fence = second.fence(plan, controller: "aaaa")
        var executor = second.executor(for: plan, on: try await second.ownedJournal(for: plan, fence))
        executor.fence = fence
        #expect(try await executor.execute().result == .held)
        #expect(second.hosts["master1"].owner.contains(second.run.text))
    }

    @Test("a host whose link was lost on the way is given back over a new one")
    func givenBackOverNewLink() async throws {
        let trial = EngineTrial()
        let left = Mutex(2)
        trial.hosts.inject { call in
            guard call.host.text == "master2" else { return nil }
            switch call.kind {
            case .begin, .release:
                return left.withLock { count in
                    defer { count = max(0, count - 1) }
                    return count > 0 ? .lostBefore : nil
                }
            default: return nil
            }
        }
        #expect(try await run(trial, "aaaa", takesOver: false) == .done)
        for host in ["master1", "master2", "lb2"] { #expect(trial.hosts[host].owner.isEmpty, "\(host)") }
    }

    @Test("a plan that changes nothing on hosts neither claims them nor minds who owns them")
    func readOnly() async throws {
        let trial = EngineTrial()
        trial.hosts["master1"].owner = "8 20261120T221302Z-00000001 cccc ops2"
        trial.hosts["master1"].values = ["x": "0"]
        let plan = try await trial.plan(.toy([.toy(on: "master1", [.read("x")])]))
        let fence = trial.fence(plan, controller: "aaaa")
        #expect(fence.hosts.isEmpty)
        var executor = trial.executor(for: plan, on: try await trial.ownedJournal(for: plan, fence))
        executor.fence = fence
        #expect(try await executor.execute().exitCode == .done)
        #expect(trial.hosts["master1"].owner.contains("cccc"))
    }
}
