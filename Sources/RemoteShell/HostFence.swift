/// Which run owns a host: the fence against a second controller (Format.md, section 4).
package struct HostFence: Sendable, Hashable {
    package let epoch: Int
    /// The run's id; the ids of its operations begin with its last eight digits.
    package let run: String
    package let controller: Controller

    /// A state folder from which runs are started.
    package struct Controller: Sendable, Hashable {
        /// 16 hexadecimal digits.
        package let id: String
        /// Host name, for people; without white space.
        package let name: String

        package init(id: String, name: String) {
            self.id = id
            self.name = name
        }
    }

    package init(epoch: Int, run: String, controller: Controller) {
        self.epoch = epoch
        self.run = run
        self.controller = controller
    }

    /// The answer to a claim.
    package enum Claim: Sendable, Hashable {
        case owns
        case fenced(epoch: Int)
        case owned(by: Owner)
        case busy(operation: String)
    }

    package struct Owner: Sendable, Hashable {
        package let epoch: Int
        package let run: String
        package let controller: Controller

        init?(_ words: [Substring]) {
            guard words.count == 4, let epoch = Int(words[0]) else { return nil }
            self.epoch = epoch
            run = String(words[1])
            controller = Controller(id: String(words[2]), name: String(words[3]))
        }
    }

    /// Takes the host, or says who has it; sent again it changes nothing.
    package func claim(takingOver: Bool) -> RemoteCommand {
        RemoteCommand(
            Self.claimScript,
            [
                String(epoch), run, controller.id, controller.name, takingOver ? "yes" : "no",
                String(run.suffix(8)),
            ]
        )
    }

    /// Gives the host back, when it still is this run's, and removes what it keeps of the run's operations.
    package var release: RemoteCommand {
        RemoteCommand([Self.releaseScript, OperationRecord.removalScript], [String(run.suffix(8)), run])
    }

    /// Reads what a host knows of epochs and owners; changes nothing.
    package static let survey = RemoteCommand(
        """
        base=/var/lib/rollbook-host; held=0; owner=
        read -r held 2>/dev/null <"$base/epoch"; read -r owner 2>/dev/null <"$base/owner"
        printf 'epoch %s\\nowner %s\\n' "${held:-0}" "$owner"
        """
    )

    /// What `survey` told; nil when it is no such answer.
    package static func survey(from text: String) -> (epoch: Int, owner: Owner?)? {
        let lines = text.split(separator: "\n").map { $0.split(separator: " ") }
        guard lines.count == 2, lines[0].first == "epoch", lines[0].count == 2, let epoch = Int(lines[0][1]),
            lines[1].first == "owner"
        else { return nil }
        return (epoch, Owner(Array(lines[1].dropFirst())))
    }

    /// Reads the answer of `claim`; nil when it is none of the lines of Format.md.
    package static func claim(from text: String) -> Claim? {
        let words = text.split(separator: "\n").first?.split(separator: " ") ?? []
        switch (words.first, words.count) {
        case ("owns", 1): return .owns
        case ("fenced", 2): return Int(words[1]).map { .fenced(epoch: $0) }
        case ("owned", 5): return Owner(Array(words.dropFirst())).map { .owned(by: $0) }
        case ("busy", 2): return .busy(operation: String(words[1]))
        default: return nil
        }
    }

    /// `$1` epoch, `$2` run, `$3` controller id, `$4` its name, `$5` whether to take over, `$6` how own operations begin.
    ///
    /// An operation counts as working while its process lives; one that began within the last minute may not have written
    /// down its process yet.
    private static let claimScript: StaticString = """
        base=/var/lib/rollbook-host; umask 077
        mkdir -p "$base/ops" || exit 1
        exec 9>>"$base/epoch.lock" || exit 1
        flock -w 20 9 || { echo "epoch.lock is held by another command" >&2; exit 1; }
        held=; read -r held 2>/dev/null <"$base/epoch"
        owner=; read -r owner 2>/dev/null <"$base/owner"
        if [ "$owner" = "$1 $2 $3 $4" ]; then echo owns; exit 0; fi
        if [ "${held:-0}" -ge "$1" ]; then echo "fenced $held"; exit 0; fi
        if [ -n "$owner" ] && [ "$5" != yes ]; then
            case $owner in *" $3 "*) ;; *) echo "owned $owner"; exit 0 ;; esac
        fi
        boot=$(cat /proc/sys/kernel/random/boot_id)
        for d in "$base"/ops/*; do
            id=${d##*/}; case $id in "$6".*) continue ;; esac
            [ -d "$d/run" ] && [ ! -e "$d/rc" ] || continue
            was=$boot; read -r was 2>/dev/null <"$d/run/boot"; [ "$was" = "$boot" ] || continue
            if read -r pid ticks 2>/dev/null <"$d/run/pid"; then
                now=; if read -r stat 2>/dev/null <"/proc/$pid/stat"; then
                    now=$(printf '%s' "${stat##*) }" | cut -d' ' -f20); fi
                [ "$now" = "$ticks" ] || continue
            else
                [ -n "$(find "$d/run" -maxdepth 0 -mmin -1)" ] || continue
            fi
            echo "busy $id"; exit 0
        done
        printf '%s\\n' "$1" >"$base/epoch.tmp" && printf '%s %s %s %s\\n' "$1" "$2" "$3" "$4" >"$base/owner.tmp" \\
            && sync "$base/epoch.tmp" "$base/owner.tmp" && mv "$base/epoch.tmp" "$base/epoch" \\
            && mv "$base/owner.tmp" "$base/owner" && sync "$base" || exit 1
        echo owns
        """

    /// `$1` how the ids of the run's operations begin, `$2` run.
    private static let releaseScript: StaticString = """
        base=/var/lib/rollbook-host
        if [ -e "$base/owner" ] && exec 9>>"$base/epoch.lock" && flock -w 20 9 && read -r epoch run rest <"$base/owner" \\
            && [ "$run" = "$2" ]; then rm -f "$base/owner"; sync "$base"; fi

        """
}
