import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `etcd.set-aside`: renames a stopped member's data, so that it can start from nothing, or from a backup; never deletes it.
///
/// A data directory that is a mount point cannot be renamed ("Device or resource busy"): then what is in it is moved within its
/// file system. The old data keeps its owner and mode, and its name tells the run. A log in a directory of its own goes with it: one
/// without the other is of no use, and neither is new data beside an old log.
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
        guard !found.isLogMountPoint else {
            // etcd's wal.Create removes the directory, and renames one that it made beside it.
            return .blocked(
                OperatorMessage(
                    .refused,
                    "its write-ahead log's directory \(found.walDirectory) is a mount point, which neither this program nor etcd "
                        + "can rename: a member that starts from nothing could not make its log there",
                    state: "Nothing was changed",
                    next:
                        "stop this member, move its log into a folder \(found.walDirectory)/wal, set --wal-dir to that, start it"
                )
            )
        }
        let data = found.dataDirectory
        let moved = found.isMountPoint ? "\(data)/member" : data
        let place = found.isMountPoint ? "\(data)/.before-RUN/" : "\(data).before-RUN"
        let log = found.walDirectory.hasPrefix(moved + "/") ? "" : found.walDirectory
        let size = found.hasData ? byteCount(found.dataBytes) : "nothing there now"
        return .change([
            PlannedChange(
                "keep its data aside as \(place)\(log.isEmpty ? "" : ", and its log as \(log).before-RUN") (\(size))",
                commands: [found.isMountPoint ? "mv \(data)/member \(place)member" : "mv \(data) \(place)"]
                    + (log.isEmpty ? [] : ["mv \(log) \(log).before-RUN"])
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
            aside=$data/.before-$1; moved=$data/member; mkdir -p -m 0700 "$aside" || exit 1
            if [ -d "$data/member" ] && [ ! -e "$aside/member" ]; then mv -T -- "$data/member" "$aside/member" || exit 1; fi
        else
            aside=$data.before-$1; moved=$data
            if [ -d "$data" ] && [ ! -e "$aside" ]; then mv -T -- "$data" "$aside" || exit 1; fi
            renew "$data" "$aside" || exit 1
        fi
        if [ -n "$wal" ] && [ "${wal#"$moved"/}" = "$wal" ]; then
            [ ! -d "$wal" ] || [ "$(stat -c %d "$wal")" = "$(stat -c %d "$wal/..")" ] \\
                || { echo "$wal is a mount point, and cannot be renamed" >&2; exit 1; }
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
        if [ -n "$wal" ]; then
            rm -rf -- "$wal.restore-$run"
            if [ -e "$wal/rollbook-restored-$run.tmp" ]; then
                mv -T -- "$wal" "$wal.restore-$run" && rm -rf -- "$wal.restore-$run" || exit 1
            fi
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
