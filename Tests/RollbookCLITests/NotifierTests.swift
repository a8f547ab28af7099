import ClusterModel
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import RollbookCLI

@Suite("Telling others of a run", .serialized)
final class NotifierTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "rollbook-notify-\(UUID().uuidString)")
    private let warnings = WarningList()

    init() throws {
        // As the program does: a hook that does not read must not end it.
        signal(SIGPIPE, SIG_IGN)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    private func file(_ name: String, _ text: String, mode: Int = 0o600) throws -> String {
        let path = folder.appending(path: name).path
        try Data(text.utf8).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        return path
    }

    private func notifier(
        _ policy: NotifyPolicy,
        action: String = "run",
        limit: Duration = .seconds(10)
    ) throws -> Notifier {
        var notifier = Notifier(
            policy: policy,
            cluster: try #require(ClusterID("prod")),
            runbook: "nightly-backup",
            run: RunID(moment: UTCMoment(seconds: 1_795_215_600), random: 0x9f3a_12c4),
            action: action,
            controller: "ops1",
            user: "root",
            time: SystemTime()
        )
        notifier.limit = limit
        notifier.warn = { [warnings] in warnings.add($0) }
        return notifier
    }

    private func webhook(
        _ url: String,
        _ preset: NotifyPolicy.Preset = .generic,
        secret: String? = nil,
        on: Set<NotifyPolicy.Occasion> = Set(NotifyPolicy.Occasion.allCases)
    ) throws -> NotifyPolicy.Webhook {
        let address = NotifyPolicy.Address.url(try #require(WebAddress(url)))
        return .init(address: address, preset: preset, secretFile: secret, filter: .init(on: on))
    }

    private let failure = RunOutcome(
        .stepFailed,
        "held",
        problems: [
            OperatorMessage(.stepFailed, at: "master2/x", "it said \"no\\way\" <&>\u{1B}[2J", next: "rollbook resume")
        ]
    )

    @Test("a webhook gets the notice, signed; a receiver that checks finds the signature right")
    func signed() async throws {
        let server = try WebhookServer()
        var policy = NotifyPolicy()
        policy.webhooks = [try webhook(server.url("/ok"), secret: try file("key", "the key\n"))]
        let notifier = try notifier(policy)
        await notifier.started()
        let start = try server.next()
        #expect(start.method == "POST")
        #expect(start.headers["X-Rollbook-Event"] == "run.started")
        #expect(start.headers["X-Rollbook-Signature"] == start.signature)
        await notifier.ended(failure, took: .seconds(250))
        let end = try server.next()
        #expect(end.headers["X-Rollbook-Signature"] == end.signature)
        #expect(end.headers["Content-Type"] == "application/json")
        let notice = try #require(JSONSerialization.jsonObject(with: Data(end.body.utf8)) as? [String: Any])
        #expect(notice["v"] as? Int == 1)
        #expect(notice["occasion"] as? String == "failure")
        #expect(notice["exitCode"] as? Int == 5)
        #expect(notice["durationMs"] as? Int == 250_000)
        let problem = try #require((notice["problems"] as? [[String: Any]])?.first)
        #expect(problem["event"] as? String == "it said \"no\\way\" <&>\u{1B}[2J")
        #expect(warnings.all.isEmpty)
    }

    @Test("the preset for Slack posts a text, with its special characters escaped and nothing that controls a terminal")
    func slack() async throws {
        let server = try WebhookServer()
        var policy = NotifyPolicy()
        policy.webhooks = [.init(address: .file(try file("url", server.url("/ok") + "\n")), preset: .slack)]
        try await notifier(policy).ended(failure, took: .seconds(250))
        let message = try #require(
            JSONSerialization.jsonObject(with: Data(try server.next().body.utf8)) as? [String: String]
        )
        #expect(Array(message.keys) == ["text"])
        let text = try #require(message["text"])
        #expect(text.hasPrefix("nightly-backup on prod ended with 5 (failed) after 4m10s (run "))
        #expect(text.contains("&lt;&amp;&gt;"))
        #expect(!text.contains("\u{1B}"))
    }

    @Test("a server that never answers is given up in time, with one line; the others are told; no address is anywhere")
    func silent() async throws {
        let server = try WebhookServer()
        var policy = NotifyPolicy()
        policy.webhooks = [
            try webhook(server.url("/never/T0K3N")), try webhook(server.url("/ok")), try webhook(server.url("/error")),
        ]
        policy.pings = [.init(address: .url(try #require(WebAddress(server.url("/never/T0K3N")))))]
        let notifier = try notifier(policy, limit: .seconds(5))
        let clock = ContinuousClock()
        let failure = failure
        let began = clock.now
        async let told: Void = notifier.ended(failure, took: .seconds(1))
        var seen: Set<String> = []
        for _ in 0..<2 { seen.insert(try server.next().path) }
        #expect(try Self.processes(with: "T0K3N").isEmpty, "addresses travel on standard input")
        await told
        #expect(clock.now - began < .seconds(9))
        let warning = try #require(warnings.all.first)
        #expect(warnings.all.count == 1)
        #expect(warning.hasPrefix("rollbook: warning: 3 of 4 notifications of nightly-backup did not go out: "))
        #expect(warning.contains("pings[0]: no answer within 5s; webhooks[0]: no answer within 5s; webhooks[2]: "))
        #expect(!warning.contains("T0K3N"))
        #expect(try Self.processes(with: "T0K3N").isEmpty)
    }

    /// Processes that show `word` in their arguments or their environment.
    private static func processes(with word: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { Int($0) != nil }.filter { id in
            ["cmdline", "environ"].contains { name in
                let bytes = FileManager.default.contents(atPath: "/proc/\(id)/\(name)")
                return bytes.map { String(decoding: $0, as: UTF8.self).contains(word) } ?? false
            }
        }
    }

    @Test("what cannot be delivered is told by its place, with the reason")
    func reasons() async throws {
        let server = try WebhookServer()
        var policy = NotifyPolicy()
        policy.webhooks = [
            try webhook(server.url("/moved")), try webhook("http://127.0.0.1:1/x"),
            try webhook(server.url("/ok"), secret: try file("open", "x", mode: 0o644)),
            .init(address: .file("/nonexistent/url"), filter: .init(on: [.failure])),
            .init(address: .file(try file("noURL", "hello")), filter: .init(on: [.failure])),
        ]
        policy.commands = [
            .init(words: ["/bin/sh", "-c", "exit 3"]), .init(words: ["/nonexistent/program"]),
            .init(words: ["/bin/true"]),
        ]
        try await notifier(policy).ended(failure, took: .seconds(1))
        let warning = try #require(warnings.all.first)
        for part in [
            "7 of 8 notifications", "webhooks[0]: the answer was HTTP 302", "webhooks[1]: no connection",
            "webhooks[2]: ", "can be read by others",
            "webhooks[3]: ",
            "webhooks[4]: ", "does not hold an http", "commands[0]: /bin/sh ended with 3", "commands[1]: ",
        ] { #expect(warning.contains(part), "\(part) in \(warning)") }
        #expect(!warning.contains("commands[2]"))
    }

    @Test("a command gets the notice on standard input, and nothing of the program's environment")
    func command() async throws {
        #expect(unsafe setenv("ROLLBOOK_CANARY", "secret", 1) == 0)
        let output = folder.appending(path: "told").path
        var policy = NotifyPolicy()
        policy.commands = [.init(words: ["/bin/sh", "-c", "cat > \"$1\"; env >> \"$1\"", "hook", output])]
        try await notifier(policy).ended(failure, took: .seconds(1))
        let told = try String(contentsOfFile: output, encoding: .utf8)
        #expect(told.hasPrefix("{\"action\":\"run\",\"cluster\":\"prod\",\"controller\":\"ops1\",\"durationMs\":1000,"))
        #expect(!told.contains("ROLLBOOK_CANARY"))
        #expect(warnings.all.isEmpty, "\(warnings.all)")
    }

    @Test("a command that does not end is killed")
    func endless() async throws {
        var policy = NotifyPolicy()
        policy.commands = [.init(words: ["/bin/sleep", "8639947.11"])]
        let clock = ContinuousClock()
        let began = clock.now
        try await notifier(policy, limit: .milliseconds(300)).ended(failure, took: .seconds(1))
        #expect(clock.now - began < .seconds(4))
        #expect(warnings.all.count == 1)
        #expect(try Self.processes(with: "8639947.11").isEmpty)
    }

    @Test("a delivery that never ends, cancelled or not, holds nobody up", .timeLimit(.minutes(1)))
    func neverEnding() async throws {
        var notifier = try notifier(NotifyPolicy())
        notifier.time = TestTime()
        let (gate, opener) = AsyncStream.makeStream(of: Void.self)
        let deaf = Task { for await _ in gate {} }
        await notifier.deliver([Notifier.Delivery(name: "deaf") { await deaf.value }])
        opener.finish()
        let warning = try #require(warnings.all.first)
        #expect(warnings.all.count == 1)
        #expect(warning.contains("1 of 1 notifications of nightly-backup did not go out: deaf: no answer within 10s"))
    }

    @Test("pings follow a run: start, success, fail, and a log entry when another run was at work")
    func pings() async throws {
        let server = try WebhookServer()
        var policy = NotifyPolicy()
        policy.pings = [
            .init(address: .url(try #require(WebAddress(server.url("/check")))), runbooks: ["nightly-backup"])
        ]
        let notifier = try notifier(policy)
        await notifier.started()
        await notifier.ended(RunOutcome(.done, "done"), took: .seconds(1))
        await notifier.ended(RunOutcome(.partial, "partial"), took: .seconds(1))
        await notifier.skipped()
        var paths: [String] = []
        for _ in 0..<4 { paths.append(try server.next().path) }
        #expect(paths == ["/check/start", "/check", "/check/fail", "/check/log"])
    }

    @Test(
        "only who wants to know is told: by occasion, by runbook, never of a declined run, pings never of an abandoned one"
    )
    func filters() async throws {
        let server = try WebhookServer()
        var policy = NotifyPolicy()
        policy.webhooks = [
            try webhook(server.url("/success"), on: [.success]), try webhook(server.url("/failure"), on: [.failure]),
            .init(
                address: .url(try #require(WebAddress(server.url("/other")))),
                filter: .init(on: [.success, .failure], runbooks: ["preflight"])
            ),
        ]
        policy.pings = [.init(address: .url(try #require(WebAddress(server.url("/other")))), runbooks: ["preflight"])]
        let notifier = try notifier(policy)
        await notifier.started()
        await notifier.ended(RunOutcome(RunOutcome.notConfirmed), took: .seconds(1))
        await notifier.ended(RunOutcome(.partial, "partial"), took: .seconds(1))
        await notifier.ended(RunOutcome(.done, "done"), took: .seconds(1))
        await notifier.ended(RunOutcome(CancellationError()), took: .seconds(1))
        policy.pings = [.init(address: .url(try #require(WebAddress(server.url("/check")))))]
        try await self.notifier(policy, action: "abandon").ended(RunOutcome(.done, "abandoned"), took: .seconds(1))
        var paths: [String] = []
        for _ in 0..<3 { paths.append(try server.next().path) }
        #expect(paths == ["/success", "/failure", "/success"])
    }

    @Test("metrics of other runbooks and clusters stay; the last success outlives failures")
    func metrics() async throws {
        let path = folder.appending(path: "runs.prom").path
        var policy = NotifyPolicy()
        policy.metricsFile = path
        let other = RunMetrics(
            cluster: try #require(ClusterID("a")),
            runbook: "preflight",
            ended: UTCMoment(seconds: 500),
            code: .done,
            took: .seconds(7)
        )
        try Data(("strange{x=\"y\"} 1\nnonsense\n" + other.added(to: "")).utf8).write(to: URL(filePath: path))
        let notifier = try notifier(policy)
        await notifier.ended(RunOutcome(.done, "done"), took: .seconds(12))
        let first = try String(contentsOfFile: path, encoding: .utf8)
        await notifier.ended(failure, took: .seconds(13))
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let mine = "{cluster=\"prod\",runbook=\"nightly-backup\"}"
        #expect(text.contains("rollbook_run_last_exit_code\(mine) 5\n"))
        #expect(text.contains("rollbook_run_last_succeeded\(mine) 0\n"))
        #expect(text.contains("rollbook_run_last_duration_seconds\(mine) 13\n"))
        let success = first.split(separator: "\n").first {
            $0.hasPrefix("rollbook_run_last_success_timestamp_seconds\(mine)")
        }
        #expect(text.contains(try #require(success)))
        #expect(text.contains("rollbook_run_last_success_timestamp_seconds{cluster=\"a\",runbook=\"preflight\"} 500\n"))
        #expect(!text.contains("strange"))
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o644)
        for line in text.split(separator: "\n") {
            let sample = /rollbook_run_[a-z_]+\{cluster="[a-z]+",runbook="[a-z-]+"\} -?[0-9]+/
            let comment = /# (HELP|TYPE) rollbook_run_[a-z_]+ .+/
            #expect(line.wholeMatch(of: sample) != nil || line.wholeMatch(of: comment) != nil, "\(line)")
        }
        #expect(warnings.all.isEmpty)
        policy.metricsFile = "/nonexistent/x.prom"
        try await self.notifier(policy).ended(failure, took: .seconds(1))
        #expect(warnings.all.count == 1)
    }

    @Test("a notice stays small, whatever happened")
    func bounded() throws {
        let problem = OperatorMessage(.stepFailed, at: "h/x", String(repeating: "\"\\é", count: 4000), next: "n")
        let notice = RunNotice(
            occasion: .failure,
            action: "run",
            cluster: try #require(ClusterID("prod")),
            runbook: "r",
            run: RunID(moment: UTCMoment(seconds: 0), random: 0),
            moment: UTCMoment(seconds: 0),
            controller: "c",
            user: "u",
            outcome: RunOutcome(.stepFailed, "held", problems: Array(repeating: problem, count: 500)),
            took: .seconds(1)
        )
        #expect(notice.text.utf8.count < 60_000)
        #expect(notice.slackText.utf8.count < 30_000)
        #expect(notice.json["problemCount"] == .integer(500))
    }
}

/// What was said to a person.
final class WarningList: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }

    func add(_ line: String) { lines.withLock { $0.append(line) } }
}
