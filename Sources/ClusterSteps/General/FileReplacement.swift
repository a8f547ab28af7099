import ClusterModel
import Journal
import RemoteShell
import RunEngine

/// A file that takes the place of another, or of none: what `file.put` and `file.edit-line` do to a host.
///
/// The new file gets its content, owner and mode under another name in the same folder, is checked there, made durable, and only
/// then renamed: whoever opens the path finds the old file or the new one, whole. What it replaces is copied before, to
/// `/var/lib/rollbook-host/previous/<run>/<step>`, and kept for 90 days.
struct FileReplacement {
    let path: String
    let content: [UInt8]
    var mode: String?
    var owner: String?
    var group: String?
    /// A script that gets the new file as `$1`.
    var check: String?
    var isSecret = false

    /// The file, and the unit that it is of.
    static func subjects(_ path: String) -> [StepSubject] {
        let name = String(path.split(separator: "/").last ?? "")
        let folders = path.split(separator: "/").dropLast().map(String.init)
        let units = (folders.contains("systemd") ? folders.filter { $0.hasSuffix(".d") } : []).map { $0.dropLast(2) }
        let isUnit = folders.contains("systemd") && EnsureService.suffixes.contains { name.hasSuffix($0) }
        return [.thing("file \(path)")]
            + (units.map(String.init) + (isUnit ? [name] : [])).map { EnsureService.subject($0) }
    }

    /// Why nothing can take the place of what is there, or nil.
    static func obstacle(_ found: FileState.Value, at path: String) -> OperatorMessage? {
        let what: String
        switch found.kind {
        case .absent, .file: return nil
        case .folder: what = "\(path) is a folder"
        case .other: what = "\(path) is no regular file"
        case .link(let target):
            return OperatorMessage(
                .refused,
                "\(path) is a link to \(target)",
                state: "Nothing was changed",
                next: "name the file that it leads to, or remove the link"
            )
        }
        return OperatorMessage(.refused, what, state: "Nothing was changed")
    }

    /// Whether the file is as it would be afterwards.
    func isThere(_ found: FileState.Value) -> Bool {
        found.kind == .file && found.sha256 == content.sha256 && found.has(mode: mode) && found.isOwned(by: owner)
            && found.isOwned(byGroup: group)
    }

    /// What a person reads in the plan.
    func change(from found: FileState.Value, _ summary: String? = nil) -> PlannedChange {
        let isNew = found.kind == .absent
        let isSame = found.sha256 == content.sha256
        let what = isNew ? "make \(path)" : isSame ? "change owner or mode of \(path)" : "replace \(path)"
        var diff: [String] = []
        if isSecret {
            diff = isSame ? [] : ["  (secret: \(found.bytes) bytes before, \(content.count) after)"]
        } else if !isSame {
            let isTold = isNew || found.content != nil
            diff =
                isTold
                ? LineDiff(found.content, content).lines
                : ["  (\(found.bytes) bytes before, \(content.count) after: too many to show)"]
        }
        if !isNew, let mode, !found.has(mode: mode) { diff += ["- mode \(found.mode)", "+ mode \(mode)"] }
        if !isNew, !found.isOwned(by: owner) || !found.isOwned(byGroup: group) {
            diff += [
                "- owner \(found.owner):\(found.group)",
                "+ owner \(owner ?? found.owner):\(group ?? found.group)",
            ]
        }
        let lines = check?.split(separator: "\n").map { "check: \($0)" } ?? []
        return PlannedChange(summary ?? what, diff: diff, commands: lines)
    }

    /// Does it; what is there must be what `found` says, or what is wanted already.
    func perform(_ found: FileState.Value, _ context: StepContext) async throws {
        let command = RemoteCommand(
            Self.script,
            [
                context.run.text, context.step.text, path, found.kind == .absent ? "absent" : found.sha256,
                content.sha256, mode ?? "", owner ?? "", group ?? "", check ?? "", isSecret ? "0600" : "0644",
            ]
        )
        let result = try await context.connection.run(
            command,
            input: isSecret ? .secret(Secret(content)) : .bytes(content),
            limits: CommandLimits(deadline: .seconds(180))
        )
        guard result.succeeded else {
            throw OperatorMessage(
                .stepFailed,
                result.errorOutput.lastLine,
                state: "\(path) is as it was"
            )
        }
    }

    /// `$1` run, `$2` step, `$3` path, `$4` digest of what is there or `absent`, `$5` digest of what is wanted, `$6` mode,
    /// `$7` owner, `$8` group, `$9` check, `$10` mode of a new file; the content on standard input.
    ///
    /// The temporary name begins with a dot, which no program reads that reads whole folders (kubelet, cron, sudo, sysctl).
    static let script: StaticString = """
        fail() { printf '%s\\n' "$1" >&2; exit 1; }
        sum() { set -- $(sha256sum <"$1"); printf %s "$1"; }
        now() { if [ -L "$1" ]; then echo link; elif [ -f "$1" ]; then sum "$1"; elif [ -e "$1" ]; then echo other
            else echo absent; fi; }
        path=$3; dir=${path%/*}; dir=${dir:-/}; base=/var/lib/rollbook-host/previous; kept=$base/$1/$2
        tmp=; trap '[ -z "$tmp" ] || rm -f -- "$tmp"' EXIT
        found=$(now "$path")
        [ "$found" = "$4" ] || [ "$found" = "$5" ] || fail "$path is not what it was when it was read"
        [ -d "$dir" ] || mkdir -p -- "$dir" || exit 1
        rm -f -- "$dir/.rollbook.$1.$2".*
        umask 077; tmp=$dir/.rollbook.$1.$2.$$; (set -C; : >"$tmp") || exit 1
        if [ "$found" = absent ]; then chmod "${10}" "$tmp" || exit 1
        else cp --attributes-only --preserve=all -- "$path" "$tmp" || exit 1; fi
        [ -z "$7$8" ] || chown -- "$7${8:+:$8}" "$tmp" || exit 1
        [ -z "$6" ] || chmod -- "$6" "$tmp" || exit 1
        cat >"$tmp" || exit 1
        [ "$(sum "$tmp")" = "$5" ] || fail 'it did not arrive as it was sent'
        if [ -n "$9" ]; then
            said=$(timeout 60 /bin/sh -c "$9" rollbook "$tmp" </dev/null 2>&1) \\
                || fail "the check of the new file ended with $?: $(printf '%s\\n' "$said" | tail -n 1)"
            [ "$(sum "$tmp")" = "$5" ] || fail 'the check changed the new file'
        fi
        mkdir -p -- "$base/$1" || exit 1
        find "$base" -mindepth 1 -maxdepth 1 -mtime +90 -exec rm -rf {} +
        if [ ! -e "$kept" ] && [ ! -e "$kept.absent" ]; then
            if [ "$found" = absent ]; then : >"$kept.absent" && sync "$kept.absent" || exit 1
            else cp --preserve=all -- "$path" "$kept.part" && sync "$kept.part" && mv -T -- "$kept.part" "$kept" || exit 1; fi
            sync "$base/$1"
        fi
        sync "$tmp" || exit 1
        [ "$(now "$path")" = "$found" ] || fail "$path was changed meanwhile"
        mv -T -- "$tmp" "$path" || exit 1
        tmp=; ! command -v restorecon >/dev/null 2>&1 || restorecon -- "$path" 2>/dev/null; sync "$dir"
        """

    /// Puts back what was there before the step, unless somebody changed the file since.
    static func undo(_ path: String, _ sha256: String, _ context: StepContext) async throws {
        let command = RemoteCommand(undoScript, [context.run.text, undoneStep(context), path, sha256])
        let result = try await context.connection.run(command)
        guard result.succeeded else { throw OperatorMessage(.stepFailed, result.errorOutput.lastLine) }
    }

    /// An undo's own step id is `undo.` and that of what it undoes.
    private static func undoneStep(_ context: StepContext) -> String {
        context.step.text.hasPrefix("undo.") ? String(context.step.text.dropFirst(5)) : context.step.text
    }

    /// `$1` run, `$2` step, `$3` path, `$4` digest of what the step put there.
    static let undoScript: StaticString = """
        fail() { printf '%s\\n' "$1" >&2; exit 1; }
        sum() { set -- $(sha256sum <"$1"); printf %s "$1"; }
        path=$3; dir=${path%/*}; dir=${dir:-/}; kept=/var/lib/rollbook-host/previous/$1/$2
        if [ -e "$kept.absent" ]; then
            [ -e "$path" ] || [ -L "$path" ] || exit 0
            [ -f "$path" ] && [ ! -L "$path" ] && [ "$(sum "$path")" = "$4" ] \\
                || fail "$path was changed since; before this run there was no such file"
            rm -f -- "$path" && sync "$dir"; exit
        fi
        [ -e "$kept" ] || exit 0
        [ -f "$path" ] && [ ! -L "$path" ] || fail "$path is gone; what it was before this run is at $kept"
        found=$(sum "$path")
        [ "$found" = "$4" ] || [ "$found" = "$(sum "$kept")" ] \\
            || fail "$path was changed since; what it was before this run is at $kept"
        rm -f -- "$dir/.rollbook.$1.$2".*; umask 077; tmp=$dir/.rollbook.$1.$2.undo
        cp --preserve=all -- "$kept" "$tmp" && sync "$tmp" && mv -T -- "$tmp" "$path" || { rm -f -- "$tmp"; exit 1; }
        sync "$dir"
        """
}
