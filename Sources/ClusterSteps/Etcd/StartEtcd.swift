import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `etcd.start`: starts an etcd that was parked, and waits until it answers and knows a leader.
package struct StartEtcd: Step {
    package static let signature = KindSignature(
        kind: "etcd.start",
        summary: "Start a parked etcd, and wait until it knows a leader",
        parameters: []
    )
    package static let stepClass = StepClass.guarded
    package static let reversal = Reversal.undoable

    /// The first start of three members takes up to 21 s when each waits for the others (etcd's initial corruption check).
    static let patience = Duration.seconds(300)

    package init() {}

    package struct Output: Codable, Sendable {
        /// In hex.
        package let id: String
        package let cluster: String
        package let revision: Int64
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        [FactRequest(EtcdInstallation(paths: target.cluster.paths), on: target.name)]
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let found = try await facts.read(EtcdInstallation(paths: facts.cluster.paths), on: target.name)
        switch found.form {
        case .none: return .blocked(OperatorMessage(.refused, "there is neither a manifest nor a unit of etcd"))
        case .staticPod:
            return .change([
                PlannedChange(
                    "start etcd, and wait until it knows a leader (up to \(Self.patience.brief))",
                    commands: [
                        "mv /var/lib/rollbook-host/parked/etcd.yaml \(facts.cluster.paths.kubernetes)/manifests/etcd.yaml"
                    ]
                )
            ])
        case .unit:
            return .change([
                PlannedChange(
                    "start etcd, and wait until it knows a leader (up to \(Self.patience.brief))",
                    commands: ["systemctl enable etcd", "systemctl start --no-block etcd"]
                )
            ])
        }
    }

    package func perform(_ context: StepContext) async throws -> Output {
        _ = try await EtcdScript.run(Self.script, in: context, deadline: .seconds(120))
        return Output(try await Self.waitForLeader(context))
    }

    /// Reads the host's member until it knows a leader and all of it is as `wanted`.
    static func waitForLeader(
        _ context: StepContext,
        until isReady: (EtcdStatus.Value) -> String? = { _ in nil }
    ) async throws -> EtcdStatus.Value {
        let fact = EtcdStatus(pki: context.target.cluster.paths.pki)
        let end = context.time.uptime + patience
        while true {
            let status = try await context.lookAgain().read(fact, on: context.target.name)
            let lacks =
                status.problem ?? (status.leader == 0 ? "it knows no leader" : nil) ?? status.errors.first
                ?? isReady(status)
            guard let lacks else { return status }
            guard context.time.uptime < end else {
                throw OperatorMessage(
                    .stepFailed,
                    "etcd was started, but after \(patience.brief): \(lacks)",
                    next: "look at its log: crictl logs, or journalctl -u etcd"
                )
            }
            context.progress("waiting: \(lacks)")
            try await context.time.sleep(for: .seconds(2))
        }
    }

    /// The manifest appears in the kubelet's folder by a rename from a dot file, which the kubelet does not look at.
    static let script: StaticString = """
        case $form in
        static-pod)
            if [ "$source" = "$parked" ]; then
                new=$kubernetes/manifests/.rollbook-etcd.yaml
                cp -p -- "$parked" "$new" && sync "$new" && mv -T -- "$new" "$kubernetes/manifests/etcd.yaml" \\
                    && sync "$kubernetes/manifests" || exit 1
            fi
            rm -f -- "$parked" ;;
        unit)
            if [ -e "${parked%/*}/etcd.was-enabled" ]; then
                systemctl enable -q etcd && rm -f "${parked%/*}/etcd.was-enabled" || exit 1
            fi
            systemctl start --no-block etcd || exit 1 ;;
        *) echo 'there is neither a manifest nor a unit of etcd' >&2; exit 1 ;;
        esac
        i=0; until running; do
            i=$((i + 1)); [ "$i" -lt 900 ] || { echo 'etcd was not started within 90 s' >&2; exit 1; }
            sleep 0.1
        done
        """

    package func probe(_ context: StepContext) async throws -> Probe {
        let fact = EtcdStatus(pki: context.target.cluster.paths.pki)
        let status = try await context.lookAgain().read(fact, on: context.target.name)
        guard status.answers, status.leader != 0 else {
            return .notDone(detail: status.problem ?? "etcd knows no leader yet; starting it again changes nothing")
        }
        return .done(output: try JSONValue(encoding: Output(status)), detail: "etcd answers and knows a leader")
    }

    package func undo(_ output: Output, _ context: StepContext) async throws {
        _ = try await EtcdScript.run(ParkEtcd.script, in: context, part: "park", deadline: .seconds(180))
    }
}

extension StartEtcd.Output {
    init(_ status: EtcdStatus.Value) {
        self.init(
            id: String(status.memberID, radix: 16),
            cluster: String(status.clusterID, radix: 16),
            revision: status.revision
        )
    }
}
