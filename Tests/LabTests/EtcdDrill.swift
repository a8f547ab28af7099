import Foundation
import Testing

/// What tests of operations on etcd have in common: a controller, a client that writes all the time, and what must hold after.
struct EtcdDrill {
    static let masters = ["master1", "master2", "master3"]
    let controller: Controller

    /// A controller that owns nothing yet, on hosts that nobody owns.
    init() async throws {
        controller = try Controller()
        for host in LabSuite.RollingRunTests.hosts {
            _ = try await Lab.here.shell(host, "rm -f /var/lib/rollbook-host/owner")
        }
    }

    /// Runs `body` while a client writes through these members; afterwards nothing that was acknowledged is lost.
    ///
    /// Returns how many writes were acknowledged.
    @discardableResult
    func writing(through members: [String], _ body: @Sendable @escaping () async throws -> Void) async throws -> Int {
        let file = controller.folder.path + "/acknowledged-\(UUID().uuidString.prefix(8))"
        var writer = Process(
            program: Lab.here.tool,
            arguments: ["write", file] + members,
            environment: ProcessInfo.processInfo.environment
        )
        writer.deadline = .seconds(600)
        _ = try await writer.run { running in
            try await Self.wait(for: file)
            try await body()
            try running.kill()
        }
        let count = try await Lab.here.run("written", file)
        _ = try await Lab.here.run("etcdctl", "del", "/lab/written/", "--prefix")
        return Int(count.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
    }

    private static func wait(for file: String) async throws {
        for _ in 0..<200 where text(of: file).isEmpty { try await Task.sleep(for: .milliseconds(50)) }
        try #require(!text(of: file).isEmpty, "the writer's first write was acknowledged")
    }

    /// The member list as `name id`, learners with a mark.
    func members() async throws -> [String: String] {
        let list = try await Lab.here.run("etcdctl", "member", "list")
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
        let members = try await members()
        #expect(
            members.keys.sorted() == Self.masters && !members.values.contains { $0.hasSuffix("learner") },
            "\(members)"
        )
        _ = try await Lab.here.run("etcdctl", "endpoint", "health")
    }

    var leader: String {
        get async throws {
            let statuses = try await Lab.here.run("etcdctl", "endpoint", "status")
            let line = try #require(
                statuses.split(separator: "\n").first { $0.split(separator: ",")[4].contains("true") },
                "\(statuses)"
            )
            let index = try #require((1...3).first { line.contains("10.77.0.1\($0):") }, "\(line)")
            return "master\(index)"
        }
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
