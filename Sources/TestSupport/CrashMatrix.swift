import ClusterModel
package import Journal
package import RunEngine
import Synchronization

/// Crashes and failures at every point of a run, of its resumptions and of giving it up, for any plan.
///
/// Every case begins with a new world. A crash ends a session at one point: a record of the journal, a call to a host, or a
/// boundary of the controller's own work; the sessions after it are new processes on what is left.
package struct CrashMatrix: Sendable {
    /// What is gone with the process.
    package enum Death: Sendable, Hashable, CaseIterable {
        /// The process is gone, but what it had sent goes on on the hosts.
        case hostsGoOn
        /// The process is gone before anything further reached a host.
        case nothingArrives
    }

    /// Where a session ends.
    package enum Blow: Sendable, Hashable {
        /// After so many of its records.
        case record(Int, Death)
        /// Before its call to a host with this number is sent.
        case before(call: Int)
        /// When that call had its effect and its answer is on the way.
        case after(call: Int)
        /// At the boundary of the controller's own work with this number.
        case boundary(Int)
    }

    package let plan: Plan
    /// Whether the run owns its hosts, as runs of the program do.
    let isOwned: Bool
    package let makeWorld: @Sendable () throws -> any CrashWorld

    package init(_ plan: Plan, isOwned: Bool = false, world: @escaping @Sendable () throws -> any CrashWorld) {
        self.plan = plan
        self.isOwned = isOwned
        makeWorld = world
    }

    /// What an undisturbed run brings about, and how many points there are to disturb it at.
    package struct Undisturbed: Sendable {
        package let endState: [String]
        /// What it recorded.
        package let events: [JournalEvent]
        package let calls: [SimulatedCluster.Call]
        package let boundaries: Int
        /// What is wrong with it already.
        package let failures: [String]
    }

    package func undisturbed() async throws -> Undisturbed {
        let world = try makeWorld()
        defer { world.close() }
        let boundaries = Mutex(0)
        world.watchBoundaries { boundaries.withLock { $0 += 1 } }
        let calls = Mutex<[SimulatedCluster.Call]>([])
        let run = try await CrashedRun(self, world)
        world.trial.hosts.watch { call in calls.withLock { $0.append(call) } }
        let ending = try await run.session()
        return Undisturbed(
            endState: try world.endState(),
            events: Array(run.journal.events.dropFirst(run.recordsBefore)),
            calls: calls.withLock { $0 },
            boundaries: boundaries.withLock { $0 },
            failures: ending?.exitCode == .done
                ? [] : ["undisturbed: \(ending?.problems.map(\.description) ?? ["it died"])"]
        )
    }

    /// What came of many cases.
    package struct Report: Sendable {
        package private(set) var cases = 0
        /// A line for every case that did not end as it has to.
        package private(set) var failures: [String] = []

        package init() {}

        /// How many cases failed, and the first of them.
        package var summary: String {
            (["\(failures.count) of \(cases) cases"] + failures.prefix(12)).joined(separator: "\n")
        }

        package mutating func count(_ failure: String?) {
            cases += 1
            if let failure { failures.append(failure) }
        }
    }

    /// Runs cases, several at the same time.
    package func check<Case: Sendable>(
        _ cases: [Case],
        _ judge: @escaping @Sendable (Case) async throws -> String?
    ) async -> Report {
        var report = Report()
        await withTaskGroup(of: String?.self) { group in
            var waiting = cases.makeIterator()
            func startNext() {
                guard let next = waiting.next() else { return }
                group.addTask {
                    do { return try await judge(next).map { "\(next): \($0)" } } catch { return "\(next): \(error)" }
                }
            }
            for _ in 0..<4 { startNext() }
            while let failure = await group.next() {
                report.count(failure)
                startNext()
            }
        }
        return report
    }
}

extension CrashMatrix.Undisturbed {
    package var records: Int { events.count }

    /// Every record, with both ways to die.
    package var recordBlows: [CrashMatrix.Blow] {
        (0...records).flatMap { after in CrashMatrix.Death.allCases.map { .record(after, $0) } }
    }

    /// `count` of all the ways to go through two of `blows` in turn, spread evenly; nil for all of them.
    package static func pairs(of blows: [CrashMatrix.Blow], count: Int?) -> [[CrashMatrix.Blow]] {
        let all = blows.count * blows.count
        let taken = min(all, count ?? all)
        return (0..<taken).map { index in
            let number = index * all / taken
            // A sample goes through the second level as evenly as through the first.
            let shift = taken == all ? 0 : index
            return [blows[number / blows.count], blows[(number + shift) % blows.count]]
        }
    }

    /// Every call to a host, before and after it, and every boundary on the controller.
    package var boundaryBlows: [CrashMatrix.Blow] {
        calls.indices.flatMap { [.before(call: $0), .after(call: $0)] } + (0..<boundaries).map { .boundary($0) }
    }
}
