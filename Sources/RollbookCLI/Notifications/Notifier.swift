import BackupStore
import ClusterModel
import FoundationEssentials
import Journal
import RunEngine
import Subprocess
import SystemPackage

/// Tells of one run whoever the inventory's `notify:` names.
///
/// Guarantees: all deliveries of an occasion go out at the same time and end within ten seconds; what fails is one line on standard
/// error; no outcome and no exit code depends on any of it.
struct Notifier: Sendable {
    let policy: NotifyPolicy
    let cluster: ClusterID
    let runbook: String
    let run: RunID
    let action: String
    let controller: String
    let user: String
    var time: any TimeSource
    var limit = HTTPCall.limit
    /// Where warnings go.
    var warn: @Sendable (String) -> Void = { Terminal.error($0) }

    /// Runs that are counted as runs of the runbook; giving one up is none.
    private var counts: Bool { action != "abandon" }

    func started() async { await tell(notice(.start, nil, nil), ping: "/start") }

    /// Another run was at work: neither success nor failure.
    func skipped() async { await deliver(pings("/log")) }

    func ended(_ outcome: RunOutcome, took: Duration) async {
        guard !outcome.isDeclined else { return }
        if counts, let path = policy.metricsFile {
            let metrics = RunMetrics(
                cluster: cluster,
                runbook: runbook,
                ended: time.now,
                code: outcome.code,
                took: took
            )
            do { try SharedTextFile(path: path).rewrite(writer: run) { metrics.added(to: $0) } } catch {
                warn(error.message.description)
            }
        }
        await tell(notice(outcome.occasion, outcome, took), ping: outcome.code == .done ? "" : "/fail")
    }

    private func notice(_ occasion: NotifyPolicy.Occasion, _ outcome: RunOutcome?, _ took: Duration?) -> RunNotice {
        RunNotice(
            occasion: occasion,
            action: action,
            cluster: cluster,
            runbook: runbook,
            run: run,
            moment: time.now,
            controller: controller,
            user: user,
            outcome: outcome,
            took: took
        )
    }

    /// One thing to do, and how it is called when it fails.
    struct Delivery: Sendable {
        let name: String
        let work: @Sendable () async throws -> Void
    }

    private func tell(_ notice: RunNotice, ping: String) async {
        let hooks = policy.webhooks.enumerated().filter { $1.filter.passes(notice.occasion, of: runbook) }.map {
            index,
            hook in
            Delivery(name: "webhooks[\(index)]") { try await post(notice, to: hook) }
        }
        let commands = policy.commands.enumerated().filter { $1.filter.passes(notice.occasion, of: runbook) }.map {
            index,
            command in
            Delivery(name: "commands[\(index)]") { try await CommandHook(words: command.words).run(notice.text) }
        }
        await deliver(hooks + commands + (counts ? pings(ping) : []))
    }

    private func pings(_ suffix: String) -> [Delivery] {
        policy.pings.enumerated().filter { $1.filter.passes(.start, of: runbook) }.map { index, ping in
            Delivery(name: "pings[\(index)]") {
                let address = try Self.address(ping.address)
                guard let whole = WebAddress(address.text + suffix) else { return }
                try await HTTPCall(address: whole).send()
            }
        }
    }

    private func post(_ notice: RunNotice, to hook: NotifyPolicy.Webhook) async throws {
        let address = try Self.address(hook.address)
        let body = notice.body(for: hook.preset)
        let key = try hook.secretFile.map { try SecretText.read($0) }
        let headers = notice.headers(signing: body, with: key)
        try await HTTPCall(address: address, headers: headers, body: body).send()
    }

    private static func address(_ address: NotifyPolicy.Address) throws -> WebAddress {
        switch address {
        case .url(let url): return url
        case .file(let path):
            guard let url = WebAddress(String(decoding: try SecretText.read(path), as: UTF8.self)) else {
                throw HTTPCall.Failure(description: "\(path) does not hold an http:// or https:// address")
            }
            return url
        }
    }

    /// How one delivery ended.
    private struct Told: Sendable {
        let name: String
        var failure: String?
    }

    /// Starts all, waits for all, but no longer than the limit and a moment for those that are cancelled then.
    ///
    /// They are tasks of their own and no children: a group would wait for one whose program's end nobody hears of, and a run that is
    /// done would never end.
    func deliver(_ deliveries: [Delivery]) async {
        guard !deliveries.isEmpty else { return }
        let late = "no answer within \(limit.inSeconds)"
        let (told, teller) = AsyncStream.makeStream(of: Told.self)
        let tasks = deliveries.map { delivery in
            Task {
                var result = Told(name: delivery.name)
                do { try await delivery.work() } catch {
                    let why = error is CancellationError || Task.isCancelled ? late : "\(error)"
                    result.failure = "\(delivery.name): \(why)"
                }
                teller.yield(result)
            }
        }
        let alarm = Task {
            try? await time.sleep(for: limit)
            for task in tasks { task.cancel() }
            try? await time.sleep(for: .seconds(2))
            teller.finish()
        }
        var missing = Set(deliveries.map(\.name))
        var failures: [String] = []
        await withTaskCancellationHandler {
            for await result in told {
                missing.remove(result.name)
                if let failure = result.failure { failures.append(failure) }
                if missing.isEmpty { break }
            }
        } onCancel: {
            alarm.cancel()
        }
        alarm.cancel()
        failures += missing.map { "\($0): \(late)" }
        guard !failures.isEmpty else { return }
        let list = failures.sorted().joined(separator: "; ").escapedOnOneLine
        let count = "\(failures.count) of \(deliveries.count) notifications of \(runbook)"
        warn("rollbook: warning: \(count) did not go out: \(list). The run's outcome is not changed by that")
    }
}

/// A program of the operator's that is told of a run: fixed words, the notice on standard input, no shell.
struct CommandHook: Sendable {
    let words: [String]

    func run(_ notice: String) async throws {
        guard let program = words.first else { return }
        let status = try await QuietProgram(words: words).runSilently(reading: notice + "\n")
        switch status {
        case .exited(0): return
        case .exited(126), .exited(127): throw HTTPCall.Failure(description: "\(program) cannot be run")
        case .exited(let code): throw HTTPCall.Failure(description: "\(program) ended with \(code)")
        default: throw HTTPCall.Failure(description: "\(program) was killed")
        }
    }
}
