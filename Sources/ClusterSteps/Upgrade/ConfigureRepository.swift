import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `package.repository`: has a host take Kubernetes' packages from the repository of the minor it is to be upgraded to.
///
/// Every minor has a repository of its own. Where one is configured already only its minor changes, in whatever file it stands: the
/// host's mirror stays its mirror. The key is fetched anew (they expire). Only this repository's lists are read again. Source:
/// kubernetes.io "Changing the Kubernetes package repository".
package struct ConfigureRepository: Step {
    package static let signature = KindSignature(
        kind: "package.repository",
        summary: "Take Kubernetes' packages from the repository of a version's minor",
        parameters: [
            Parameter("version", .kubernetesVersion, required: true, "must be on offer afterwards"),
            Parameter(
                "url",
                .string,
                "address of the repository, its v1.N becomes the wanted one (default: the host's own)"
            ),
        ]
    )
    package static let stepClass = StepClass.guarded
    package static let reversal = Reversal.undoable

    package let version: String
    package let url: String?

    package init(version: String, url: String? = nil) {
        self.version = version
        self.url = url
    }

    package struct Output: Codable, Sendable {
        /// Folder on the host with the files as they were.
        package let kept: String
    }

    private var wanted: KubernetesVersion {
        get throws {
            guard let wanted = KubernetesVersion(version) else {
                throw OperatorMessage(.usage, at: "version", "'\(version)' is no Kubernetes version, such as 1.32.4")
            }
            return wanted
        }
    }

    private func fact() throws -> KubernetesRepository { KubernetesRepository(for: try wanted) }

    package func facts(on target: StepTarget) -> [FactRequest] {
        [FactRequest(KubernetesRepository(for: KubernetesVersion(version)), on: target.name)]
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let wanted = try wanted
        let found = try await facts.read(fact(), on: target.name)
        guard let manager = found.manager else {
            return .blocked(OperatorMessage(.refused, "none of apt-get, dnf and zypper is there"))
        }
        if let given = given, !given.contains("://") {
            throw OperatorMessage(.usage, at: "url", "'\(given)' is no address of a repository")
        }
        if isDone(found, wanted) { return .noop("kubeadm \(wanted) is on offer already") }
        let entry = found.entry(toward: wanted.minor)
        let new = address(of: entry, manager, wanted)
        let update =
            switch manager {
            case .apt: "apt-get update, of this repository only"
            case .dnf: "dnf makecache --refresh, of this repository only"
            case .zypper: "zypper refresh, of this repository only"
            }
        guard let entry else {
            return .change([
                PlannedChange(
                    "configure the package repository of \(wanted.minorText): none is",
                    diff: ["+ \(new)"],
                    commands: [update]
                )
            ])
        }
        let isSame = entry.url == new
        return .change([
            PlannedChange(
                isSame
                    ? "read the package repository again: kubeadm \(wanted) is not among what the host knows of it"
                    : "take packages from the repository of \(wanted.minorText)",
                diff: isSame ? [] : ["  \(entry.file)", "- \(entry.url)", "+ \(new)"],
                commands: [update]
            )
        ])
    }

    private var given: String? { url.flatMap { $0.isEmpty ? nil : $0 } }

    private func isDone(_ found: KubernetesRepository.Value, _ wanted: KubernetesVersion) -> Bool {
        guard found.offered.contains(wanted) else { return false }
        return given.map { given in found.entries.contains { $0.url == Self.address(given, minor: wanted.minor) } }
            ?? true
    }

    private func address(
        of entry: KubernetesRepository.Entry?,
        _ manager: KubernetesPackages.Manager,
        _ wanted: KubernetesVersion
    ) -> String {
        Self.address(given ?? entry?.url ?? Self.official(manager), minor: wanted.minor)
    }

    private static func official(_ manager: KubernetesPackages.Manager) -> String {
        "https://pkgs.k8s.io/core:/stable:/v1.0/\(manager == .apt ? "deb" : "rpm")/"
    }

    /// The address with another minor in place of its `v1.N`.
    static func address(_ url: String, minor: Int) -> String {
        url.split(separator: "/", omittingEmptySubsequences: false).map { part in
            part.hasPrefix("v1.") && part.count > 3 && part.dropFirst(3).allSatisfy(\.isNumber)
                ? "v1.\(minor)" : String(part)
        }.joined(separator: "/")
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let wanted = try wanted
        let command = RemoteCommand(
            [
                PackageManager.functions, RepositoryEntries.functions, RepositoryScript.functions,
                RepositoryScript.configure,
            ],
            [
                context.run.text, String(wanted.minor), wanted.description,
                given.map { Self.address($0, minor: wanted.minor) } ?? "",
            ]
        )
        let outcome = try await context.guarded(command, deadline: PackageManager.patience)
        guard outcome.exitCode == 0 else {
            throw OperatorMessage(
                .stepFailed,
                outcome.errorText.split(separator: "\n").last.map(String.init) ?? "it ended with \(outcome.exitCode)",
                state: "Its files are as they were"
            )
        }
        return output(of: context)
    }

    private func output(of context: StepContext) -> Output {
        Output(kept: "/var/lib/rollbook-host/repository/\(context.run.text)")
    }

    package func probe(_ context: StepContext) async throws -> Probe {
        let found = try await context.lookAgain().read(fact(), on: context.target.name)
        guard isDone(found, try wanted) else { return .notDone(detail: "kubeadm \(version) is not on offer") }
        return .done(output: try JSONValue(encoding: output(of: context)), detail: "kubeadm \(version) is on offer")
    }

    /// Puts back the files that are still as this run wrote them, and reads the lists of what they name.
    package func undo(_ output: Output, _ context: StepContext) async throws {
        let command = RemoteCommand(
            [PackageManager.functions, RepositoryEntries.functions, RepositoryScript.functions, RepositoryScript.undo],
            [context.run.text]
        )
        let outcome = try await context.guarded(command, deadline: .seconds(300))
        guard outcome.exitCode == 0 else {
            throw OperatorMessage(
                .stepFailed,
                outcome.errorText.split(separator: "\n").last.map(String.init) ?? "it ended with \(outcome.exitCode)"
            )
        }
    }
}
