import ClusterModel
import Journal
import RunEngine
import Synchronization
import TestSupport
import Testing

@Suite("Stopping, budgets, blast radius")
struct StoppingTests {
    private static let cluster = Cluster.sample(masters: 3, workers: 5, loadBalancers: 2)

    @Test("let go of at once, a run leaves no outcome for what was under way, names it, and resumes to its end")
    func detach() async throws {
        let trial = EngineTrial(Self.cluster)
        let plan = try await trial.plan(.toy([.toy(on: "master1", [.add("k", "a"), .add("k", "b")])]))
        let journal = try trial.foldJournal(for: plan)
        let task = Mutex<Task<Executor.Ending, any Error>?>(nil)
        trial.hosts.delay { call in
            guard case .begin(let id) = call.kind, id.contains("toy.add.1") else { return }
            trial.stop.stop(.interrupt)
            task.withLock { $0?.cancel() }
            await Task.yield()
        }
        let executor = trial.executor(for: plan, on: journal)
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        let work = Task {
            for await _ in gate { break }
            return try await executor.execute()
        }
        task.withLock { $0 = work }
        open.yield()
        let detached = await #expect(throws: Detached.self) { try await work.value }
        #expect(detached?.signal == .interrupt)
        trial.hosts.delay { _ in }
        #expect(journal.state.interruption == .interrupt)
        let running = try #require(detached?.running)
        #expect(running.map(\.id.text) == ["1.master1.toy.add"])
        for step in running { #expect(journal.state[step.id]?.outcome == nil) }
        let fresh = EngineTrial(beside: trial, random: 0x9f3a_12c4)
        #expect(try await fresh.execute(plan, on: try fresh.resumed(journal)).exitCode == .done)
        #expect(trial.hosts["master1"].effects == ["add k+a", "add k+b"])
    }

    @Test("a budget lets so many hosts fail and the others go on; one more, and nothing new begins")
    func budget() async throws {
        for (failing, reached) in [(1, 5), (2, 5), (3, 3)] {
            let trial = EngineTrial(Self.cluster)
            for number in 1...failing { trial.hosts["worker\(number)"].isUp = false }
            let plan = try await trial.plan(
                .toy([
                    .toy(on: "workers", pace: .serial([.count(1)]), maxFailures: .percent(40), [.add("k", "e")]),
                    .toy("Last", on: "master1", [.add("k", "z")]),
                ])
            )
            #expect(plan.stages[0].maxFailures == 2)
            let ending = try await trial.execute(plan, on: try trial.foldJournal(for: plan))
            let done = (1...5).filter { !trial.hosts["worker\($0)"].effects.isEmpty }.count
            #expect(done == reached - failing, "\(failing) failing")
            #expect(ending.exitCode == .partial, "\(ending.problems)")
            #expect(ending.result == (failing <= 2 ? .partial : .held))
            #expect(trial.hosts["master1"].effects.isEmpty == (failing > 2))
        }
    }

    @Test(
        "the blast radius is what batches and caps let happen at once",
        arguments: [
            (RunbookStage.Pace.serial([.count(1)]), "masters", "at most 1 master out at a time", false),
            (.serial([.count(1), .count(2)]), "masters", "at most 2 masters out at a time", true),
            (.parallel(cap: nil), "workers", "at most 5 workers out at a time", false),
            (.parallel(cap: 2), "workers", "at most 2 workers out at a time", false),
            (
                .serial([.percent(20)]), "all", "at most 2 masters, 2 workers and 2 load balancers out at a time", true
            ),
            (.serial([.count(1)]), "all", "at most 1 master, 1 worker and 1 load balancer out at a time", false),
            (.parallel(cap: nil), "loadBalancers", "at most 2 load balancers out at a time", true),
        ]
    )
    func blastRadius(pace: RunbookStage.Pace, selector: String, text: String, isRisky: Bool) async throws {
        let trial = EngineTrial(Self.cluster)
        let plan = try await trial.plan(.toy([.toy(on: selector, pace: pace, [Self.away])]))
        let radius = BlastRadius(of: plan)
        #expect(radius.text == text)
        #expect((radius.risk != nil) == isRisky)
        #expect(plan.obstacles.isEmpty == !isRisky)
    }

    @Test(
        "stopping the whole cluster on purpose is no risk, and is what the plan says; only its own steps bear the mark"
    )
    func outage() async throws {
        let trial = EngineTrial(Self.cluster)
        let stop = StepCall.toy(
            "hold",
            ["key": .string("x"), "value": .string("1"), "away": .bool(true), "outage": .bool(true)]
        )
        let plan = try await trial.plan(
            .toy([.toy("Stop", on: "masters", [stop]), .toy("Next", on: "masters", [Self.away])])
        )
        let radius = BlastRadius(of: plan)
        #expect(radius.isOutage && radius.risk == nil && plan.obstacles.isEmpty)
        #expect(radius.text == "the control plane is stopped everywhere until the plan ends")
        #expect(plan.steps.map(\.outage) == [true, true, true, nil, nil, nil])
        let bytes = try plan.bytes()
        #expect(String(decoding: bytes, as: UTF8.self).contains("\"outage\":true"))
        #expect(try Plan.read(bytes, from: "plan.json") == plan)
    }

    @Test("a host left out is in the plan, not in its steps; a plan that would break quorum or the pair is refused")
    func without() async throws {
        let trial = EngineTrial(Self.cluster)
        let stage = RunbookStage.toy(on: "all", pace: .serial([.count(1)]), [Self.away])
        let fine = try await trial.plan(.toy([stage]), without: ["worker3"])
        #expect(fine.without?.map(\.text) == ["worker3"])
        #expect(!fine.steps.contains { $0.host.text == "worker3" })
        #expect(fine.obstacles.isEmpty)
        let voters = try await trial.plan(.toy([stage]), without: ["master2"])
        #expect(
            voters.obstacles.map(\.event) == [
                "the plan takes 1 master out at a time: 1 of 3 masters would be left, 2 are needed (master2 is away already)"
            ]
        )
        let pair = try await trial.plan(.toy([stage]), without: ["lb1"])
        #expect(pair.obstacles.first?.code == .refused)
        // What only reads, or only works on workers, may go on.
        let calm = try await trial.plan(.toy([.toy(on: "workers", [Self.away])]), without: ["master2", "lb1"])
        #expect(calm.obstacles.isEmpty)
    }

    @Test("a host that did not answer when planning counts as away")
    func alreadyDown() async throws {
        let trial = EngineTrial(Self.cluster)
        trial.hosts["master3"].isUp = false
        let plan = try await trial.plan(
            .toy([.toy(on: "masters", pace: .serial([.count(1)]), onFailure: .continue, [Self.away])])
        )
        #expect(plan.obstacles.first?.event.contains("master3 is away already") == true)
    }

    private static let away = StepCall.toy(
        "hold",
        ["key": .string("x"), "value": .string("1"), "away": .bool(true)]
    )
}
