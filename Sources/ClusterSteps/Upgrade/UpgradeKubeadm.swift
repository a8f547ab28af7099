import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `kubeadm.upgrade`: installs kubeadm of a version and has it bring this host's control plane and kubelet configuration to it.
///
/// On a master it is `kubeadm upgrade apply` until the cluster's own record (ConfigMap kubeadm-config) has the version, and
/// `kubeadm upgrade node` from then on; on a worker `node`. Its exit code alone is not believed: the images of the manifests are
/// compared, and whether the pods run is for the gates after it. May be run again from any point it was cut off at.
package struct UpgradeKubeadm: Step {
    package static let signature = KindSignature(
        kind: "kubeadm.upgrade",
        summary: "Bring a host's control plane and kubelet configuration to a version with kubeadm",
        parameters: [
            Parameter("version", .kubernetesVersion, required: true, "the version to go to"),
            Parameter("renewCertificates", .boolean, "false: certificates stay as they are (default true)"),
            Parameter("patches", .string, "folder with patches of manifests on every host, as kubeadm's --patches"),
            Parameter("ignorePreflightErrors", .strings, "checks of kubeadm's own that may fail"),
        ]
    )
    package static let stepClass = StepClass.guarded
    package static let reversal = Reversal.irreversible(
        reason: "kubeadm has no way back to an older version; going forward again is what mends it"
    )
    package var traits: StepTraits { StepTraits(Self.stepClass, Self.reversal, takesHostAway: true) }

    /// kubeadm waits up to 5 min for each of four components, and may have to take it all back.
    static let patience = Duration.seconds(1800)

    package let version: String
    package let renewCertificates: Bool?
    package let patches: String?
    package let ignorePreflightErrors: [String]?

    package init(
        version: String,
        renewCertificates: Bool? = nil,
        patches: String? = nil,
        ignorePreflightErrors: [String]? = nil
    ) {
        self.version = version
        self.renewCertificates = renewCertificates
        self.patches = patches
        self.ignorePreflightErrors = ignorePreflightErrors
    }

    package struct Output: Codable, Sendable {
        /// Of kubeadm before; empty when it was not known.
        package let previous: String
        /// What was run in the end; empty when its outcome was found out later.
        package let command: String
        /// Where the host keeps what kubeadm printed.
        package let log: String
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        [
            FactRequest(KubernetesPackages(), on: target.name),
            FactRequest(KubeadmState(paths: target.cluster.paths), on: target.name),
        ]
    }

    /// The host as it is now.
    private struct Seen {
        let packages: KubernetesPackages.Value
        let state: KubeadmState.Value
        let situation: KubeadmSituation
    }

    private func look(_ facts: any FactReader, at target: StepTarget) async throws -> Seen {
        let packages = try await facts.read(
            KubernetesPackages(about: ["kubeadm"], toward: try wanted),
            on: target.name
        )
        let state = try await facts.read(KubeadmState(paths: facts.cluster.paths, toward: try wanted), on: target.name)
        let situation = KubeadmSituation.of(
            state,
            kubeadm: packages.version(of: "kubeadm"),
            wanted: try wanted,
            isMaster: target.host?.role == .master,
            hasEtcd: Self.hasEtcd(target)
        )
        return Seen(packages: packages, state: state, situation: situation)
    }

    private var wanted: KubernetesVersion {
        get throws {
            guard let wanted = KubernetesVersion(version) else {
                throw OperatorMessage(.usage, at: "version", "'\(version)' is no Kubernetes version, such as 1.32.4")
            }
            return wanted
        }
    }

    private static func hasEtcd(_ target: StepTarget) -> Bool {
        target.host?.role == .master && target.cluster.topology == .stacked
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        guard let host = target.host, host.role == .master || host.role == .worker else {
            return .blocked(OperatorMessage(.invalidInput, "kubeadm upgrades masters and workers"))
        }
        let wanted = try wanted
        let seen = try await look(facts, at: target)
        switch seen.situation {
        case .done:
            return .noop(
                host.role == .master
                    ? "control plane and kubelet configuration are at \(wanted)"
                    : "kubeadm is \(wanted), and has written the kubelet's configuration"
            )
        case .hopeless(let why):
            return .blocked(OperatorMessage(.refused, why, state: "Nothing was changed"))
        case .packageIsOld, .notBegun, .cutOff, .manifestMissing: break
        }
        guard let manager = seen.packages.manager else {
            return .blocked(OperatorMessage(.refused, "none of apt-get, dnf and zypper is there"))
        }
        if Self.hasEtcd(target), let lacks = Self.lackOfSpace(seen.state) { return .blocked(lacks) }
        var changes: [PlannedChange] = []
        if seen.packages.version(of: "kubeadm") != wanted {
            let old = seen.packages.packages.first { $0.name == "kubeadm" }
            changes.append(
                PlannedChange(
                    "install kubeadm \(wanted)\(old.map { " in place of \($0.version)" } ?? "")"
                        + (old?.isHeld == true ? ", and hold it again" : ""),
                    commands: PackageManager.preview(["kubeadm"], version: wanted.description, manager: manager)
                )
            )
        }
        let remark = seen.situation.remark.map { "\($0); " } ?? ""
        changes.append(
            PlannedChange(
                remark
                    + (host.role == .master
                        ? "upgrade the control plane and the kubelet's configuration to \(wanted)"
                        : "write the kubelet's configuration of \(wanted)"),
                diff: host.role == .master ? Self.diff(seen.state, to: wanted) : [],
                commands: [(["kubeadm"] + command(on: host, in: target.cluster, wanted)).joined(separator: " ")]
            )
        )
        return .change(changes)
    }

    /// What is most likely run: whether the cluster's own record has the version is only known when its turn comes.
    private func command(on host: Host, in cluster: Cluster, _ wanted: KubernetesVersion) -> [String] {
        let isFirst = cluster.hosts(in: .master).first?.name == host.name
        return (isFirst ? ["upgrade", "apply", wanted.tag, "--yes"] : ["upgrade", "node"]) + flags(on: host)
    }

    private func flags(on host: Host) -> [String] {
        var flags: [String] = []
        if host.role == .master { flags.append("--certificate-renewal=\(renewCertificates ?? true)") }
        if let patches, !patches.isEmpty { flags.append("--patches=\(patches)") }
        let ignored = (ignorePreflightErrors ?? []).filter { !$0.isEmpty }
        if !ignored.isEmpty { flags.append("--ignore-preflight-errors=\(ignored.joined(separator: ","))") }
        return flags
    }

    private static func diff(_ state: KubeadmState.Value, to wanted: KubernetesVersion) -> [String] {
        KubeadmState.components.filter { $0 != "etcd" }.flatMap { pod -> [String] in
            guard let image = state.images[pod], state.version(of: pod) != wanted else { return [] }
            let name = image.split(separator: "@").first ?? ""
            let base = name.lastIndex(of: ":").map { name[..<$0] } ?? name
            return ["- image: \(image)", "+ image: \(base):\(wanted.tag)"]
        }
    }

    /// kubeadm copies etcd's data with every run, and never removes a copy.
    private static func lackOfSpace(_ state: KubeadmState.Value) -> OperatorMessage? {
        let need = 2 * state.etcdBytes + (1 << 30)
        guard state.freeBytes + state.spareBytes < need else { return nil }
        return OperatorMessage(
            .refused,
            "kubeadm copies etcd's data: \(byteCount(need)) have to be free beside /etc/kubernetes/tmp, "
                + "there are \(byteCount(state.freeBytes))",
            state: "Nothing was changed",
            next: "look for old copies: du -sh /etc/kubernetes/tmp/*"
        )
    }

    package func perform(_ context: StepContext) async throws -> Output {
        guard let host = context.target.host else { throw StepFault("a step on the controller upgrades nothing") }
        let wanted = try wanted
        let before = try await PackageManager.install(["kubeadm"], wanted, in: context)
        context.progress("kubeadm upgrade; a master takes minutes")
        let log = "/var/lib/rollbook-host/logs/kubeadm-upgrade-\(context.run.text).log"
        let outcome = try await context.guarded(script(on: host, context, wanted), deadline: Self.patience) { said in
            said.isEmpty ? nil : "kubeadm: \(said)"
        }
        guard outcome.exitCode == 0 else {
            let said = KubeadmOutput.failure(in: outcome.errorText)
            throw OperatorMessage(.stepFailed, said, state: "What it printed is in \(log) on \(host.name)")
        }
        let command = outcome.text.split(separator: "\n").last { $0.hasPrefix("command ") }
        return Output(
            previous: before["kubeadm"]?.description ?? "",
            command: command.map { String($0.dropFirst("command ".count)) } ?? "",
            log: log
        )
    }

    /// The same text and values in every attempt: what it decides by is looked up where and when it runs.
    private func script(on host: Host, _ context: StepContext, _ wanted: KubernetesVersion) -> RemoteCommand {
        let cluster = context.target.cluster
        let masters = cluster.hosts(in: .master)
        let asked = masters.filter { $0.name != host.name } + masters.filter { $0.name == host.name }
        let servers = asked.map { master in
            let address = master.clusterAddress.contains(":") ? "[\(master.clusterAddress)]" : master.clusterAddress
            return "https://\(address):\(cluster.apiPort)"
        }
        return RemoteCommand(
            [KubeadmScript.functions, KubeadmScript.upgrade],
            [
                cluster.paths.kubernetes, wanted.description, host.role == .master ? "master" : "worker",
                Self.hasEtcd(context.target) ? cluster.paths.etcdData : "", servers.joined(separator: " "),
                context.run.text,
            ] + flags(on: host)
        )
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        let seen = try await look(context.lookAgain(), at: context.target)
        try await PackageManager.restoreHolds(seen.packages, context)
        switch seen.situation {
        case .done:
            let output = Output(
                previous: "",
                command: "",
                log: "/var/lib/rollbook-host/logs/kubeadm-upgrade-\(context.run.text).log"
            )
            return .done(output: try JSONValue(encoding: output), detail: "it is at \(version)")
        case .packageIsOld: return .notDone(detail: "kubeadm is not at \(version)")
        case .notBegun: return .notDone(detail: "kubeadm is there, and has not begun")
        case .cutOff, .manifestMissing: return .notDone(detail: "kubeadm was cut off; run again it goes on")
        case .hopeless(let why): return .cannotTell(detail: why)
        }
    }
}
