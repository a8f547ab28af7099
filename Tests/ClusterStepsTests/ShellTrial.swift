import ClusterModel
import Foundation
import Journal
import RemoteShell
import RunEngine
import TestSupport
import Testing

@testable import ClusterSteps

/// Steps planned, run and taken back on a host that is a folder of this machine, with its real shell.
struct ShellTrial: HostConnections {
    let tree: HostTree
    private let trial: EngineTrial
    let views: StepServices

    init(views: StepServices = StepServices(), user: String = "root") throws {
        let sample = Cluster.sample(masters: 0, workers: 1, loadBalancers: 0)
        let hosts = sample.hosts.map {
            ClusterModel.Host(name: $0.name, role: $0.role, ssh: SSHSettings(address: $0.ssh.address, user: user))
        }
        trial = EngineTrial(Cluster(id: sample.id, hosts: hosts), registry: .shipped)
        tree = try HostTree(try #require(HostName("worker1")))
        self.views = views
        try tree.write("/machine-id", "0123456789abcdef0123456789abcdef\n")
        try tree.write("/boot_id", "boot-1\n")
        try tree.program("sleep", ":")
    }

    var root: String { tree.root }
    var time: TestTime { trial.time }

    func remove() { tree.remove() }

    /// Unlike the tree's own connection, with this machine's `/proc`: operation records need it.
    func connection(to host: ClusterModel.Host) async throws(TransportError) -> any HostConnection {
        FramedConnection(
            LocalTransport(
                host: host.name,
                folder: root + "/var/lib/rollbook-host",
                replacing: [
                    (" /etc/systemd/", " \(root)/etc/systemd/"), ("PATH=/usr/local/sbin:", "PATH=\(root)/bin:"),
                    ("/etc/machine-id", root + "/machine-id"),
                    ("/proc/sys/kernel/random/boot_id", root + "/boot_id"),
                ]
            ),
            become: .no
        )
    }

    func drop(_ host: HostName) async {}

    static func call(_ kind: String, _ parameters: [String: JSONValue]) -> StepCall {
        StepCall(
            kind: kind,
            parameters: parameters,
            location: SourceLocation(file: "/srv/books/test.yaml", line: 7, column: 1)
        )
    }

    func plan(_ calls: StepCall..., on selector: String = "workers") async throws -> Plan {
        let cache = FactCache(cluster: trial.cluster, connections: self, parallel: 1, time: trial.time)
        let planner = Planner(cluster: trial.cluster, registry: .shipped, facts: cache, views: views) { name in
            throw OperatorMessage(.invalidInput, at: name, "no such runbook")
        }
        let runbook = Runbook.toy([.toy(on: selector, calls)])
        return try await planner.plan(
            Planner.Request(
                runbook: runbook,
                inputs: [:],
                bindings: PlanBindings(inventory: "sha256:i", runbook: runbook.digest, knownHosts: "sha256:k"),
                program: "rollbook test",
                moment: trial.time.now
            )
        )
    }

    private func executor(_ plan: Plan, _ journal: FoldJournal) -> Executor {
        Executor(
            plan: plan,
            planID: ContentHash(of: Array(plan.runbook.utf8)),
            run: trial.run,
            registry: .shipped,
            connections: self,
            journal: journal,
            outputs: trial.outputs,
            services: views,
            time: trial.time,
            stop: trial.stop,
            parallel: 1,
            events: { _ in }
        )
    }

    @discardableResult
    func run(_ plan: Plan) async throws -> (ending: Executor.Ending, journal: FoldJournal) {
        let journal = try trial.foldJournal(for: plan)
        return (try await executor(plan, journal).execute(), journal)
    }

    /// Gives up a run that was held.
    func abandon(_ plan: Plan, _ journal: FoldJournal) async throws -> Executor.Ending {
        try await executor(plan, try trial.resumed(journal)).abandon()
    }

    func resume(_ plan: Plan, _ journal: FoldJournal) async throws -> Executor.Ending {
        try await executor(plan, try trial.resumed(journal)).execute()
    }

    /// A step that fails, so that the run is held after those before it.
    static var failing: StepCall {
        call("shell.run", ["script": .string("exit 9"), "probe": .string("exit 1"), "undo": .string("true")])
    }

    func text(_ path: String) -> String? { try? String(contentsOfFile: root + path, encoding: .utf8) }

    func mode(_ path: String) -> Int? {
        (try? FileManager.default.attributesOfItem(atPath: root + path))?[.posixPermissions] as? Int
    }

    func names(_ folder: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: root + folder)) ?? []).sorted()
    }
}

extension Plan {
    /// What the plan says of its only, or its given, step.
    func outlook(_ index: Int = 0) -> PlannedStep.Outlook { steps[index].decision }

    func diff(_ index: Int = 0) -> [String] {
        if case .change(let changes) = outlook(index) { changes.flatMap(\.diff) } else { [] }
    }

    func summary(_ index: Int = 0) -> String {
        switch outlook(index) {
        case .change(let changes): changes.map(\.summary).joined(separator: ", ")
        case .noop(let reason): "noop: \(reason)"
        case .warning(let reason): "warning: \(reason)"
        case .unknown(let until): "unknown: \(until)"
        case .blocked(let message): "blocked: \(message.event)"
        }
    }
}
