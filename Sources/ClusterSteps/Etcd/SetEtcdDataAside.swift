import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `etcd.set-aside`: renames a stopped member's data, so that it can start from nothing, or from a backup; never deletes it.
///
/// A data directory that is a mount point cannot be renamed ("Device or resource busy"): then what is in it is moved within its
/// file system. The old data keeps its owner and mode, and its name tells the run.
package struct SetEtcdDataAside: Step {
    package static let signature = KindSignature(
        kind: "etcd.set-aside",
        summary: "Rename the data of a stopped member; nothing is deleted",
        parameters: []
    )
    package static let stepClass = StepClass.guarded
    package static let reversal = Reversal.undoable

    package init() {}

    package struct Output: Codable, Sendable {
        /// Where the old data is; empty when there was none.
        package let path: String
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        [FactRequest(EtcdInstallation(paths: target.cluster.paths), on: target.name)]
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        let found = try await facts.read(EtcdInstallation(paths: facts.cluster.paths), on: target.name)
        guard found.form != .none, !found.dataDirectory.isEmpty else {
            return .blocked(OperatorMessage(.refused, "it is not known where its etcd keeps its data"))
        }
        let data = found.dataDirectory
        let place = found.isMountPoint ? "\(data)/.before-RUN/" : "\(data).before-RUN"
        let wal = found.walDirectory.isEmpty ? "" : ", and its log as \(found.walDirectory).before-RUN"
        let size = found.hasData ? byteCount(found.dataBytes) : "nothing there now"
        return .change([
            PlannedChange(
                "keep its data aside as \(place)\(wal) (\(size))",
                commands: [found.isMountPoint ? "mv \(data)/member \(place)member" : "mv \(data) \(place)"]
            )
        ])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let said = try await EtcdScript.run(Self.script, with: [context.run.text], in: context, deadline: .seconds(120))
        return Output(path: said.split(separator: "\n").last.map(String.init) ?? "")
    }

    /// `$1` is the run; repeating it changes nothing: what is aside already stays the only old data.
    static let script: StaticString = """
        [ -n "$data" ] || { echo 'it is not known where its etcd keeps its data' >&2; exit 1; }
        ! running || { echo 'etcd still runs' >&2; exit 1; }
        renew() {
            [ -d "$1" ] || mkdir -p -m 0700 -- "$1" || return 1
            [ ! -e "$2" ] || chown --reference="$2" -- "$1"
        }
        if [ -d "$data" ] && [ "$(stat -c %d "$data")" != "$(stat -c %d "$data/..")" ]; then
            aside=$data/.before-$1; mkdir -p -m 0700 "$aside" || exit 1
            if [ -d "$data/member" ] && [ ! -e "$aside/member" ]; then mv -T -- "$data/member" "$aside/member" || exit 1; fi
        else
            aside=$data.before-$1
            if [ -d "$data" ] && [ ! -e "$aside" ]; then mv -T -- "$data" "$aside" || exit 1; fi
            renew "$data" "$aside" || exit 1
        fi
        if [ -n "$wal" ] && [ "${wal#"$data"/}" = "$wal" ]; then
            if [ -d "$wal" ] && [ ! -e "$wal.before-$1" ]; then mv -T -- "$wal" "$wal.before-$1" || exit 1; fi
            renew "$wal" "$wal.before-$1" || exit 1
        fi
        ! command -v restorecon >/dev/null || restorecon -R "$data" 2>/dev/null
        sync -f "$data/.."; [ ! -e "$aside" ] || printf '%s\\n' "$aside"
        """

    package func probe(_ context: StepContext) async throws -> Probe {
        .notDone(detail: "setting data aside again changes nothing")
    }

    /// Puts it back, unless the run has taken the member it belongs to off the list: then it is of no use to anybody's etcd.
    package func undo(_ output: Output, _ context: StepContext) async throws {
        guard !output.path.isEmpty, try !EtcdSurvivors.isOff(context) else { return }
        _ = try await EtcdScript.run(
            Self.undoScript,
            with: [output.path],
            in: context,
            part: "undo",
            deadline: .seconds(120)
        )
    }

    /// `$1` where the old data is; it stays there when etcd runs on other data meanwhile.
    ///
    /// What a restore by the same run had begun to put in its place goes: it bears the run's mark, and the backup has it.
    static let undoScript: StaticString = """
        aside=$1; run=${aside##*.before-}; [ -e "$aside" ] || exit 0
        ! running || exit 0
        rm -f -- /var/lib/rollbook-host/restore/"$run".*; rm -rf -- "$data/.restore-$run"
        if [ -e "$data/member/.rollbook-restored-$run" ]; then
            mv -T -- "$data/member" "$data/.restore-$run" && rm -rf -- "$data/.restore-$run" || exit 1
        fi
        if [ -e "$data/member" ]; then echo "$data/member is there; the old data stays at $aside" >&2; exit 1; fi
        old=$wal.before-$run
        if [ -n "$wal" ] && [ -e "$old" ]; then
            [ ! -d "$wal" ] || rmdir -- "$wal" || exit 1
            mv -T -- "$old" "$wal" || exit 1
        fi
        case $aside in
        "$data"/.before-*)
            [ ! -e "$aside/member" ] || mv -T -- "$aside/member" "$data/member" || exit 1
            rmdir -- "$aside" || exit 1 ;;
        *)
            [ ! -d "$data" ] || rmdir -- "$data" || exit 1
            mv -T -- "$aside" "$data" || exit 1 ;;
        esac
        sync -f "$data/.."
        """
}
