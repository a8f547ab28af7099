import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `kubelet.upgrade`: installs kubelet and kubectl of a version, restarts the kubelet once, and waits until the new one runs.
///
/// On a master a new minor makes the kubelet replace all static pods some seconds after it reports its version, so nothing there is
/// judged before 20 s have passed, and whether the control plane is back is for the gates.
package struct UpgradeKubelet: Step {
    package static let signature = KindSignature(
        kind: "kubelet.upgrade",
        summary: "Install kubelet and kubectl of a version, and restart the kubelet",
        parameters: [Parameter("version", .kubernetesVersion, required: true, "the version to go to")]
    )
    package static let stepClass = StepClass.guarded
    package static let reversal = Reversal.undoable
    package var traits: StepTraits { StepTraits(Self.stepClass, Self.reversal, takesHostAway: true) }

    static let names = ["kubelet", "kubectl"]

    package let version: String

    package init(version: String) { self.version = version }

    package struct Output: Codable, Sendable {
        /// Versions of what was replaced, by package.
        package let previous: [String: String]
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        [FactRequest(KubernetesPackages(), on: target.name)]
    }

    private var wanted: KubernetesVersion {
        get throws {
            guard let wanted = KubernetesVersion(version) else {
                throw OperatorMessage(.usage, at: "version", "'\(version)' is no Kubernetes version, such as 1.32.4")
            }
            return wanted
        }
    }

    /// What of it is installed; a worker need not have kubectl.
    private static func present(_ found: KubernetesPackages.Value) -> [KubernetesPackages.Package] {
        names.compactMap { name in found.packages.first { $0.name == name } }
    }

    private static func isDone(_ found: KubernetesPackages.Value, _ wanted: KubernetesVersion) -> Bool {
        present(found).allSatisfy { KubernetesVersion($0.version) == wanted }
            && found.version(of: "kubelet") == wanted && found.runningKubelet == wanted && found.isKubeletCurrent
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let wanted = try wanted
        let found = try await facts.read(KubernetesPackages(about: Self.names, toward: wanted), on: target.name)
        guard let manager = found.manager, let kubelet = found.packages.first(where: { $0.name == "kubelet" }) else {
            return .blocked(
                OperatorMessage(
                    .refused,
                    "no package kubelet is installed",
                    next: "rollbook preflight, or kubeadm join first"
                )
            )
        }
        if Self.isDone(found, wanted) { return .noop("the kubelet that runs is \(wanted)") }
        if let installed = KubernetesVersion(kubelet.version), installed > wanted {
            return .blocked(
                OperatorMessage(
                    .refused,
                    "kubelet is \(installed) already; going back to \(wanted) is not an upgrade",
                    state: "Nothing was changed"
                )
            )
        }
        let old = Self.present(found).filter { KubernetesVersion($0.version) != wanted }
        let held = old.contains { $0.isHeld } ? ", held as before" : ""
        var changes: [PlannedChange] = []
        if !old.isEmpty {
            changes.append(
                PlannedChange(
                    "install \(old.map { "\($0.name) \(wanted) in place of \($0.version)" }.joined(separator: ", "))\(held)",
                    commands: PackageManager.preview(old.map(\.name), version: wanted.description, manager: manager)
                )
            )
        }
        let minor = found.runningKubelet.flatMap { wanted.minors(ahead: $0) } ?? 0
        let pods = target.host?.role == .master && minor != 0 ? "; it replaces all static pods of this host" : ""
        changes.append(
            PlannedChange(
                "restart the kubelet once, and wait until \(wanted) runs\(pods)",
                commands: ["systemctl daemon-reload", "systemctl restart kubelet"]
            )
        )
        return .change(changes)
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let wanted = try wanted
        let before = try await PackageManager.install(Self.installed, wanted, in: context)
        try await Self.restart(to: wanted, in: context)
        return Output(before, wanted)
    }

    /// Always the same words, whatever is found: kubectl only where it is installed.
    private static let installed = ["kubelet", "?kubectl"]

    private static func restart(
        to version: KubernetesVersion,
        in context: StepContext,
        part: String = "main"
    ) async throws {
        context.progress("restarting the kubelet, and waiting until it runs")
        let isMaster = context.target.host?.role == .master
        let seconds = isMaster ? "20" : "5"
        let command = RemoteCommand([KubernetesPackages.running, script], [version.description, seconds])
        let outcome = try await context.guarded(command, part: part, deadline: .seconds(400))
        guard outcome.exitCode == 0 else {
            let said = outcome.errorText.split(separator: "\n").last.map(String.init)
            throw OperatorMessage(
                .stepFailed,
                said ?? "the kubelet was restarted, and the script ended with \(outcome.exitCode)",
                next: "look at its log: journalctl -u kubelet -b"
            )
        }
    }

    /// `$1` version, `$2` for how many seconds at least it is watched after a restart.
    ///
    /// A kubelet that is the installed program already is not restarted again: an attempt before this one did it.
    static let script: StaticString = """
        version=$1; least=$2
        process() { p=$(systemctl show -p MainPID --value kubelet); echo "${p:-0}"; }
        current() {
            p=$(process); lacks='it does not run'; [ "$p" != 0 ] || return 1
            lacks='the program that runs is not the one that is installed'
            case $(readlink "/proc/$p/exe") in *' (deleted)' | '') return 1 ;; esac
            said=$(running_version "$p"); lacks="it is '$said'"; [ "$said" = "Kubernetes v$version" ]
        }
        healthy() {
            lacks="systemd says $(systemctl is-active kubelet)"; systemctl is-active -q kubelet || return 1
            current || return 1
            port=$(sed -n 's/^healthzPort: *//p' "/var/lib/kubelet/config.yaml" 2>/dev/null)
            [ "${port:-10248}" != 0 ] && command -v curl >/dev/null 2>&1 || return 0
            lacks="http://127.0.0.1:${port:-10248}/healthz is not ok"
            [ "$(curl -s --max-time 2 "http://127.0.0.1:${port:-10248}/healthz")" = ok ]
        }
        if current && [ "$(systemctl show -p NeedDaemonReload --value kubelet)" != yes ]; then
            echo 'it runs already'
        else
            systemctl daemon-reload && systemctl restart kubelet || { echo 'systemd could not restart the kubelet' >&2; exit 1; }
        fi
        i=0; good=0; last=
        until [ "$good" -ge 5 ] && [ "$i" -ge "$least" ]; do
            if healthy && { [ -z "$last" ] || [ "$p" = "$last" ]; }; then good=$((good + 1)); else good=0; fi
            last=$p; i=$((i + 1))
            if [ "$i" -ge 180 ]; then
                why=$(journalctl -u kubelet -b -n 50 --no-pager -o cat 2>/dev/null | grep -E '^E[0-9]|[Ee]rror|[Ff]ailed' | tail -n 1 | cut -c1-300)
                echo "the kubelet was restarted, but 3 min later $lacks${why:+: $why}" >&2; exit 1
            fi
            sleep 1
        done
        """

    package func probe(_ context: StepContext) async throws -> Probe {
        let fact = KubernetesPackages(about: Self.names, toward: try wanted)
        let found = try await context.lookAgain().read(fact, on: context.target.name)
        try await PackageManager.restoreHolds(found, context)
        guard Self.isDone(found, try wanted) else {
            return .notDone(detail: "the kubelet that runs is \(found.runningKubelet?.description ?? "none")")
        }
        let before = try await PackageManager.previous(of: Self.names, context)
        return .done(
            output: try JSONValue(encoding: Output(before, wanted)),
            detail: "the kubelet that runs is \(version)"
        )
    }

    /// Installs what was there before: a kubelet may be older than its API servers, by the skew policy up to three minors.
    ///
    /// The configuration that kubeadm wrote stays; it is read by both. From a repository of the older minor beside the host's own, which
    /// is not touched.
    package func undo(_ output: Output, _ context: StepContext) async throws {
        guard let old = output.previous["kubelet"].flatMap({ KubernetesVersion($0) }) else { return }
        let items = Self.names.compactMap { name in output.previous[name].map { "\(name)=\($0)" } }
        let command = RemoteCommand(
            [PackageManager.functions, RepositoryEntries.functions, Self.goBack],
            [String(old.minor)] + items
        )
        let outcome = try await context.guarded(command, part: "package", deadline: PackageManager.patience)
        guard outcome.exitCode == 0 else {
            throw OperatorMessage(
                .stepFailed,
                PackageManager.complaint(output: outcome.text, errorOutput: outcome.errorText)
            )
        }
        try await Self.restart(to: old, in: context)
    }

    /// `$1` minor, then `NAME=VERSION …`.
    static let goBack: StaticString = """
        minor=$1; shift; trap 'restore' EXIT; mend || exit 1
        down=--allow-downgrades
        for item in "$@"; do
            is_at "${item%%=*}" "${item#*=}" || [ -n "$(exact "${item%%=*}" "${item#*=}")" ] || { use_minor "$minor"; break; }
        done
        install "$@"
        """
}

extension UpgradeKubelet.Output {
    fileprivate init(_ before: [String: KubernetesVersion], _ wanted: KubernetesVersion) {
        self.init(previous: before.filter { $0.value != wanted }.mapValues(\.description))
    }
}
