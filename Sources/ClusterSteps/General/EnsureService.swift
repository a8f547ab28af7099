package import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `service.ensure`: a systemd unit that runs or does not, and is started at boot or is not.
package struct EnsureService: Step {
    package enum Activity: String, Codable, Sendable, CaseIterable { case running, stopped }

    package static let signature = KindSignature(
        kind: "service.ensure",
        summary: "A systemd unit runs or not, and is enabled or not",
        parameters: [
            Parameter("name", .string, required: true, "the unit; without a suffix a service"),
            Parameter("state", .choice(["running", "stopped"]), "left as it is by default"),
            Parameter("enabled", .boolean, "whether it is started at boot; left as it is by default"),
            Parameter("restart", .boolean, "true: restarted once in this run, where it runs"),
            Parameter("takesHostAway", .boolean, "true when the host serves less meanwhile"),
        ]
    )
    package static let stepClass = StepClass.guarded
    package static let reversal = Reversal.undoable
    static let suffixes = [".service", ".socket", ".timer", ".mount", ".path", ".target", ".slice"]

    package let name: String
    package let state: Activity?
    package let enabled: Bool?
    package let restart: Bool?
    package let takesHostAway: Bool?

    package struct Output: Codable, Sendable {
        package let wasRunning: Bool
        package let wasEnabled: Bool
    }

    package var traits: StepTraits { StepTraits(Self.stepClass, Self.reversal, takesHostAway: takesHostAway ?? false) }
    package var subjects: [StepSubject] { [Self.subject(name)] }

    static func subject(_ unit: String) -> StepSubject {
        .thing("unit " + (suffixes.contains { unit.hasSuffix($0) } ? unit : unit + ".service"))
    }

    package static func completed(
        _ parameters: [String: JSONValue],
        at location: SourceLocation,
        _ views: StepServices
    ) throws -> [String: JSONValue] {
        let name = parameters["name"]?.stringValue ?? ""
        let isName = name.utf8.allSatisfy {
            (0x30...0x3A).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
                || "@-_.\\".utf8.contains($0)
        }
        guard isName, !name.isEmpty, !name.hasPrefix("-") else {
            throw refusal(location, signature.kind, "'\(name)' is no name of a unit")
        }
        guard parameters["restart"] != .bool(true) || parameters["state"] != .string("stopped") else {
            throw refusal(location, signature.kind, "a unit that shall be stopped is not restarted")
        }
        guard ["state", "enabled", "restart"].contains(where: { parameters[$0] != nil }) else {
            throw refusal(location, signature.kind, "say what shall be: state, enabled or restart")
        }
        return parameters
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        target.host == nil ? [] : [FactRequest(ServiceState(name), on: target.name)]
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        guard target.host != nil else { return .blocked(OperatorMessage(.invalidInput, "it is for hosts only")) }
        let found = try await facts.read(ServiceState(name), on: target.name)
        guard found.load != "not-found" else {
            if state != .running, enabled != true, restart != true { return .noop("there is no unit \(name)") }
            return .blocked(OperatorMessage(.refused, "there is no unit \(name)", state: "Nothing was changed"))
        }
        if let obstacle = obstacle(found) { return .blocked(obstacle) }
        let words = commands(found)
        if words.all.isEmpty { return .noop("\(name) is \(Self.spoken(found))") }
        let what = words.all.map { $0 == "enable" ? "enable" : $0 }.joined(separator: " and ")
        return .change([
            PlannedChange(
                "\(what) \(name), which is \(Self.spoken(found))",
                commands: words.all.map { "systemctl \($0) \(name)" }
            )
        ])
    }

    private static func spoken(_ found: ServiceState.Value) -> String {
        "\(found.isRunning ? "running" : found.active)\(found.file.isEmpty ? "" : " and \(found.file)")"
    }

    private func obstacle(_ found: ServiceState.Value) -> OperatorMessage? {
        let isWanted = state == .running || enabled == true || restart == true
        if found.load == "masked" || found.file.hasPrefix("masked"), isWanted {
            return OperatorMessage(
                .refused,
                "\(name) is masked",
                state: "Nothing was changed",
                next: "systemctl unmask \(name), when it may run"
            )
        }
        if found.load == "error" || found.load == "bad-setting" {
            return OperatorMessage(.refused, "its unit file is not valid", next: "systemd-analyze verify \(name)")
        }
        if enabled == true, ["static", "generated", "transient", "indirect"].contains(found.file) {
            return OperatorMessage(
                .refused,
                "\(name) is \(found.file): nothing of its own starts it at boot, so it cannot be enabled",
                state: "Nothing was changed",
                next: "leave enabled out"
            )
        }
        return nil
    }

    /// What systemctl is told: about the boot, then about now.
    private func commands(_ found: ServiceState.Value) -> (boot: String, now: String, all: [String]) {
        let boot = enabled == nil || enabled == found.isEnabled ? "" : enabled == true ? "enable" : "disable"
        var now = ""
        if state == .running, !found.isRunning { now = "start" }
        if state == .stopped, found.isRunning { now = "stop" }
        if restart == true, found.isRunning { now = "restart" }
        return (boot, now, [boot, now].filter { !$0.isEmpty })
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let wish = [
            enabled.map { $0 ? "enable" : "disable" } ?? "", state?.rawValue ?? "", restart == true ? "restart" : "",
        ]
        let said = try await tell(wish, "main", context).split(separator: " ")
        return Output(wasRunning: said.first == "running", wasEnabled: said.last == "enabled")
    }

    private func tell(_ wish: [String], _ part: String, _ context: StepContext) async throws -> String {
        let command = RemoteCommand(Self.script, [name] + wish)
        let outcome = try await context.guarded(command, part: part, deadline: .seconds(300))
        guard outcome.exitCode == 0 else {
            let said = outcome.errorText.split(separator: "\n").last.map(String.init)
            throw OperatorMessage(.stepFailed, said ?? "systemctl ended with \(outcome.exitCode)")
        }
        return String(outcome.text.split(separator: "\n").first ?? "")
    }

    /// `$1` unit, `$2` `enable`, `disable` or nothing, `$3` `running`, `stopped` or nothing, `$4` `restart` or nothing; tells what was.
    ///
    /// A unit that was started is looked at until it stays up for 3 s: what fails at once has not started.
    static let script: StaticString = """
        property() { systemctl show -p "$1" -- "$unit" | sed 's/^[^=]*=//'; }
        fail() {
            last=$(journalctl -u "$unit" -n 1 -o cat --no-pager 2>/dev/null)
            printf '%s%s\\n' "$1" "${last:+; its last words: $last}" >&2; exit 1
        }
        unit=$1
        if [ "$(property LoadState)" = not-found ] || [ "$(property NeedDaemonReload)" = yes ]; then
            systemctl daemon-reload || exit 1
        fi
        [ "$(property LoadState)" != not-found ] || { echo "there is no unit $unit" >&2; exit 1; }
        case $(property ActiveState) in active | activating | reloading | refreshing) was=running ;; *) was=stopped ;; esac
        case $(property UnitFileState) in enabled | enabled-runtime) boot=enabled ;; *) boot=disabled ;; esac
        echo "$was $boot"
        case $2 in enable | disable) [ "$boot" = "${2}d" ] || systemctl -q "$2" -- "$unit" || exit 1 ;; esac
        act=
        case $3.$was in running.stopped) act=start ;; stopped.running) act=stop ;; esac
        [ "$4.$was" != restart.running ] || act=restart
        [ -n "$act" ] || exit 0
        systemctl "$act" -- "$unit" || fail "systemctl $act ended with $?"
        i=0; good=0
        while :; do
            state=$(property ActiveState)
            if [ "$act" = stop ]; then case $state in inactive | failed) exit 0 ;; esac
            else
                case $state in
                active) good=$((good + 1)); [ "$good" -lt 4 ] || exit 0 ;;
                inactive | failed) fail "$unit is $state after $act" ;;
                *) good=0 ;;
                esac
            fi
            i=$((i + 1)); [ "$i" -lt 120 ] || fail "$unit is still $state 2 minutes after $act"
            sleep 1
        done
        """

    package func probe(_ context: StepContext) async throws -> Probe {
        let found = try await context.lookAgain().read(ServiceState(name), on: context.target.name)
        let isThere =
            (state == nil || (state == .running) == found.isRunning) && (enabled == nil || enabled == found.isEnabled)
        guard isThere else { return .notDone(detail: "\(name) is \(Self.spoken(found))") }
        if restart == true { return .cannotTell(detail: "\(name) runs, but not whether it was restarted") }
        // What was before is not known, so nothing is taken back.
        let output = Output(wasRunning: found.isRunning, wasEnabled: found.isEnabled)
        return .done(output: try JSONValue(encoding: output), detail: "\(name) is \(Self.spoken(found))")
    }

    package func undo(_ output: Output, _ context: StepContext) async throws {
        let boot = enabled == nil || enabled == output.wasEnabled ? "" : output.wasEnabled ? "enable" : "disable"
        let now = state == nil ? "" : output.wasRunning ? "running" : "stopped"
        guard !boot.isEmpty || !now.isEmpty else { return }
        _ = try await tell([boot, now, ""], "undo", context)
    }
}
