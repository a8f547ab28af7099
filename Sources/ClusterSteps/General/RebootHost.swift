import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `reboot`: restarts a host once, and waits until it is back.
///
/// The boot id before is in the operation's record on the host, so that a controller that died meanwhile finds out, too. Done when
/// another boot id answers, and systemd is `running` or `degraded` (some unit failed; the output says so).
package struct RebootHost: Step {
    package static let signature = KindSignature(
        kind: "reboot",
        summary: "Restart a host, and wait until it is back",
        parameters: [Parameter("timeout", .duration, "how long to wait until it is back (default 15m)")]
    )
    package static let stepClass = StepClass.guarded
    package static let reversal = Reversal.nothingToUndo
    package var traits: StepTraits { StepTraits(Self.stepClass, Self.reversal, takesHostAway: true) }
    /// What runs afterwards is another matter.
    package var subjects: [StepSubject] { [.anything] }

    package let timeout: String?

    package struct Output: Codable, Sendable {
        /// nil when the host went down before it could tell.
        package let bootBefore: String?
        package let bootAfter: String
        /// `running` or `degraded`.
        package let system: String
    }

    private var limit: Duration { timeout.flatMap(parseDuration) ?? .seconds(900) }

    package func facts(on target: StepTarget) -> [FactRequest] {
        target.host == nil ? [] : [FactRequest(HostIdentity(), on: target.name)]
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        guard target.host != nil else { return .blocked(OperatorMessage(.invalidInput, "it is for hosts only")) }
        _ = try await facts.read(HostIdentity(), on: target.name)
        return .change([
            PlannedChange(
                "restart the host, and wait until it is back, \(limit.brief) at most",
                commands: ["systemctl reboot"]
            )
        ])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let end = context.time.uptime + limit
        let before = try await tell(until: end, context)
        context.progress("restarting")
        var last = "nothing was heard of it"
        while true {
            do {
                let answer = try await context.connection.run(RemoteCommand(Self.lookScript))
                let words = answer.output.text.split(whereSeparator: \.isWhitespace).map(String.init)
                if let boot = words.first, boot != before {
                    let system = words.dropFirst().first ?? "unknown"
                    if system == "running" || system == "degraded" {
                        return Output(bootBefore: before, bootAfter: boot, system: system)
                    }
                    last = "it is back, and systemd is \(system)"
                } else {
                    last = "it has not gone down"
                }
            } catch let error as TransportError where Self.isAway(error) {
                last = "it does not answer: \(error.event)"
            }
            context.progress(last)
            guard context.time.uptime < end else { throw late(last, context) }
            await context.reconnect()
            try await context.time.sleep(for: .seconds(3))
        }
    }

    private func late(_ last: String, _ context: StepContext) -> OperatorMessage {
        OperatorMessage(
            .outcomeUnknown,
            "\(limit.brief) after it was told to restart: \(last)",
            state: "It is not told a second time",
            next: "look at its console; rollbook resume \(context.run) waits on"
        )
    }

    /// Tells the host to restart, at most once; the boot id before, or nil when it was restarted before it told.
    private func tell(until end: Duration, _ context: StepContext) async throws -> String? {
        var mayHaveBegun = false
        while true {
            do {
                let outcome = try await context.guarded(RemoteCommand(Self.script), deadline: .seconds(60))
                guard outcome.exitCode == 0, let boot = outcome.text.split(whereSeparator: \.isWhitespace).first else {
                    let said = outcome.errorText.split(separator: "\n").last.map(String.init)
                    throw OperatorMessage(.stepFailed, said ?? "the host cannot be restarted (\(outcome.exitCode))")
                }
                return String(boot)
            } catch let message as OperatorMessage where message.code == .outcomeUnknown && context.hostWasRestarted {
                return nil
            } catch let error as TransportError where Self.isAway(error) {
                mayHaveBegun = mayHaveBegun || error.commandMayHaveStarted
                guard mayHaveBegun else { throw error }
                guard context.time.uptime < end else { throw late("it does not answer: \(error.event)", context) }
                context.progress("does not answer: \(error.event)")
                await context.reconnect()
                try await context.time.sleep(for: .seconds(3))
            }
        }
    }

    private static func isAway(_ error: TransportError) -> Bool {
        error.kind != .cancelled && (error.exitCode == .unreachable || error.exitCode == .outcomeUnknown)
    }

    /// Goes down two seconds after it has told the boot id, so that the record of the operation is whole before.
    static let script: StaticString = """
        command -v systemctl >/dev/null || { echo 'there is no systemctl' >&2; exit 1; }
        cat /proc/sys/kernel/random/boot_id; sync
        setsid /bin/sh -c 'sleep 2; exec systemctl reboot' >/dev/null 2>&1 </dev/null &
        """

    private static let lookScript: StaticString = """
        cat /proc/sys/kernel/random/boot_id; timeout 10 systemctl is-system-running || :
        """

    /// Only where the operation vanished without a restart.
    package func probe(_ context: StepContext) async throws -> Probe {
        .notDone(detail: "the host was not restarted since it was told to")
    }
}
