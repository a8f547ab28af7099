/// A changing command that runs at most once on its host, however often it is sent (Format.md, section 3).
package struct OperationRecord: Sendable, Hashable {
    /// Names the operation for ever: run, step and attempt; characters `[a-zA-Z0-9._-]` only.
    package let id: String
    /// Of the run that sends it; nil for an operation that changes nothing that runs on the host, and is never fenced.
    package let epoch: Int?
    package let command: RemoteCommand
    /// SHA-256 (hex) of the script and its arguments, each followed by a NUL byte; computed by the caller.
    package let commandDigest: String

    package init(id: String, epoch: Int?, command: RemoteCommand, commandDigest: String) {
        precondition(
            !id.isEmpty
                && id.utf8.allSatisfy {
                    (0x61...0x7A).contains($0) || (0x41...0x5A).contains($0) || (0x30...0x39).contains($0)
                        || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
                },
            "operation ids are made of step ids, which are checked when a runbook is loaded"
        )
        self.id = id
        self.epoch = epoch
        self.command = command
        self.commandDigest = commandDigest
    }

    /// What the host says of an operation.
    package enum State: Sendable, Hashable {
        case done(exitCode: Int, output: [UInt8], errorOutput: [UInt8])
        /// Not ended; with the last line of what it wrote so far, which may be empty.
        case running(said: String)
        /// The host was started anew in the middle of it.
        case rebooted
        /// Its process is gone without an exit code.
        case vanished
        case absent
        case fenced(epoch: Int)
        case conflict
    }

    /// Begins the operation, or attaches to it when it was begun before, and waits up to `patience` seconds for its end.
    package func start(patience: Int) -> RemoteCommand {
        RemoteCommand(
            joined: Self.prologue + Self.claim + Self.wait,
            [id, String(patience), commandDigest, epoch.map(String.init) ?? "-", command.script] + command.arguments,
            as: .root
        )
    }

    /// Looks without beginning anything.
    package func look(patience: Int = 0) -> RemoteCommand {
        RemoteCommand(joined: Self.prologue + Self.mustExist + Self.wait, [id, String(patience)], as: .root)
    }

    /// Removes every record whose id begins with `prefix` and a dot, but for those whose process lives; for a step whose outcome
    /// is durable in the journal, whatever attempts it took.
    package static func removal(ofAll prefix: String) -> RemoteCommand {
        RemoteCommand(removalScript, [prefix])
    }

    /// `$1` how the ids begin.
    static let removalScript: StaticString = """
        for d in /var/lib/rollbook-host/ops/"$1".*; do
            if [ ! -e "$d/rc" ] && read -r pid ticks 2>/dev/null <"$d/run/pid" && [ -d "/proc/$pid" ]; then continue; fi
            rm -rf -- "$d"
        done
        """

    /// Reads the answer of `start` or `look`; nil when it is none of the lines of Format.md.
    package static func state(from output: [UInt8]) -> State? {
        guard let end = output.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let words = String(decoding: output[..<end], as: UTF8.self).split(separator: " ")
        let rest = output[(end + 1)...]
        switch (words.first, words.count) {
        case ("running", 1):
            return .running(
                said: rest.split(separator: UInt8(ascii: "\n")).last.map { String(decoding: $0, as: UTF8.self) } ?? ""
            )
        case ("rebooted", 1): return .rebooted
        case ("vanished", 1): return .vanished
        case ("absent", 1): return .absent
        case ("conflict", 1): return .conflict
        case ("fenced", 2): return Int(words[1]).map { .fenced(epoch: $0) }
        case ("done", 4):
            guard let code = Int(words[1]), let outCount = Int(words[2]), let errCount = Int(words[3]),
                (0...rest.count).contains(outCount), errCount == rest.count - outCount
            else { return nil }
            return .done(
                exitCode: code,
                output: Array(rest.prefix(outCount)),
                errorOutput: Array(rest.suffix(errCount))
            )
        default: return nil
        }
    }

    private static let prologue = """
        base=/var/lib/rollbook-host; op=$1; patience=$2; d=$base/ops/$op
        boot=$(cat /proc/sys/kernel/random/boot_id)

        """

    private static let mustExist = """
        [ -d "$d" ] || { echo absent; exit 0; }

        """

    /// `$3` digest, `$4` epoch, `$5` script, then its arguments.
    private static let claim = """
        sum=$3; epoch=$4; body=$5; shift 5
        umask 077; mkdir -p "$base/ops" || exit 1
        exec 9>>"$base/epoch.lock" && flock -s -w 20 9 || exit 1
        held=; read -r held 2>/dev/null <"$base/epoch"
        if [ "$epoch" != - ] && [ "${held:-0}" -gt "$epoch" ]; then echo "fenced $held"; exit 0; fi
        if [ ! -d "$d" ]; then
            find "$base/ops" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} +
            new=$d.new.$$; rm -rf "$new"; mkdir "$new" || exit 1
            { printf '%s\\n' "$sum" >"$new/command.sha256" && printf '%s\\n' "$epoch" >"$new/epoch" \\
                && sync "$new/command.sha256" "$new/epoch" "$new"; } || { rm -rf "$new"; exit 1; }
            mv -T "$new" "$d" 2>/dev/null || rm -rf "$new"
        fi
        [ -d "$d" ] || exit 1
        read -r had <"$d/command.sha256"; [ "$had" = "$sum" ] || { echo conflict; exit 0; }
        if [ ! -e "$d/run" ] && [ ! -e "$d/rc" ]; then
            setsid /bin/sh -c '
                d=$1; boot=$2; body=$3; shift 3
                mkdir "$d/run" 2>/dev/null || exit 0
                exec 9>&-
                printf "%s\\n" "$boot" >"$d/run/boot"
                read -r stat <"/proc/$$/stat"; set -- "$@"
                ticks=$(printf "%s" "${stat##*) }" | cut -d" " -f20)
                printf "%s %s\\n" "$$" "$ticks" >"$d/run/pid.tmp"; mv "$d/run/pid.tmp" "$d/run/pid"
                cd /; (umask 022; ROLLBOOK_OPERATION=$d; export ROLLBOOK_OPERATION; exec /bin/sh -c "$body" rollbook "$@") </dev/null >"$d/out" 2>"$d/err"; rc=$?
                printf "%s\\n" "$rc" >"$d/rc.tmp" && sync "$d/out" "$d/err" "$d/rc.tmp"; mv "$d/rc.tmp" "$d/rc"; sync "$d"
            ' rollbook-operation "$d" "$boot" "$body" "$@" </dev/null >/dev/null 2>&1 &
        fi
        exec 9>&-

        """

    /// Polls fast at first, then twice a second; a process is taken for gone only when two looks agree.
    private static let wait = """
        say() {
            for f in "$d/said" $(ls -t "$d/out" "$d/err" 2>/dev/null); do
                [ -s "$f" ] || continue; tail -c 256 "$f" | tail -n 1; return
            done
        }
        i=0; gone=0; until=$(($(cut -d. -f1 /proc/uptime) + patience))
        while [ ! -e "$d/rc" ]; do
            if [ -e "$d/run/boot" ] && read -r was <"$d/run/boot" && [ "$was" != "$boot" ]; then
                [ -e "$d/rc" ] && break; echo rebooted; exit 0
            fi
            if [ -e "$d/run/pid" ] && read -r pid ticks <"$d/run/pid"; then
                now=; if read -r stat 2>/dev/null <"/proc/$pid/stat"; then
                    now=$(printf '%s' "${stat##*) }" | cut -d' ' -f20); fi
                if [ "$now" = "$ticks" ]; then gone=0; else gone=$((gone + 1)); fi
                if [ "$gone" -ge 2 ]; then [ -e "$d/rc" ] && break; echo vanished; exit 0; fi
            fi
            [ "$(cut -d. -f1 /proc/uptime)" -lt "$until" ] || { [ -e "$d/rc" ] && break; echo running; say; exit 0; }
            i=$((i + 1)); if [ "$i" -lt 40 ]; then sleep 0.05; else sleep 0.5; fi
        done
        read -r rc <"$d/rc"; cap=131072
        size() { if [ -e "$1" ]; then s=$(wc -c <"$1"); [ "$s" -le "$cap" ] || s=$cap; echo "$s"; else echo 0; fi; }
        o=$(size "$d/out"); e=$(size "$d/err")
        echo "done $rc $o $e"; head -c "$o" "$d/out" 2>/dev/null; head -c "$e" "$d/err" 2>/dev/null; exit 0
        """
}
