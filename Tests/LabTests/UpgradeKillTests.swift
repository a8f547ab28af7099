import Foundation
import Testing

extension LabSuite {
    /// SIGKILL of the controller at any moment of an upgrade costs nothing but a `resume`: hours of them, so only when asked for.
    @Suite(
        "upgrading Kubernetes while the controller is killed at random",
        .enabled(
            if: UpgradeDrill.kills > 0,
            "ROLLBOOK_UPGRADE_KILLS is not set: `make endurance` kills a hundred times"
        )
    )
    struct UpgradeKillTests {
        /// What was counted over all upgrades.
        private struct Count: Sendable {
            var kills = 0
            var upgrades = 0
            var resumes = 0
            /// Steps that had to be tried again on the word of a message.
            var retries: [String] = []
            /// Resumes that stopped by themselves with nothing to retry.
            var stops: [String] = []
            /// Looks at the cluster, and those at which more was out of service than may be.
            var looks = 0
            var faults: [String] = []

            var summary: String {
                "\(kills) kills in \(upgrades) upgrades: \(resumes) resumes, \(retries.count) steps retried,"
                    + " \(stops.count) other stops; \(looks) looks, \(faults.count) with more than one node out"
            }
        }

        @Test("every upgrade ends as an undisturbed one, and kubeadm was run once on each node")
        func random() async throws {
            let began = ContinuousClock.now
            var seconds: Int64 { (ContinuousClock.now - began).components.seconds }
            var random = SplitMix64(seed: UpgradeDrill.seed)
            var count = Count()
            var ends: [[String]] = []
            while count.kills < UpgradeDrill.kills {
                ends.append(try await upgrade(kills: UpgradeDrill.kills - count.kills, &random, &count))
                print("\(count.summary) (seed \(UpgradeDrill.seed)), \(seconds) s")
            }
            let undisturbed = try await upgrade(kills: 0, &random, &count)
            for line in count.retries + count.stops + count.faults { print("  \(line)") }
            #expect(count.retries.isEmpty && count.stops.isEmpty, "a kill costs a resume, and no more")
            #expect(count.faults.isEmpty, "never two masters, never two workers, never a load balancer")
            print("and one without, \(seconds) s")
            for (index, end) in ends.enumerated() {
                #expect(end == undisturbed, "upgrade \(index + 1): \(end.difference(from: undisturbed))")
            }
            try await UpgradeDrill.makeAnew()
        }

        /// Upgrades a cluster made anew while the controller is killed, at most so many times, and returns how it ended.
        private func upgrade(kills: Int, _ random: inout SplitMix64, _ count: inout Count) async throws -> [String] {
            try await UpgradeDrill.makeAnew()
            let controller = try Controller()
            count.upgrades += 1
            let before = count.kills
            let (seed, counted) = (random, count)
            let (watch, after) = try await OutageWatch.during {
                try await sessions(of: controller, kills: kills, seed, counted)
            }
            (random, count) = after
            count.looks += watch.looks
            count.faults += watch.faults
            print(watch.summary)
            let run = try #require(try await controller.runs().first)
            #expect(run.status == "done" && run.exitCode == 0, "\(run)")
            let comment = "upgrade \(count.upgrades) of seed \(UpgradeDrill.seed), after \(count.kills - before) kills"
            try await UpgradeDrill.expectNodes(at: UpgradeDrill.new, comment)
            for node in UpgradeDrill.nodes {
                let command = node == "master1" ? "kubeadm upgrade apply" : "kubeadm upgrade node"
                #expect(try await UpgradeDrill.calls(on: node) == [command, "done"], "\(comment): \(node)")
            }
            return try await UpgradeDrill.end(of: run.run)
        }

        /// Begins, is killed and resumes until the upgrade is done.
        private func sessions(
            of controller: Controller,
            kills: Int,
            _ random: SplitMix64,
            _ count: Count
        ) async throws -> (SplitMix64, Count) {
            var (random, count) = (random, count)
            let first = ["run", "rolling-upgrade"] + UpgradeDrill.inputs + ["--yes"]
            var arguments = first
            var killed = 0
            var stopped = 0
            var sessions = 0
            while true {
                // Few kills are spread over one upgrade, of about ten minutes.
                let reach = max(8000, 480_000 / max(1, UpgradeDrill.kills))
                let moment = Duration.milliseconds(Int.random(in: 0...reach, using: &random))
                let mayKill = killed < kills
                // A gate may take longer than that to open, so every other session is killed after its first step has begun.
                let isLong = sessions % 2 == 1
                sessions += 1
                var process = controller.process(arguments)
                process.deadline = .seconds(1200)
                let answer = try await process.run { running in
                    guard mayKill else { return }
                    if isLong {
                        try await running.line(withAny: " begins", "rollbook: ", within: .seconds(700))
                    } else {
                        try await running.line(withAny: " begins", " stage ", " gate ", "rollbook: ")
                    }
                    try await Task.sleep(for: moment)
                    try? running.kill()
                }
                if arguments != first { count.resumes += 1 }
                let run = try await controller.runs().first
                if answer.code == 0 || run?.status == "done" { return (random, count) }
                arguments = run.map { ["resume", $0.run] } ?? first
                if answer.code == -9 {
                    count.kills += 1
                    killed += 1
                    stopped = 0
                    continue
                }
                let said = answer.errors.split(separator: "\n").last { $0.hasPrefix("rollbook: ") } ?? "nothing said"
                print("stopped with \(answer.code) after \(count.kills) kills: \(said)")
                stopped += 1
                try #require(stopped < 4, "\(answer)")
                if let step = answer.errors.firstMatch(of: /--retry ([A-Za-z0-9.-]+)/)?.1 {
                    arguments += ["--retry", String(step)]
                    count.retries.append("\(answer.code): \(said)")
                } else {
                    count.stops.append("\(answer.code): \(said)")
                }
            }
        }
    }
}
