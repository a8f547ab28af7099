import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `etcd.join`: starts a member that was just added, with nothing in its data directory, and waits until it has caught up.
///
/// It must be started with all members in `--initial-cluster` and the state `existing`: the manifest that kubeadm leaves names
/// only those of its day, and with an empty directory would make a new cluster of its own that answers and is empty (kubespray
/// 13261). What kubeadm writes when it joins is written here: the list as `member add` gave it.
package struct JoinEtcd: Step {
    package static let signature = KindSignature(
        kind: "etcd.join",
        summary: "Start an added member from nothing, and wait until it has caught up",
        parameters: []
    )
    package static let stepClass = StepClass.guarded
    package static let reversal = Reversal.undoable

    package init() {}

    package typealias Output = StartEtcd.Output

    package func facts(on target: StepTarget) -> [FactRequest] {
        [FactRequest(EtcdInstallation(paths: target.cluster.paths), on: target.name)]
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let found = try await facts.read(EtcdInstallation(paths: facts.cluster.paths), on: target.name)
        guard found.form != .none else {
            return .blocked(OperatorMessage(.refused, "there is neither a manifest nor a unit of etcd"))
        }
        // Said before anything is done: once the member is off the list it has to be put back.
        guard found.fixedCluster.isEmpty else {
            return .blocked(OperatorMessage(.refused, found.fixedCluster, state: "Nothing was changed"))
        }
        return .change([
            PlannedChange(
                "start etcd as the added member, and wait until it has caught up (up to \(StartEtcd.patience.brief))",
                diff: [
                    "  \(found.source)", "+ initial-cluster: all members, as member add gives them",
                    "+ initial-cluster-state: existing",
                ],
                commands: [found.form == .staticPod ? "mv etcd.yaml back" : "systemctl start etcd"]
            )
        ])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        guard let added = try added(context) else {
            throw OperatorMessage(.stepFailed, "no step of this run has added it as a member")
        }
        _ = try await EtcdScript.run(
            Self.editScript,
            StartEtcd.script,
            with: [context.run.text, added.initialCluster],
            in: context,
            deadline: .seconds(150)
        )
        let newest = try await newestRevision(context)
        let status = try await StartEtcd.waitForLeader(context) { status in
            if String(status.memberID, radix: 16) != added.id {
                return "it came up as member \(String(status.memberID, radix: 16)), not \(added.id)"
            }
            return status.revision < newest ? "revision \(status.revision) of \(newest)" : nil
        }
        return Output(status)
    }

    private func added(_ context: StepContext) throws -> AddEtcdMember.Output? {
        try context.resultsOfAllStages(of: AddEtcdMember.signature.kind)
            .compactMap { try? $0.output.decode(AddEtcdMember.Output.self) }.last
    }

    /// What the others have now; the member has caught up when it has that.
    private func newestRevision(_ context: StepContext) async throws -> Int64 {
        await EtcdHealth.read(context.lookAgain(), except: context.target.name).highestRevision
    }

    /// `$1` run, `$2` all members as `--initial-cluster` wants them.
    ///
    /// The file as it was is kept in the folder of parked manifests.
    static let editScript: StaticString = """
        [ -z "$fixed" ] || { printf '%s\\n' "$fixed" >&2; exit 1; }
        umask 077; mkdir -p "${parked%/*}"; old=${parked%/*}/etcd-joined-with.$1; new=$source.rollbook
        [ "$form" != static-pod ] || new=${parked%/*}/.etcd.yaml.new
        [ -e "$old" ] || { cp -p -- "$source" "$old.new" && sync "$old.new" && mv -T -- "$old.new" "$old"; } || exit 1
        case $form in
        static-pod) separator='='; cluster='--initial-cluster'; state='--initial-cluster-state' ;;
        unit)
            if [ "$source" = "$conf" ]; then separator=': '; cluster=initial-cluster; state=initial-cluster-state
            else separator='='; cluster=ETCD_INITIAL_CLUSTER; state=ETCD_INITIAL_CLUSTER_STATE; fi ;;
        esac
        cp -p -- "$source" "$new" && awk -v cluster="$cluster" -v state="$state" -v sep="$separator" -v list="$2" -v form="$form" '
            { bare = $0; sub(/^ *(- *)?/, "", bare); head = substr($0, 1, length($0) - length(bare)); sub(/^["\\047]/, "", bare) }
            index(bare, state) == 1 { next }
            index(bare, cluster) == 1 && substr(bare, length(cluster) + 1, 1) ~ /[=:]/ {
                print head cluster sep list; print head state sep "existing"; seen = 1; next }
            { print }
            END { if (!seen && form == "unit") { print cluster sep list; print state sep "existing" } }
            ' "$source" >"$new" && sync "$new" || exit 1
        grep -qF -e "$2" "$new" || { echo "$source has no --initial-cluster to replace" >&2; exit 1; }
        if cmp -s "$new" "$source"; then rm -f "$new"; else mv -T -- "$new" "$source" && sync "${source%/*}" || exit 1; fi

        """

    package func probe(_ context: StepContext) async throws -> Probe {
        let fact = EtcdStatus(pki: context.target.cluster.paths.pki)
        let status = try await context.lookAgain().read(fact, on: context.target.name)
        guard status.answers, status.leader != 0, let added = try added(context),
            String(status.memberID, radix: 16) == added.id
        else { return .notDone(detail: "the added member does not answer yet; starting it again changes nothing") }
        return .done(output: try JSONValue(encoding: Output(status)), detail: "it answers as member \(added.id)")
    }

    /// Stops a learner; one that votes by now is part of the cluster, and stays.
    package func undo(_ output: Output, _ context: StepContext) async throws {
        let fact = EtcdStatus(pki: context.target.cluster.paths.pki)
        let status = try await context.lookAgain().read(fact, on: context.target.name)
        if status.answers, !status.isLearner { return }
        _ = try await EtcdScript.run(ParkEtcd.script, in: context, part: "park", deadline: .seconds(180))
    }
}
