package import BackupStore
package import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `kubernetes.resources`: an archive of all objects that the API lists, a JSON file for each kind, for looking things up and for
/// taking single objects back; what a cluster is restored from are the snapshots of etcd.
///
/// Every kind that API discovery knows, so custom resources, too; `kubectl get all` is but a dozen kinds. Left out are events,
/// measurements, and Secrets where the set is not encrypted. Objects come in the version that the API server prefers, without
/// `managedFields` (kubectl's own habit since 1.21). A kind that cannot be listed is told of as missing, and hinders nothing.
package struct CollectResources: Step {
    package static let signature = KindSignature(
        kind: "kubernetes.resources",
        summary: "Archive of all objects of Kubernetes, as JSON",
        parameters: [Parameter("patience", .duration, "how long listing one kind may take (1m)")]
    )
    package static let stepClass = StepClass.idempotent
    /// It copies: nothing that runs on any host is another afterwards.
    package var traits: StepTraits { StepTraits(Self.stepClass, changesHost: false) }

    package let patience: String?

    package struct Output: Codable, Sendable {
        package let master: HostName
        package let archive: StoredArchive
        package let withSecrets: Bool
        package let missing: [MissingKind]
    }

    package struct MissingKind: Codable, Sendable, Hashable {
        package let name: String
        package let why: String
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        KubernetesAPI.facts(in: target.cluster)
            + target.cluster.hosts(in: .master).map { FactRequest(KubernetesClient(target.cluster.paths), on: $0.name) }
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let api: KubernetesAPI
        do { api = try await KubernetesAPI.chosen(facts) } catch let message as OperatorMessage {
            return .warning("no objects are archived: \(message.event)")
        }
        let client = try await facts.read(KubernetesClient(facts.cluster.paths), on: api.master.name)
        if let problem = client.problem { return .noop("\(api.master.name) has \(problem)") }
        let secrets = Self.isEncrypted(facts.cluster.backup) ? "" : ", without Secrets, for the set is not encrypted"
        return .change([
            PlannedChange(
                "archive all objects of Kubernetes through \(api.master.name)\(secrets)",
                commands: ["kubectl api-resources --verbs=list -o name", "kubectl get KIND -A -o json (each)"]
            )
        ])
    }

    /// The rule by which files of a set are encrypted.
    private static func isEncrypted(_ policy: BackupPolicy) -> Bool {
        switch policy.encryption {
        case .none: false
        case .optional: !policy.recipients.isEmpty
        case .required: true
        }
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let staged = try await context.stagedBackup()
        guard let label = HostName("resources") else { throw StepFault("'resources' cannot name a file") }
        let name = BackupFileName.clusterArchive(named: label)
        try staged.remove(name)
        let api = try await KubernetesAPI.chosen(context.lookAgain())
        let policy = context.target.cluster.backup
        let withSecrets = Self.isEncrypted(policy)
        let command = api.command(
            Self.script,
            with: [context.run.text, withSecrets ? "with-secrets" : "without-secrets"],
            limit: patience.flatMap(parseDuration) ?? .seconds(60)
        )
        context.progress("listing all objects through \(api.master.name)")
        let connection = try await context.connection(to: api.master)
        let file = try staged.create(name)
        let sink = StagedFileSink(file: file)
        let result: CommandResult
        do {
            result = try await connection.download(command, to: sink, limits: CommandLimits(deadline: .seconds(3600)))
            guard result.exitCode == 0 else {
                let said =
                    KubernetesAPI.complaint(result.errorOutput.text) ?? "the script ended with \(result.exitCode)"
                throw OperatorMessage(.stepFailed, at: api.master.name.text, said)
            }
            _ = try file.finish()
        } catch {
            try? file.discard()
            throw sink.cause(of: error)
        }
        let entries = try staged.entries(of: name)
        let workspace = try context.service(BackupWorkspace.self)
        let encryption = try await AgeEncryption.required(by: policy, tools: workspace.tools, time: context.time)
        return Output(
            master: api.master.name,
            archive: StoredArchive(
                host: nil,
                kind: .cluster,
                file: try await staged.seal(name, with: encryption, time: context.time),
                entries: entries
            ),
            withSecrets: withSecrets,
            missing: Self.missing(result.errorOutput.text)
        )
    }

    /// Lines `missing NAME WHY` among what the script says.
    static func missing(_ text: String) -> [MissingKind] {
        text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: true)
            guard words.count > 1, words[0] == "missing" else { return nil }
            return MissingKind(
                name: String(words[1]),
                why: words.count > 2 ? String(words[2]) : "kubectl did not say why"
            )
        }
    }

    /// `$1` the run, `$2` `with-secrets` where those are wanted; prints an archive.
    ///
    /// The archive needs every file's size before its bytes, so a kind at a time goes to the master's disk, in a folder that
    /// only root may read and that goes with the script; what a killed one left goes after a day.
    static let script: StaticString = """
        base=/var/lib/rollbook-host; dir=$base/resources.$1; secrets=$2
        umask 077
        find "$base" -maxdepth 1 -name 'resources.*' -mmin +1440 -exec rm -rf -- {} + 2>/dev/null
        rm -rf -- "$dir"; mkdir -p "$dir/resources" || exit 1
        trap 'cd /; rm -rf -- "$dir"' EXIT; trap 'exit 1' HUP INT TERM PIPE
        cd "$dir" || exit 1
        names=$(K api-resources --verbs=list -o name 2>said)
        code=$?; said=$(grep -v '^[EIWF][0-9]' said | tail -n 1)
        [ -n "$names" ] || { echo "${said:-kubectl lists no kinds}" >&2; exit 1; }
        [ "$code" = 0 ] || echo "missing api-resources ${said:-some groups did not answer}" >&2
        for name in $names; do
            case $name in
            *[!a-z0-9.-]* | .* | events | events.events.k8s.io | componentstatuses | *.metrics.k8s.io) continue ;;
            secrets) [ "$secrets" = with-secrets ] || continue ;;
            esac
            group=core; case $name in *.*) group=${name#*.} ;; esac
            file=resources/$group/${name%%.*}.json
            mkdir -p "resources/$group" || exit 1
            if K get "$name" --all-namespaces --output=json >"$file" 2>said; then continue; fi
            code=$?; rm -f -- "$file"; said=$(grep -v '^[EIWF][0-9]' said | tail -n 1)
            [ "$code" != 124 ] || said="it took longer than $limit s"
            printf 'missing %s %s\\n' "$name" "${said:-kubectl ended with $code}" >&2
        done
        tar --numeric-owner -cf - resources
        """

    package func probe(_ context: StepContext) async throws -> Probe {
        .notDone(detail: "an archive is simply made again")
    }
}
