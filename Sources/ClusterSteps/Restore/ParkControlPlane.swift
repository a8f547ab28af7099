import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `controlplane.park`: stops a master's API server, controller manager and scheduler in order.
///
/// All of them on every master, before etcd's data is replaced: an API server that goes on would serve what it has cached, and
/// write it. Their manifests are moved out of the kubelet's folder; an API server takes up to 30 s to end while it has clients.
package struct ParkControlPlane: Step {
    package static let signature = KindSignature(
        kind: "controlplane.park",
        summary: "Stop a master's API server, controller manager and scheduler",
        parameters: []
    )
    package static let stepClass = StepClass.guarded
    package static let reversal = Reversal.undoable

    package var traits: StepTraits { StepTraits(Self.stepClass, Self.reversal, takesHostAway: true, isOutage: true) }

    package init() {}

    package struct Output: Codable, Sendable {
        package let parked: [String]
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        [FactRequest(ControlPlanePods(paths: target.cluster.paths), on: target.name)]
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let found = try await facts.read(ControlPlanePods(paths: facts.cluster.paths), on: target.name)
        guard found.kubeletRuns else {
            return .blocked(
                OperatorMessage(
                    .refused,
                    "its kubelet does not run, so a manifest that leaves stops nothing",
                    state: "Nothing was changed",
                    next: "systemctl start kubelet"
                )
            )
        }
        if found.placed.isEmpty, found.running.isEmpty { return .noop("none of them runs") }
        return .change([
            PlannedChange(
                "stop \(found.placed.joined(separator: ", ")): move the manifests away and wait until the processes are gone",
                commands: found.placed.map {
                    "mv \(facts.cluster.paths.kubernetes)/manifests/\($0).yaml /var/lib/rollbook-host/parked/"
                }
            )
        ])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        do { try await run(Self.script, context) } catch let problem as OperatorMessage
            where problem.code == .stepFailed
        {
            // A step that failed is not undone when the run is given up, and a host without an API server would be left.
            try await run(StartControlPlane.script, part: "start", context)
            throw OperatorMessage(
                .stepFailed,
                at: problem.place,
                problem.event,
                state: "Its manifests were put back",
                next: problem.next
            )
        }
        let now = try await context.lookAgain().read(
            ControlPlanePods(paths: context.target.cluster.paths),
            on: context.target.name
        )
        return Output(parked: now.parked)
    }

    private func run(_ script: StaticString, part: String = "main", _ context: StepContext) async throws {
        let command = RemoteCommand([ControlPlanePods.functions, script], [context.target.cluster.paths.kubernetes])
        let outcome = try await context.guarded(command, part: part, deadline: .seconds(180))
        guard outcome.exitCode == 0 else {
            let said = outcome.errorText.split(separator: "\n").last.map(String.init)
            throw OperatorMessage(.stepFailed, said ?? "the script ended with \(outcome.exitCode)")
        }
    }

    static let script: StaticString = """
        umask 077; mkdir -p "$kept"
        for p in $pods; do
            from=$kubernetes/manifests/$p.yaml
            [ -f "$from" ] || continue
            cp -p -- "$from" "$kept/.$p.new" && sync "$kept/.$p.new" && mv -T -- "$kept/.$p.new" "$kept/$p.yaml" \\
                && rm -f -- "$from" || exit 1
        done
        sync "$kubernetes/manifests"; i=0
        for p in $pods; do
            while is_running "$p"; do
                i=$((i + 1)); [ "$i" -lt 900 ] || { echo "$p still runs 90 s after its manifest left" >&2; exit 1; }
                sleep 0.1
            done
        done
        """

    package func probe(_ context: StepContext) async throws -> Probe {
        let now = try await context.lookAgain().read(
            ControlPlanePods(paths: context.target.cluster.paths),
            on: context.target.name
        )
        guard now.placed.isEmpty, now.running.isEmpty else { return .notDone(detail: "some of them still run") }
        return .done(output: try JSONValue(encoding: Output(parked: now.parked)), detail: "none of them runs")
    }

    package func undo(_ output: Output, _ context: StepContext) async throws {
        try await run(StartControlPlane.script, part: "start", context)
    }
}
