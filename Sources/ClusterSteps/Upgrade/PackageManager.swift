import ClusterModel
import RemoteShell
import RunEngine

/// Scripts for apt, dnf and zypper, used by all steps that install Kubernetes' packages.
///
/// Sources: kubernetes.io "Upgrading kubeadm clusters"; apt-get(8), dpkg-query(1), dnf(8), dnf-versionlock(8), zypper(8).
enum PackageManager {
    /// Defines `pm` and functions; takes nothing off the arguments.
    ///
    /// - `held NAMES`: those of them that are held: dpkg's hold, dnf's version lock, zypper's lock.
    /// - `release NAMES`, `restore`: lets held packages change, and holds them again. What was held is on disk before the first hold
    ///   is taken off, so that a script that was killed between leaves the next one everything to put it right.
    /// - `exact NAME VERSION`: the package's own version of a Kubernetes version, such as `1.32.13-1.1`; empty when not on offer.
    /// - `install NAME=VERSION …`: installs exactly these, and fails when anything would be removed or is not there afterwards; a name
    ///   with a question mark is left alone where it is not installed.
    /// - `note RUN NAME=VERSION …`: prints `was NAME VERSION` for each, as it was before the run first changed it.
    static let functions: StaticString = """
        fail() { printf '%s\\n' "$1" >&2; exit 1; }
        store="/var/lib/rollbook-host/packages"; DEBIAN_FRONTEND=noninteractive; ZYPP_LOCK_TIMEOUT=300
        export DEBIAN_FRONTEND ZYPP_LOCK_TIMEOUT
        pm=; for p in apt-get dnf zypper; do if command -v "$p" >/dev/null 2>&1; then pm=$p; break; fi; done
        all=--disableexcludes=all; source=; down=
        [ "$pm" != dnf ] || case $(timeout 3 dnf --version 2>/dev/null) in *dnf5*) all='--setopt=disable_excludes=*' ;; esac
        installed() {
            case $pm in
            apt-get) dpkg-query -W -f '${db:Status-Status} ${Version}\\n' "$1" 2>/dev/null | sed -n 's/^installed //p' ;;
            *) rpm -q --qf '%{VERSION}-%{RELEASE}\\n' "$1" 2>/dev/null | grep '^[0-9]' ;;
            esac
        }
        is_known() {
            case $pm in
            apt-get) case $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) in '' | not-installed | config-files) return 1 ;; esac ;;
            *) rpm -q "$1" >/dev/null 2>&1 ;;
            esac
        }
        is_at() { case $(installed "$1") in "$2" | "$2"-*) return 0 ;; esac; return 1; }
        is_held() {
            case $pm in
            apt-get) dpkg-query -W -f '${db:Status-Want}\\n' "$1" 2>/dev/null | grep -qx hold ;;
            dnf) { grep -hv '^ *[#!]' "/etc/dnf/plugins/versionlock.list"
                sed -n 's/^name *= *"\\(.*\\)"/\\1/p' "/etc/dnf/versionlock.toml"; } 2>/dev/null | grep -Eq "^$1(-[0-9].*)?\\$" ;;
            zypper) sed -n 's/^solvable_name:[[:space:]]*//p' "/etc/zypp/locks" 2>/dev/null | grep -qx "$1" ;;
            esac
        }
        held() { for p in "$@"; do if is_held "$p"; then echo "$p"; fi; done; }
        hold() {
            case $pm in
            apt-get) apt-mark hold "$@" ;; dnf) dnf -q -y versionlock add "$@" ;; zypper) zypper -n addlock "$@" ;;
            esac >/dev/null
        }
        unhold() {
            case $pm in
            apt-get) apt-mark unhold "$@" ;; dnf) dnf -q -y versionlock delete "$@" ;; zypper) zypper -n removelock "$@" ;;
            esac >/dev/null
        }
        release() {
            (umask 077; mkdir -p "$store") || exit 1
            list=$({ cat "$store/held" 2>/dev/null; held "$@"; } | sort -u); [ -n "$list" ] || return 0
            printf '%s\\n' "$list" >"$store/held.new" && sync "$store/held.new" && mv -fT "$store/held.new" "$store/held" \\
                && sync "$store" || fail "cannot note which packages are held"
            said=; i=0; while :; do
                now=$(held $list); [ -n "$now" ] || return 0
                [ "$i" -lt 150 ] || break; [ "$i" = 0 ] || sleep 2; i=$((i + 1)); why="cannot take the hold off $(echo $now)"
                said=$(unhold $now 2>&1) && { said=; continue; }
                # dpkg takes the lock for that as well, and does not wait for it as apt-get does.
                case $said in *locked*) ;; *) printf '%s\\n' "$said" | tail -n 3 >&2; fail "$why" ;; esac
                p=${said##*' pid '}; p=${p%%[!0-9]*}
                lock="Could not get lock. It is held by process $p ($(cat "/proc/$p/comm" 2>/dev/null))"; echo "$lock"
            done
            [ -n "$said" ] || fail "$why: the package manager says that it did, and they are held"
            echo "$lock" >&2; fail "$why"
        }
        restore() {
            [ -e "$store/held" ] || return 0
            i=0; while :; do
                free=; for p in $(cat "$store/held"); do is_held "$p" || free="$free $p"; done
                [ -n "$free" ] || break
                [ "$i" -lt 60 ] || { echo "cannot hold$free again" >&2; return 1; }
                [ "$i" = 0 ] || sleep 2; i=$((i + 1)); hold $free
            done
            rm -f "$store/held"
        }
        exact() {
            case $pm in
            apt-get) apt-cache $source madison "$1" | awk -F'|' -v v="$2-" '{ gsub(/[ \\t]/, "", $2) } index($2, v) == 1 { print $2; exit }' ;;
            dnf) dnf -q $source --cacheonly "$all" list --showduplicates "$1" 2>/dev/null |
                awk -v n="$1." -v v="$2-" 'index($1, n) == 1 { sub(/^[0-9]+:/, "", $2) } index($1, n) == 1 && index($2, v) == 1 { print $2; exit }' ;;
            zypper) zypper -n --no-refresh $source se -s --match-exact "$1" 2>/dev/null |
                awk -F'|' -v v="$2-" '{ gsub(/ /, "") } $3 == "package" && index($4, v) == 1 { print $4; exit }' ;;
            esac
        }
        mend() {
            [ -e "$store/installing" ] || return 0
            if [ "$pm" = apt-get ]; then
                i=0; until said=$(dpkg --force-confold --configure -a 2>&1); do
                    case $said in *locked*) ;; *) printf '%s\\n' "$said" | tail -n 3 >&2; return 1 ;; esac
                    i=$((i + 1)); [ "$i" -lt 150 ] || { printf '%s\\n' "$said" | head -n 1 >&2; return 1; }; sleep 2
                done
            fi
            rm -f "$store/installing"
        }
        note() {
            (umask 077; mkdir -p "$store/before") || exit 1
            find "$store/before" -type f -mtime +30 -exec rm -f {} +
            run=$1; shift
            for item in "$@"; do
                n=${item%%=*}; n=${n#\\?}; f=$store/before/$run-$n
                if [ ! -e "$f" ]; then
                    v=$(installed "$n"); [ -n "$v" ] || continue
                    printf '%s\\n' "$v" >"$f.new" && sync "$f.new" && mv -T "$f.new" "$f" && sync "$store/before" || exit 1
                fi
                echo "was $n $(cat "$f")"
            done
        }
        install() {
            want=; names=
            for item in "$@"; do
                shift; case $item in '?'*) item=${item#\\?}; is_known "${item%%=*}" || continue ;; esac
                set -- "$@" "$item"
                n=${item%%=*}; v=${item#*=}; names="$names $n"; is_at "$n" "$v" && continue
                e=$(exact "$n" "$v"); [ -n "$e" ] || fail "$n $v is not on offer; is the package repository that of its minor?"
                [ "$pm" = dnf ] && want="$want $n-$e" || want="$want $n=$e"
            done
            if [ -n "$want" ]; then
                release $names cri-tools kubernetes-cni; : >"$store/installing"; sync "$store"
                case $pm in
                apt-get) apt-get $source -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold -o APT::Install-Recommends=0 \\
                    $down install -y -q --no-remove $want ;;
                dnf) dnf -y $source "$all" install $want ;;
                zypper) zypper -n $source install --no-recommends --oldpackage $want ;;
                esac || fail "the package manager ended with $?"
            fi
            for item in "$@"; do
                is_at "${item%%=*}" "${item#*=}" || fail "the package manager ended with 0, but ${item%%=*} is $(installed "${item%%=*}")"
            done
            rm -f "$store/installing"; restore || exit 1
        }
        [ -n "$pm" ] || fail 'none of apt-get, dnf and zypper is there'

        """

    /// `$1` run, then `NAME=VERSION …`: installs them and leaves holds as they were, also when it fails.
    static let install: StaticString = """
        note "$@"; shift; trap 'restore' EXIT
        mend || exit 1; install "$@"
        """

    /// `$1` run, then names: what they were before the run changed them.
    static let before: StaticString = """
        note "$@"
        """

    /// Holds again what an interrupted installation left released.
    static let restoring: StaticString = "restore"

    /// A limit for the package manager's own waiting, and for fetching.
    static let patience = Duration.seconds(1200)

    /// Puts back holds that an interrupted attempt left, over a connection, when the fact says that there are any.
    ///
    /// An attempt whose outcome was lost is asked for once more before anything else is done, or given up; either way packages that
    /// were held must not stay free.
    static func restoreHolds(_ found: KubernetesPackages.Value, _ context: StepContext) async throws {
        guard !found.released.isEmpty else { return }
        let result = try await context.connection.run(RemoteCommand([functions, restoring]))
        guard result.succeeded else {
            throw OperatorMessage(
                .stepFailed,
                "\(found.released.joined(separator: ", ")) not held any more: \(result.errorOutput.lastLine)"
            )
        }
    }

    /// Runs an installation as one part of a guarded step.
    ///
    /// - Returns: versions as they were before the run first changed them, by package.
    static func install(
        _ names: [String],
        _ version: KubernetesVersion,
        in context: StepContext
    ) async throws -> [String: KubernetesVersion] {
        let items = names.map { "\($0)=\(version)" }
        context.progress("installing \(names.map { $0.trimmingPrefix("?") }.joined(separator: ", ")) \(version)")
        let command = RemoteCommand([functions, install], [context.run.text] + items)
        let outcome = try await context.guarded(command, part: "package", deadline: patience, telling: news)
        guard outcome.exitCode == 0 else {
            throw OperatorMessage(.stepFailed, complaint(output: outcome.text, errorOutput: outcome.errorText))
        }
        return previous(in: outcome.text)
    }

    /// What packages were before this run changed them, asked over a connection.
    static func previous(of names: [String], _ context: StepContext) async throws -> [String: KubernetesVersion] {
        let result = try await context.connection.run(RemoteCommand([functions, before], [context.run.text] + names))
        return previous(in: result.output.text)
    }

    private static func previous(in output: String) -> [String: KubernetesVersion] {
        let rows = output.split(separator: "\n").map { $0.split(separator: " ") }
        let known = rows.filter { $0.count == 3 && $0[0] == "was" }.compactMap { row in
            KubernetesVersion(row[2]).map { (String(row[1]), $0) }
        }
        return Dictionary(known) { first, _ in first }
    }

    /// The commands as a plan shows them.
    static func preview(_ names: [String], version: String, manager: KubernetesPackages.Manager) -> [String] {
        let list = names.joined(separator: " ")
        switch manager {
        case .apt:
            let pinned = names.map { "\($0)=\(version)-*" }.joined(separator: " ")
            return ["apt-mark unhold \(list)", "apt-get install \(pinned)", "apt-mark hold \(list)"]
        case .dnf:
            return ["dnf install \(names.map { "\($0)-\(version)-*" }.joined(separator: " ")) --disableexcludes=all"]
        case .zypper:
            return ["zypper install --oldpackage \(names.map { "\($0)=\(version)-*" }.joined(separator: " "))"]
        }
    }

    /// What a person is told while it runs: who is waited for, or what the package manager does.
    static func news(_ line: String) -> String? {
        guard let holder = lockHolder(in: line) else { return line.isEmpty ? nil : line }
        return "waits for the package manager's lock: \(holder)"
    }

    /// Who holds the lock, if the line is about that: `process 8486 (apt-get)`.
    private static func lockHolder(in line: some StringProtocol) -> String? {
        guard line.contains("It is held by process") || line.contains("lock was locked by") else { return nil }
        let words = line.split(separator: " ")
        let holder = words.lastIndex(of: "process").map { words[$0...].joined(separator: " ") } ?? String(line)
        return holder.trimmingSuffix("...").trimmingSuffix(".")
    }

    /// Why an installation failed, in the package manager's own words.
    static func complaint(output: String, errorOutput: String) -> String {
        let lines = (output.split(separator: "\n") + errorOutput.split(separator: "\n")).map { line in
            line.trimmingPrefix("E: ").trimmingPrefix("Error: ")
        }
        let own = errorOutput.split(separator: "\n").last.map(String.init) ?? "the installation failed"
        if let holder = lines.compactMap(lockHolder).last { return "the package manager's lock stays taken: \(holder)" }
        guard own.hasPrefix("the package manager ended with") else { return own }
        let errors = errorOutput.split(separator: "\n").filter {
            $0.hasPrefix("E: ") || $0.hasPrefix("Error") || $0.hasPrefix("dpkg: error")
        }
        guard let said = errors.last ?? output.split(separator: "\n").last else { return own }
        return String(said.trimmingPrefix("E: ").trimmingPrefix("Error: "))
    }
}

extension StringProtocol {
    fileprivate func trimmingSuffix(_ suffix: String) -> String {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) : String(self)
    }
}
