import ClusterModel
import Foundation
import Journal
import RunEngine
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("Draining and enabling a master on load balancers")
struct DrainBackendTests {
    private struct World {
        let trial: EngineTrial
        let lb1: SimulatedHAProxy
        let lb2: SimulatedHAProxy

        init(masters: Int = 3) {
            trial = EngineTrial(.sample(masters: masters, workers: 0, loadBalancers: 2), registry: .shipped)
            lb1 = SimulatedHAProxy(trial.cluster)
            lb2 = SimulatedHAProxy(trial.cluster)
            for (name, proxy) in [("lb1", lb1), ("lb2", lb2)] {
                trial.hosts[name].responder = { proxy.answer($1, $2) }
            }
        }

        static func call(_ kind: String, _ parameters: [String: JSONValue] = [:]) -> StepCall {
            StepCall(
                kind: "loadBalancer.\(kind)",
                parameters: parameters,
                location: SourceLocation(file: "r.yaml", line: 1, column: 1)
            )
        }

        func plan(_ calls: StepCall..., on hosts: String = "master1", without: [String] = []) async throws -> Plan {
            try await trial.plan(.toy([.toy(on: hosts, pace: .serial([.count(1)]), calls)]), without: without)
        }

        func run(_ plan: Plan) async throws -> (ending: Executor.Ending, journal: FoldJournal) {
            let journal = try trial.foldJournal(for: plan)
            return (try await trial.execute(plan, on: journal), journal)
        }
    }

    private static let drain = World.call("drain-backend")
    private static let enable = World.call("enable-backend")

    @Test("drain, wait, end the sessions on every load balancer; then back, one master after the other")
    func wholeRound() async throws {
        let world = World()
        let plan = try await world.plan(Self.drain, Self.enable, on: "masters")
        #expect(plan.obstacles == [])
        #expect(world.trial.hosts.sentOnlyReads)
        let began = world.trial.time.uptime
        let (ending, journal) = try await world.run(plan)
        #expect(ending.exitCode == .done, "\(ending.problems)")
        let round = { (name: String) in
            ["drain api/\(name)", "shutdown sessions server api/\(name)", "ready api/\(name)"]
        }
        for proxy in [world.lb1, world.lb2] {
            #expect(proxy.now.told == ["master1", "master2", "master3"].flatMap(round))
            #expect(proxy.now.servers.allSatisfy { $0.admin == 0 && $0.heldBy == nil && $0.sessions == 0 })
        }
        #expect(world.trial.time.uptime - began >= .seconds(15))
        let first = try #require(plan.steps.first)
        let output = try #require(journal.state[first.id]?.outcome?.output)
        let recorded = try output.decode(DrainBackend.Output.self)
        #expect(recorded.sessionsCut == 6)
        #expect(recorded.servers.map(\.before) == [0, 0] && recorded.servers.allSatisfy { $0.isOurs })
    }

    @Test("what an operator took out of service stays so, on the load balancer where it was done")
    func operatorsStay() async throws {
        let world = World()
        world.lb1.change("master1") { $0.admin = 1 }
        let (ending, _) = try await world.run(try await world.plan(Self.drain, Self.enable))
        #expect(ending.exitCode == .done, "\(ending.problems)")
        #expect(world.lb1.now.told == [])
        #expect(world.lb1.now.servers[0].admin == 1)
        #expect(world.lb2.now.servers[0].admin == 0 && world.lb2.now.told.count == 3)
        world.lb2.change("master1") { $0.admin = 8 }
        let plan = try await world.plan(Self.drain, Self.enable)
        #expect(plan.steps.map { $0.decision.isChange } == [false, false])
    }

    @Test("a drain that a given up run left is taken over, and ends with this run")
    func leftOver() async throws {
        let world = World()
        world.lb1.change("master1") { ($0.admin, $0.heldBy) = (8, "another") }
        let (ending, _) = try await world.run(try await world.plan(Self.drain, Self.enable))
        #expect(ending.exitCode == .done, "\(ending.problems)")
        #expect(world.lb1.now.servers[0].admin == 0 && world.lb1.now.servers[0].heldBy == nil)
    }

    @Test(
        "a drain that another master's lost run left: refused with the step that mends it, or mended first and gone on"
    )
    func leftOverOfAnother() async throws {
        let world = World()
        world.lb2.change("master2") { ($0.admin, $0.heldBy) = (8, "20261119T101010Z-00000001") }
        let blocked = try await world.plan(Self.drain, Self.enable, on: "masters").obstacles
        #expect(
            blocked.map(\.event) == [
                "1 other API server would be left in service, 2 are needed: master2 is DRAIN, left by run 20261119T101010Z-00000001"
            ]
        )
        #expect(blocked.first?.next?.contains("loadBalancer.enable-backend with leftBehind: true") == true)

        let one = RunbookStage.Pace.serial([.count(1)])
        let plan = try await world.trial.plan(
            .toy([
                .toy("Left", on: "masters", pace: one, [World.call("enable-backend", ["leftBehind": .bool(true)])]),
                .toy("Round", on: "masters", pace: one, [Self.drain, Self.enable]),
            ])
        )
        #expect(plan.obstacles == [])
        #expect(plan.steps.prefix(3).map { $0.decision.isChange } == [false, true, false])
        let (ending, _) = try await world.run(plan)
        #expect(ending.exitCode == .done, "\(ending.problems)")
        #expect(world.lb2.now.told.first == "ready api/master2" && world.lb1.now.told.first == "drain api/master1")
        for proxy in [world.lb1, world.lb2] {
            #expect(proxy.now.servers.allSatisfy { $0.admin == 0 && $0.heldBy == nil })
            #expect(proxy.now.told.filter { $0.hasPrefix("drain") }.count == 3)
        }
    }

    @Test("a master that a lost run left drained, and whose API server does not come up, keeps the others in service")
    func leftOverOfBroken() async throws {
        let world = World()
        world.lb1.change("master2") { server in
            (server.admin, server.heldBy, server.isHealthy) = (8, "20261119T101010Z-00000001", false)
        }
        let one = RunbookStage.Pace.serial([.count(1)])
        let plan = try await world.trial.plan(
            .toy([
                .toy("Left", on: "masters", pace: one, [World.call("enable-backend", ["leftBehind": .bool(true)])]),
                .toy("Round", on: "masters", pace: one, [Self.drain, Self.enable]),
            ])
        )
        let (ending, _) = try await world.run(plan)
        #expect(ending.result == .held && ending.exitCode == .stepFailed)
        #expect(ending.problems.first?.event.hasPrefix("api/master2 is not in full service after") == true)
        #expect((world.lb1.now.told + world.lb2.now.told).allSatisfy { !$0.hasPrefix("drain") })
    }

    @Test("too few others in service, an unreachable balancer, one without the server: refused, and nothing is sent")
    func refused() async throws {
        let world = World()
        world.lb2.change("master2") { $0.isHealthy = false }
        var blocked = try await world.plan(Self.drain).steps[0].decision.obstacle
        #expect(
            blocked?.event
                == "1 other API server would be left in service, 2 are needed: master2 is DOWN, L4CON Layer4 connection problem"
        )
        let fewer = try await world.plan(World.call("drain-backend", ["others": .integer(1)]))
        #expect(fewer.obstacles == [])
        world.lb2.change("master2") { $0.isHealthy = true }

        world.trial.hosts["lb2"].isUp = false
        blocked = try await world.plan(Self.drain).steps[0].decision.obstacle
        #expect(blocked?.next?.contains("--without lb2") == true)
        let without = try await world.plan(Self.drain, Self.enable, without: ["lb2"])
        #expect(without.obstacles == [])
        let (ending, _) = try await world.run(without)
        #expect(ending.exitCode == .done, "\(ending.problems)")
        #expect(world.lb1.now.told.count == 3 && world.lb2.now.told == [])
        world.trial.hosts["lb2"].isUp = true

        world.lb1.change { $0.servers.removeFirst() }
        blocked = try await world.plan(Self.drain).steps[0].decision.obstacle
        #expect(blocked?.event == "no server of its HAProxy is 10.0.1.1:6443, master1's API server")
    }

    @Test("of two masters one must stay, and the only master stays where it is")
    func smallClusters() async throws {
        #expect(try await World(masters: 2).plan(Self.drain).steps[0].decision.isChange)
        let one = try await World(masters: 1).plan(Self.drain, Self.enable)
        #expect(one.obstacles == [] && one.steps.allSatisfy { !$0.decision.isChange })
    }

    @Test("HAProxy's complaint fails the step, and what was drained is put back")
    func complaint() async throws {
        let world = World()
        let plan = try await world.plan(Self.drain)
        world.lb2.change { $0.complaint = "Permission denied" }
        let (ending, _) = try await world.run(plan)
        #expect(ending.exitCode == .stepFailed)
        #expect(ending.problems.first?.event == "HAProxy says: Permission denied")
        #expect(world.lb1.now.servers[0].admin == 0 && world.lb1.now.servers[0].heldBy == nil)
        #expect(world.lb1.now.told == ["drain api/master1", "ready api/master1"])
    }

    @Test("an obedient answer without the effect is found out")
    func deaf() async throws {
        let world = World()
        let plan = try await world.plan(Self.drain)
        world.lb1.change { $0.isDeaf = true }
        let (ending, _) = try await world.run(plan)
        #expect(ending.exitCode == .stepFailed)
        #expect(
            ending.problems.first?.event
                == "HAProxy was told to drain api/master1, but has it as UP: was it reloaded?"
        )
        #expect(world.lb2.now.servers[0].admin == 0)
    }

    @Test("enabling waits for check and slow start, and says what the check says when its time is over")
    func waits() async throws {
        let world = World()
        let plan = try await world.plan(Self.drain, World.call("enable-backend", ["timeout": .string("30s")]))
        world.lb1.change { $0.slowLooks = 4 }
        #expect(try await world.run(plan).ending.exitCode == .done)
        #expect(world.lb1.now.slowLooks == 0)

        let failing = World()
        let doomed = try await failing.plan(Self.drain, World.call("enable-backend", ["timeout": .string("30s")]))
        failing.lb2.change("master1") { $0.isHealthy = false }
        let (ending, _) = try await failing.run(doomed)
        #expect(ending.exitCode == .stepFailed)
        #expect(
            ending.problems.first?.event
                == "api/master1 is not in full service after 30.0s: DOWN, L4CON Layer4 connection problem"
        )
        #expect(failing.lb1.now.servers[0].admin == 0)
    }

    /// A rolling drain of three masters behind one load balancer, where an operator has the third out of service.
    private func matrix() async throws -> CrashMatrix {
        @Sendable func world() throws -> ShippedWorld {
            let world = try ShippedWorld(ShippedWorld.cluster(masters: 4))
            world.balancers["lb1"]?.change("master4") { $0.admin = 1 }
            return world
        }
        let calls = [World.call("drain-backend", ["others": .integer(1)]), Self.enable]
        let runbook = Runbook.toy([.toy(on: "masters", pace: .serial([.count(1)]), calls)])
        return CrashMatrix(try await world().trial.plan(runbook), isOwned: true, world: world)
    }

    @Test("killed anywhere, it resumes to the same end; what an operator did stays")
    func killed() async throws {
        let matrix = try await matrix()
        let whole = try await matrix.undisturbed()
        #expect(whole.failures == [])
        #expect(
            whole.endState.filter { $0.hasPrefix("lb1: master") } == [
                "lb1: master1 serves", "lb1: master2 serves", "lb1: master3 serves", "lb1: master4 is away",
            ]
        )
        let isWhole = ProcessInfo.processInfo.environment["ROLLBOOK_CRASH_DEPTH2"] == "all"
        let blows = (whole.recordBlows + whole.boundaryBlows).enumerated().filter { isWhole || $0.offset % 9 == 4 }
            .map(\.element)
        let report = await matrix.check(blows.map { [$0] }) { try await matrix.resumes(after: $0, as: whole) }
        #expect(report.failures.isEmpty, "\(report.summary)")
        #expect(report.cases > 20)
    }

    @Test("given up anywhere, no master is left without clients, and no note is left")
    func abandonedAnywhere() async throws {
        let matrix = try await matrix()
        let whole = try await matrix.undisturbed()
        let report = await matrix.check(Array(0..<whole.records)) { after -> String? in
            let end = try await matrix.isAbandoned(after: .record(after, .hostsGoOn), dying: [])
            let lines = end.endState.filter { $0.hasPrefix("lb1: master") }
            let expected = whole.endState.filter { $0.hasPrefix("lb1: master") }
            return end.failure ?? (lines == expected ? nil : "\(lines)")
        }
        #expect(report.failures.isEmpty, "\(report.summary)")
        #expect(report.cases > 10)
    }

    @Test("all API servers are closed and opened again on each load balancer, but for those an operator had closed")
    func closed() async throws {
        let world = World()
        world.lb1.change("master3") { $0.admin = 1 }
        let plan = try await world.plan(World.call("close"), on: "loadBalancers")
        #expect(plan.obstacles == [])
        let (ending, _) = try await world.run(plan)
        #expect(ending.exitCode == .done, "\(ending.problems)")
        for proxy in [world.lb1, world.lb2] {
            #expect(proxy.now.servers.map(\.admin) == [1, 1, 1])
            #expect(proxy.now.servers.map(\.sessions).reduce(0, +) == (proxy === world.lb1 ? 3 : 0))
        }
        let back = try await world.run(try await world.plan(World.call("open"), on: "loadBalancers")).ending
        #expect(back.exitCode == .done, "\(back.problems)")
        #expect(world.lb1.now.servers.map(\.admin) == [0, 0, 1] && world.lb2.now.servers.map(\.admin) == [0, 0, 0])
        #expect((world.lb1.now.servers + world.lb2.now.servers).allSatisfy { $0.heldBy == nil })
    }

    @Test("a run that is given up puts back what it drained, and only that")
    func undone() async throws {
        let world = World()
        let plan = try await world.plan(Self.drain, on: "masters")
        world.lb2.change("master1") { $0.admin = 8 }
        let (ending, journal) = try await world.run(plan)
        // With the first away, the second must stay.
        #expect(ending.exitCode == .refused, "\(ending.problems)")
        #expect(world.lb1.now.servers.map(\.admin) == [8, 0, 0])
        _ = try await world.trial.executor(for: plan, on: try world.trial.resumed(journal)).abandon()
        #expect(world.lb1.now.servers[0].admin == 0 && world.lb1.now.servers[0].heldBy == nil)
        #expect(world.lb2.now.servers[0].admin == 8)
    }
}

extension PlannedStep.Outlook {
    fileprivate var isChange: Bool {
        if case .change = self { return true }
        return false
    }

    fileprivate var obstacle: OperatorMessage? {
        if case .blocked(let message) = self { return message }
        return nil
    }
}
