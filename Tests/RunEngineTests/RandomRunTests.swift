import ClusterModel
import Foundation
import Journal
import RunEngine
import Synchronization
import TestSupport
import Testing

@Suite("Random faulty runs")
struct RandomRunTests {
    private static let cluster = Cluster.sample(masters: 2, workers: 2, loadBalancers: 0)

    private func runbook(_ random: inout SplitMix64) -> Runbook {
        var entry = 0
        let selectors = ["masters", "workers", "all", "master1", "all:!worker2"]
        let stages = (0..<Int.random(in: 1...3, using: &random)).map { index in
            let steps = (0..<Int.random(in: 1...3, using: &random)).map { _ in
                entry += 1
                switch Int.random(in: 0..<4, using: &random) {
                case 0: return StepCall.read("x")
                case 1: return .set("s\(entry)", "v\(entry)")
                default: return .add("k", "e\(entry)")
                }
            }
            return RunbookStage.toy(
                "s\(index)",
                on: selectors.randomElement(using: &random) ?? "all",
                pace: Bool.random(using: &random)
                    ? .parallel(cap: nil) : .serial([.count(Int.random(in: 1...2, using: &random))]),
                onFailure: Bool.random(using: &random) ? .hold : .continue,
                steps
            )
        }
        return .toy(stages)
    }

    /// Whether every effect of the plan is on the hosts.
    private func isComplete(_ plan: Plan, _ trial: EngineTrial) -> Bool {
        plan.steps.allSatisfy { step in
            let host = trial.hosts[step.host.text]
            return switch step.kind {
            case "toy.set":
                host.values[step.parameters["key"]?.stringValue ?? ""] == step.parameters["value"]?.stringValue
            case "toy.add": host.effects.contains("add k+\(step.parameters["entry"]?.stringValue ?? "")")
            default: true
            }
        }
    }

    @Test(
        "a thousand sessions under random faults and crashes never say done while anything is failed, unknown or missing"
    )
    func neverFalseSuccess() async throws {
        var endings: [ExitCode: Int] = [:]
        var finished = 0
        var sessions = 0
        let runs = ProcessInfo.processInfo.environment["ROLLBOOK_RANDOM_RUNS"].flatMap { Int($0) } ?? 400
        for seed in 0..<runs {
            var random = SplitMix64(seed: UInt64(seed))
            let trial = EngineTrial(Self.cluster)
            for host in ["master1", "worker2"] { trial.hosts[host].values = ["x": "0"] }
            let plan = try await trial.plan(runbook(&random))
            var journal = try trial.foldJournal(for: plan)
            for session in 0..<6 {
                let isCalm = session == 5
                sessions += 1
                inject(isCalm ? 0 : Int.random(in: 0...25, using: &random), random.next(), trial.hosts)
                let crash = isCalm || Bool.random(using: &random) ? nil : Int.random(in: 0...12, using: &random)
                do {
                    let ending = try await trial.execute(plan, on: CrashingJournal(journal, crashAfter: crash))
                    endings[ending.exitCode, default: 0] += 1
                    check(ending, journal, plan, trial, "seed \(seed) session \(session)")
                } catch is JournalError {
                    #expect(crash != nil, "seed \(seed): the journal refused what the executor did")
                }
                for (host, effects) in trial.hosts.effects {
                    let added = effects.filter { $0.hasPrefix("add ") }
                    #expect(Set(added).count == added.count, "seed \(seed): \(host) did \(added)")
                }
                guard journal.state.status == .open || journal.state.status == .held else { break }
                journal = try trial.resumed(journal)
            }
            if journal.state.status == .done { finished += 1 }
        }
        #expect(endings[.fault] == nil)
        // The faults are neither so many nor so few that the test would say nothing.
        #expect(sessions >= runs * 5 / 2, "\(sessions)")
        #expect(finished > runs / 4 && finished < runs - runs / 40, "\(finished)")
        print("\(sessions) faulty sessions of \(runs) runs: no false success; endings \(endings)")
        #expect((endings[.outcomeUnknown] ?? 0) > 20 && (endings[.partial] ?? 0) > 20, "\(endings)")
    }

    private func check(
        _ ending: Executor.Ending,
        _ journal: FoldJournal,
        _ plan: Plan,
        _ trial: EngineTrial,
        _ name: String
    ) {
        let state = journal.state
        let open = plan.steps.filter { !(state[$0.id]?.isSatisfied ?? false) }
        #expect((ending.exitCode == .done) == (ending.result == .done), "\(name)")
        if ending.exitCode == .done {
            #expect(open.isEmpty, "\(name): done, but \(open.map(\.id))")
            #expect(isComplete(plan, trial), "\(name): done, but the hosts say otherwise")
        }
        let isUnknown = state.steps.values.contains(where: \.needsProbe)
        if isUnknown { #expect(ending.exitCode == .outcomeUnknown && ending.result == .held, "\(name)") }
    }

    private func inject(_ percent: Int, _ seed: UInt64, _ hosts: SimulatedCluster) {
        let random = Mutex(SplitMix64(seed: seed))
        hosts.inject { call in
            random.withLock { random in
                guard Int.random(in: 0..<100, using: &random) < percent else { return nil }
                let all: [SimulatedCluster.Fault] = [
                    .unreachable, .lostBefore, .lostAfter, .rebootBefore, .rebootAfter, .vanish,
                ]
                return all.randomElement(using: &random)
            }
        }
    }
}
