import ClusterModel
import Journal
import RunEngine
import Synchronization

// Each function tells one case from its beginning to its end, and returns what is wrong with it, or nil.

extension CrashMatrix {
    /// Dies at each blow in turn, is resumed after each, and has to end as the undisturbed run did.
    package func resumes(after blows: [Blow], as undisturbed: Undisturbed) async throws -> String? {
        let world = try makeWorld()
        defer { world.close() }
        var run = try await CrashedRun(self, world)
        var ending: Executor.Ending?
        for blow in blows {
            ending = try await run.session(blow)
            // A session that ends before its blow is simply over.
            if ending != nil { break }
            try await run.reopen()
        }
        if ending == nil { ending = try await run.session() }
        guard ending?.exitCode == .done, run.journal.state.status == .done else {
            return "ended \(run.journal.state.status), \(ending?.problems.map(\.description) ?? [])"
        }
        return difference(try world.endState(), undisturbed.endState)
    }

    /// One call goes wrong: the run says so or lacks nothing, and what can be resumed ends as the undisturbed run did.
    package func survives(
        _ fault: SimulatedCluster.Fault,
        atCall number: Int,
        as undisturbed: Undisturbed
    ) async throws -> String? {
        let world = try makeWorld()
        defer { world.close() }
        var run = try await CrashedRun(self, world)
        let count = Mutex(-1)
        world.trial.hosts.inject { _ in
            count.withLock { count in
                count += 1
                return count == number ? fault : nil
            }
        }
        guard var ending = try await run.session() else { return "it died" }
        for _ in 0..<2 where ending.result == .held {
            guard ending.exitCode != .done else { return "held with exit code 0" }
            try await run.reopen()
            guard let next = try await run.session() else { return "it died when resumed" }
            ending = next
        }
        switch ending.result {
        case .done:
            guard ending.exitCode == .done else { return "done with exit code \(ending.exitCode)" }
            guard let difference = difference(try world.endState(), undisturbed.endState) else { return nil }
            return try world.tells(differenceFrom: undisturbed.endState) ? nil : difference
        case .partial:
            guard ending.exitCode != .done else { return "partial with exit code 0" }
            let leftovers = world.leftovers()
            guard leftovers.isEmpty else { return "partial, with \(leftovers)" }
            if let claim = try world.claim() {
                let missing = claim.filter { !undisturbed.endState.contains($0) }
                guard missing.isEmpty else { return "partial, and claims to be whole with \(missing)" }
            }
            return try await nextRun(in: world)
        default: return "ended \(ending.result): \(ending.problems.map(\.description))"
        }
    }

    /// After a run that is over with something missing, another one has to do it all.
    private func nextRun(in world: any CrashWorld) async throws -> String? {
        let trial = world.trial
        trial.hosts.inject { _ in nil }
        let next = world.nextTrial()
        let plan = try await world.nextPlan(after: plan, by: next)
        let ending = try await next.execute(
            plan,
            on: try next.foldJournal(for: plan),
            services: try world.services()
        )
        return ending.exitCode == .done ? nil : "the run after it: \(ending.problems.map(\.description))"
    }

    /// Dies at `blow`, is given up, dies at each of `blows` while that goes on, and has to end as `expected`, if that is given.
    ///
    /// Returns the end state as well.
    package func isAbandoned(
        after blow: Blow,
        dying blows: [Blow],
        as expected: [String]? = nil
    ) async throws -> (failure: String?, endState: [String]) {
        let world = try makeWorld()
        defer { world.close() }
        var run = try await CrashedRun(self, world)
        if try await run.session(blow) != nil { return (nil, try world.endState()) }
        var ending: Executor.Ending?
        for blow in blows {
            try await run.reopen()
            ending = try await run.abandonment(blow)
            if ending != nil { break }
        }
        if ending == nil {
            try await run.reopen()
            ending = try await run.abandonment()
        }
        let endState = try world.endState()
        guard ending?.result == .abandoned, run.journal.state.status == .abandoned else {
            return ("ended \(run.journal.state.status): \(ending?.problems.map(\.description) ?? [])", endState)
        }
        let leftovers = world.leftovers()
        guard leftovers.isEmpty else { return ("abandoned, with \(leftovers)", endState) }
        return (expected.flatMap { difference(endState, $0) }, endState)
    }

    private func difference(_ found: [String], _ expected: [String]) -> String? {
        guard found != expected else { return nil }
        let more = Set(found).subtracting(expected).sorted().map { $0.prefix(400) }
        let less = Set(expected).subtracting(found).sorted().map { $0.prefix(400) }
        return "another end state: more \(more), less \(less), \(found.count) of \(expected.count) lines"
    }
}
