import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `etcd.park`: stops etcd on a host in order, so that nothing starts it again.
///
/// A static pod's manifest is moved out of the kubelet's folder, to `/var/lib/rollbook-host/parked/` (never beside the others: the
/// kubelet runs every file there whatever it is called, kubeadm 2823); a unit is stopped and disabled. Done when no process of
/// this etcd is left.
package struct ParkEtcd: Step {
    package static let signature = KindSignature(
        kind: "etcd.park",
        summary: "Stop etcd on its host, and keep it from being started",
        parameters: []
    )
    package static let stepClass = StepClass.guarded
    package static let reversal = Reversal.undoable
    package var traits: StepTraits { StepTraits(Self.stepClass, Self.reversal, takesHostAway: true) }

    package init() {}

    package struct Output: Codable, Sendable {
        package let wasRunning: Bool
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        [FactRequest(EtcdInstallation(paths: target.cluster.paths), on: target.name)]
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let found = try await facts.read(EtcdInstallation(paths: facts.cluster.paths), on: target.name)
        switch found.form {
        case .none:
            return .blocked(
                OperatorMessage(
                    .refused,
                    "there is neither a manifest nor a unit of etcd",
                    state: "Nothing was changed",
                    next: "join the host with kubeadm first"
                )
            )
        case .staticPod:
            guard found.canStart else {
                return .blocked(
                    OperatorMessage(
                        .refused,
                        "its kubelet does not run, so a manifest that leaves stops nothing",
                        state: "Nothing was changed",
                        next: "systemctl start kubelet"
                    )
                )
            }
            if found.isParked, !found.isRunning { return .noop("its manifest is parked, and no etcd runs") }
            return .change([
                PlannedChange(
                    "stop etcd: move its manifest away and wait until its process is gone",
                    commands: ["mv \(found.source) /var/lib/rollbook-host/parked/etcd.yaml"]
                )
            ])
        case .unit:
            if found.isParked, !found.isRunning { return .noop("its unit is stopped and disabled") }
            return .change([
                PlannedChange(
                    "stop etcd and keep it stopped",
                    commands: ["systemctl disable etcd", "systemctl stop etcd"]
                )
            ])
        }
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let output = try await EtcdScript.run(Self.script, in: context, deadline: .seconds(180))
        return Output(wasRunning: output.contains("was running"))
    }

    static let script: StaticString = """
        [ "$form" != none ] || { echo 'there is neither a manifest nor a unit of etcd' >&2; exit 1; }
        ! running || echo 'was running'
        umask 077; mkdir -p "${parked%/*}"
        case $form in
        static-pod)
            if [ "$source" != "$parked" ]; then
                cp -p -- "$source" "$parked.new" && sync "$parked.new" && mv -T -- "$parked.new" "$parked" \\
                    && rm -f -- "$source" && sync "${source%/*}" || exit 1
            fi ;;
        unit)
            if systemctl is-enabled -q etcd 2>/dev/null; then : >"${parked%/*}/etcd.was-enabled"; fi
            systemctl disable -q etcd && systemctl stop etcd || exit 1 ;;
        esac
        i=0; while running; do
            i=$((i + 1)); [ "$i" -lt 900 ] || { echo 'etcd still runs 90 s after it was told to stop' >&2; exit 1; }
            sleep 0.1
        done
        """

    package func probe(_ context: StepContext) async throws -> Probe {
        let fact = EtcdInstallation(paths: context.target.cluster.paths)
        let found = try await context.lookAgain().read(fact, on: context.target.name)
        guard found.isParked, !found.isRunning else { return .notDone(detail: "etcd is not parked") }
        return .done(
            output: try JSONValue(encoding: Output(wasRunning: true)),
            detail: "etcd is parked and does not run"
        )
    }

    /// Starts it again, unless it was no member any more: its old data must not come back.
    package func undo(_ output: Output, _ context: StepContext) async throws {
        guard output.wasRunning, try !EtcdSurvivors.isOff(context) else { return }
        if let host = context.target.host, let view = try? await EtcdSurvivors(context.facts, of: host),
            view.chosen != nil,
            view.entry == nil
        {
            return
        }
        _ = try await EtcdScript.run(StartEtcd.script, in: context, part: "start", deadline: .seconds(120))
    }
}

/// Scripts that act on the etcd installation of the step's host.
enum EtcdScript {
    /// Runs a script after `EtcdInstallation.functions`; its values begin at `$1`.
    static func run(
        _ scripts: StaticString...,
        with arguments: [String] = [],
        in context: StepContext,
        part: String = "main",
        deadline: Duration
    ) async throws -> String {
        let command = RemoteCommand(
            [EtcdInstallation.functions] + scripts,
            [context.target.cluster.paths.kubernetes] + arguments
        )
        let outcome = try await context.guarded(command, part: part, deadline: deadline)
        guard outcome.exitCode == 0 else {
            let said = outcome.errorText.split(separator: "\n").last.map(String.init)
            throw OperatorMessage(.stepFailed, said ?? "the script ended with \(outcome.exitCode)")
        }
        return outcome.text
    }
}
