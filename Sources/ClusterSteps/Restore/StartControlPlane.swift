import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `controlplane.start`: starts what `controlplane.park` stopped, and waits until the API server is ready.
///
/// One that is starting answers 403 or 500 for some seconds: "not yet", until the deadline.
package struct StartControlPlane: Step {
    package static let signature = KindSignature(
        kind: "controlplane.start",
        summary: "Start a master's parked API server, controller manager and scheduler",
        parameters: []
    )
    package static let stepClass = StepClass.guarded
    package static let reversal = Reversal.irreversible(
        reason: "clients write to the restored cluster from here on; going back would lose that"
    )

    package var traits: StepTraits { StepTraits(Self.stepClass, Self.reversal, isOutage: true) }

    package init() {}

    package struct Output: Codable, Sendable {
        package let started: [String]
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        [FactRequest(ControlPlanePods(paths: target.cluster.paths), on: target.name)]
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let found = try await facts.read(ControlPlanePods(paths: facts.cluster.paths), on: target.name)
        guard !found.all.isEmpty else { return .noop("there are no manifests of them") }
        return .change([
            PlannedChange(
                "start \(found.all.joined(separator: ", ")), and wait until the API server is ready",
                commands: found.all.map {
                    "mv /var/lib/rollbook-host/parked/\($0).yaml \(facts.cluster.paths.kubernetes)/manifests/"
                }
            )
        ])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let before = try await context.facts.read(
            ControlPlanePods(paths: context.target.cluster.paths),
            on: context.target.name
        )
        let command = RemoteCommand(
            [ControlPlanePods.functions, Self.script, Self.waitScript],
            [context.target.cluster.paths.kubernetes]
        )
        let outcome = try await context.guarded(command, deadline: .seconds(400))
        guard outcome.exitCode == 0 else {
            let said = outcome.errorText.split(separator: "\n").last.map(String.init)
            throw OperatorMessage(.stepFailed, said ?? "the script ended with \(outcome.exitCode)")
        }
        return Output(started: before.all)
    }

    static let script: StaticString = """
        for p in $pods; do
            from=$kept/$p.yaml; new=$kubernetes/manifests/.rollbook-$p.yaml
            [ -f "$from" ] || continue
            cp -p -- "$from" "$new" && sync "$new" && mv -T -- "$new" "$kubernetes/manifests/$p.yaml" && rm -f -- "$from" || exit 1
        done
        sync "$kubernetes/manifests"

        """

    /// Asked at the address that the API server binds, by its own manifest's port.
    private static let waitScript: StaticString = """
        manifest=$kubernetes/manifests/kube-apiserver.yaml
        [ -f "$manifest" ] || exit 0
        port=$(sed -n 's/^ *- --secure-port=//p' "$manifest"); port=${port:-6443}
        address=$(sed -n 's/^ *- --advertise-address=//p' "$manifest"); address=${address:-127.0.0.1}
        case $address in *:*) address="[$address]" ;; esac
        i=0; said=
        until [ "$said" = 200 ]; do
            i=$((i + 1)); [ "$i" -le 150 ] || { echo "the API server is not ready after 300 s: /readyz answers ${said:-nothing}" >&2; exit 1; }
            [ "$i" = 1 ] || sleep 2
            if command -v curl >/dev/null; then
                said=$(curl -s -o /dev/null -w '%{http_code}' --max-time 5 --cacert "$kubernetes/pki/ca.crt" "https://$address:$port/readyz")
            else
                said=$(printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' | timeout 5 openssl s_client -quiet -connect "$address:$port" 2>/dev/null \\
                    | sed -n '1s/^HTTP[^ ]* \\([0-9]*\\).*/\\1/p')
            fi
        done
        """

    package func probe(_ context: StepContext) async throws -> Probe {
        let pods = ControlPlanePods(paths: context.target.cluster.paths)
        let now = try await context.lookAgain().read(pods, on: context.target.name)
        guard !now.placed.isEmpty || !now.running.isEmpty else { return .notDone(detail: "none of them was started") }
        let wait = RemoteCommand(
            [ControlPlanePods.functions, Self.waitScript],
            [context.target.cluster.paths.kubernetes]
        )
        let limits = CommandLimits(deadline: .seconds(400))
        guard now.parked.isEmpty, try await context.connection.run(wait, limits: limits).succeeded else {
            return .cannotTell(detail: "some of them were started, and the API server is not ready")
        }
        return .done(output: try JSONValue(encoding: Output(started: now.all)), detail: "the API server is ready")
    }
}
