import Foundation
import Testing

/// What tests of operations on etcd have in common: a controller, a client that writes all the time, and what must hold after.
struct EtcdDrill: Sendable {
    /// Where etcd runs: as static pods of the masters, or as a unit on hosts of its own.
    enum Topology: String, Sendable, CaseIterable, CustomTestStringConvertible {
        case stacked, external
        var testDescription: String { rawValue }

        var members: [String] { self == .stacked ? ["master1", "master2", "master3"] : ["etcd1", "etcd2", "etcd3"] }
        var cluster: String { self == .stacked ? "lab" : "lab-external" }
        var data: String { self == .stacked ? "/var/lib/etcd" : "/var/lib/etcd/default" }
        /// What a member was started from, after `run` set it aside.
        var aside: String { self == .stacked ? "/var/lib/etcd/.before-*" : "/var/lib/etcd/default.before-*" }
        var configuration: String { self == .stacked ? "/etc/kubernetes/manifests/etcd.yaml" : "/etc/default/etcd" }
        var hosts: [String] { self == .stacked ? LabSuite.RollingRunTests.hosts : members + ["cp1"] }
        var masters: [String] { self == .stacked ? members : ["cp1"] }
    }

    let topology: Topology
    let controller: Controller
    var members: [String] { topology.members }

    /// A controller that owns nothing yet, on hosts that nobody owns.
    init(_ topology: Topology = .stacked) async throws {
        self.topology = topology
        controller = try Controller(of: topology == .stacked ? "inventory.yaml" : "inventory-external.yaml")
        for host in topology.hosts { _ = try await Lab.here.shell(host, "rm -f /var/lib/rollbook-host/owner") }
    }

    private var environment: [String: String] {
        ProcessInfo.processInfo.environment.merging(["ROLLBOOK_LAB_ETCD": topology.rawValue]) { $1 }
    }

    /// Runs a command of the lab's tool about this cluster's etcd, which must succeed.
    @discardableResult
    func lab(_ arguments: String...) async throws -> String {
        let answer = try await Process(program: Lab.here.tool, arguments: arguments, environment: environment).run()
        guard answer.code == 0 else { throw TooLate(description: "the lab failed: \(answer)") }
        return answer.output
    }

    func etcdctl(_ arguments: String...) async throws -> String {
        let answer = try await Process(
            program: Lab.here.tool,
            arguments: ["etcdctl"] + arguments,
            environment: environment
        ).run()
        guard answer.code == 0 else { throw TooLate(description: "etcdctl failed: \(answer)") }
        return answer.output
    }

    /// Runs `body` while a client writes through these members; afterwards nothing that was acknowledged is lost.
    ///
    /// Returns how many writes were acknowledged.
    @discardableResult
    func writing(
        through members: [String],
        within limit: Duration = .seconds(600),
        _ body: @Sendable @escaping () async throws -> Void
    ) async throws -> Int {
        let file = controller.folder.path + "/acknowledged-\(UUID().uuidString.prefix(8))"
        var writer = Process(
            program: Lab.here.tool,
            arguments: ["write", file] + members,
            environment: environment
        )
        writer.deadline = limit
        _ = try await writer.run { running in
            try await Self.wait(for: file)
            try await body()
            try running.kill()
        }
        let count = try await lab("written", file)
        _ = try await etcdctl("del", "/lab/written/", "--prefix")
        return Int(count.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
    }

    private static func wait(for file: String) async throws {
        for _ in 0..<200 where text(of: file).isEmpty { try await Task.sleep(for: .milliseconds(50)) }
        try #require(!text(of: file).isEmpty, "the writer's first write was acknowledged")
    }

    /// The member list as `name id`, learners with a mark.
    func memberIDs() async throws -> [String: String] {
        let list = try await etcdctl("member", "list")
        var found: [String: String] = [:]
        for line in list.split(separator: "\n") {
            let words = line.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
            try #require(words.count == 6, "\(line)")
            found[words[2].isEmpty ? "?" : words[2]] = words[0] + (words[5] == "true" ? " learner" : "")
        }
        return found
    }

    /// All masters are voters, and every member answers.
    func expectWhole() async throws {
        let ids = try await memberIDs()
        #expect(
            ids.keys.sorted() == members && !ids.values.contains { $0.hasSuffix("learner") },
            "\(ids)"
        )
        _ = try await etcdctl("endpoint", "health")
    }

    var leader: String {
        get async throws {
            let statuses = try await etcdctl("endpoint", "status")
            let line = try #require(
                statuses.split(separator: "\n").first { $0.split(separator: ",")[4].contains("true") },
                "\(statuses)"
            )
            let index = try #require(
                (1...3).first { line.contains(".\($0 + (topology == .stacked ? 10 : 40)):") },
                "\(line)"
            )
            return members[index - 1]
        }
    }

    /// What etcd counts its changes to.
    var revision: Int {
        get async throws {
            let answer = try await etcdctl("get", "/none", "-w", "json")
            let digits = try #require(answer.split(separator: "\"revision\":").last).prefix(while: \.isNumber)
            return try #require(Int(digits))
        }
    }

    /// Removes the data that runs set aside.
    func tidy() async throws {
        for host in members { _ = try await Lab.here.shell(host, "rm -rf \(topology.aside)") }
    }

    /// Runs a runbook with its inputs, which may take a while.
    func process(_ runbook: String, _ inputs: String..., more: [String] = []) -> Process {
        var process = controller.process(["run", runbook] + inputs.flatMap { ["--set", $0] } + ["--yes"] + more)
        process.deadline = .seconds(300)
        return process
    }

    /// How often a run is killed in a test; more with `ROLLBOOK_ETCD_KILLS`.
    static var kills: Int { ProcessInfo.processInfo.environment["ROLLBOOK_ETCD_KILLS"].flatMap { Int($0) } ?? 3 }

    /// Runs a runbook and kills the controller at random moments, each time a little after its first step, then resumes it.
    func killed(_ runbook: [String], _ kills: Int) -> @Sendable () async throws -> Void {
        { [controller] in
            var random = SplitMix64(seed: UInt64(kills) &* 77 &+ 5)
            var arguments = ["run"] + runbook + ["--yes"]
            for attempt in 0..<(kills + 8) {
                var process = controller.process(arguments)
                process.deadline = .seconds(400)
                let moment = Duration.milliseconds(Int.random(in: 0...9000, using: &random))
                let answer = try await process.run { running in
                    guard attempt < kills else { return }
                    try await running.line(withAny: " begins", "stage ")
                    try await Task.sleep(for: moment)
                    try? running.kill()
                }
                if answer.code == 0 { return }
                try #require(answer.code == -9, "\(answer)")
                let run = try #require(try await controller.runs().first)
                if run.status == "done" { return }
                arguments = ["resume", run.run]
            }
            Issue.record("it did not end")
        }
    }
}
