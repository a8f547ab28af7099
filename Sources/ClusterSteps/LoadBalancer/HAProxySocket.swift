import RemoteShell

/// The shell functions by which every fact and step reaches HAProxy's runtime API on its host.
///
/// The socket is the first `stats socket` with level admin in the files that the running HAProxy was started with. The client is
/// whatever is there; perl's is in every Debian and Ubuntu (package perl-base). Answers are text: the API has no exit codes.
/// Source: HAProxy's management guide, section 9.3.
///
/// Defines `ask COMMAND` (ends within 3 s) and the variables `problem` (a word, empty when it can be asked), `socket`, `client`
/// and `workers` (processes below the master; more than one after a reload, while old connections last). `$1` is the path of the
/// configuration.
enum HAProxySocket {
    /// The functions; `held` is where notes on servers that a run took out of service are kept, as `BACKEND,SERVER`.
    static let functions: StaticString = """
        config=$1; shift; held=/var/lib/rollbook-host/held; problem=; socket=; client=; files=; pids=; workers=0; boxed=
        export LC_ALL=C
        for d in /proc/[0-9]*; do
            if read -r c 2>/dev/null <"$d/comm" && [ "$c" = haproxy ]; then
                # One in a container has files and a socket of its own there.
                if [ "$(readlink "$d/ns/pid")" != "$(readlink /proc/self/ns/pid)" ]; then boxed=yes; continue; fi
                pids="$pids ${d##*/}"
                [ -n "$files" ] || files=$(tr '\\0' '\\n' 2>/dev/null <"$d/cmdline" | sed -n '/^-f$/{n;p;}')
            fi
        done
        for p in $pids; do
            parent=$(sed -n 's/.*) [^ ]* \\([0-9]*\\) .*/\\1/p' "/proc/$p/stat" 2>/dev/null)
            case "$pids " in *" $parent "*) workers=$((workers + 1)) ;; esac
        done
        [ -n "$files" ] || files=$config
        sockets=$(for place in $files; do
            [ ! -d "$place" ] || place="$place/*.cfg"
            for file in $place; do
                sed -n 's/^[[:space:]]*stats[[:space:]][[:space:]]*socket[[:space:]][[:space:]]*\\([^#]*\\).*/\\1/p' "$file" 2>/dev/null
            done
        done | tr -d '"')
        socket=$(printf '%s\\n' "$sockets" | grep -E '[[:space:]]level[[:space:]]+admin([[:space:]]|$)' \\
            | sed -n 's#^\\(unix@\\)*\\(/[^[:space:]]*\\).*#\\2#p' | head -n 1)
        if command -v socat >/dev/null 2>&1; then client=socat
        elif perl -MSocket -e 1 >/dev/null 2>&1; then client=perl
        elif python3 -c 'import socket' >/dev/null 2>&1; then client=python3
        elif [ -x /usr/libexec/platform-python ]; then client=/usr/libexec/platform-python
        elif nc -h 2>&1 | grep -q -e '-U'; then client=nc
        fi
        if [ -z "$pids" ]; then
            problem=stopped
            if ! command -v haproxy >/dev/null 2>&1; then
                problem=absent; ! command -v nginx >/dev/null 2>&1 || problem=nginx
            fi
            [ -z "$boxed" ] || problem=container
        elif [ -z "$sockets" ]; then problem=socket
        elif [ -z "$socket" ]; then problem=level
        elif [ ! -e "$socket" ]; then problem=gone
        elif [ -z "$client" ]; then problem=client
        fi
        ask() {
            case $client in
            socat) printf '%s\\n' "$1" | timeout 3 socat -t3 - "UNIX-CONNECT:$socket" ;;
            nc) printf '%s\\n' "$1" | timeout 3 nc -U "$socket" ;;
            perl) timeout 3 perl -MSocket -e '
                socket(S, AF_UNIX, SOCK_STREAM, 0) && connect(S, pack_sockaddr_un($ARGV[0])) or die "$!\\n";
                syswrite(S, "$ARGV[1]\\n") or die "$!\\n";
                while (sysread(S, $part, 65536)) { print $part }' "$socket" "$1" ;;
            *) timeout 3 "$client" -c 'import socket, sys
        link = socket.socket(socket.AF_UNIX)
        link.connect(sys.argv[1])
        link.sendall((sys.argv[2] + "\\n").encode())
        while True:
            part = link.recv(65536)
            if not part: break
            sys.stdout.buffer.write(part)' "$socket" "$1" ;;
            esac
        }

        """

    /// Sends one command and prints the answer; ends with 1 when there is none.
    private static let say: StaticString = """
        [ -z "$problem" ] || { echo "HAProxy cannot be asked: $problem" >&2; exit 1; }
        ask "$1"

        """

    /// Notes who did it, then takes a server out of service; `$1` `BACKEND/SERVER`, `$2` the run, `$3` `drain` or `maint`.
    private static let hold: StaticString = """
        [ -z "$problem" ] || { echo "HAProxy cannot be asked: $problem" >&2; exit 1; }
        mark=$held/$(printf %s "$1" | tr / ,)
        mkdir -p "$held" && printf '%s\\n' "$2" >"$mark.new" && sync "$mark.new" && mv -T -- "$mark.new" "$mark" || exit 1
        said=$(ask "set server $1 state $3") || exit 1
        [ -z "$said" ] || rm -f -- "$mark"
        printf '%s\\n' "$said"

        """

    /// Puts a server back into service, and removes the note only then; `$1` `BACKEND/SERVER`.
    private static let release: StaticString = """
        [ -z "$problem" ] || { echo "HAProxy cannot be asked: $problem" >&2; exit 1; }
        said=$(ask "set server $1 state ready") || exit 1
        [ -n "$said" ] || rm -f -- "$held/$(printf %s "$1" | tr / ,)"
        printf '%s\\n' "$said"

        """

    /// Takes a server out of service, with a note of which run did it.
    static func hold(
        _ server: HAProxyServers.Server,
        as state: ServerAway,
        run: String,
        _ config: String
    ) -> RemoteCommand {
        RemoteCommand([functions, hold], [config, server.path, run, state.rawValue])
    }

    /// Puts a server back into service; a note that a reload made untrue goes the same way.
    static func release(_ server: HAProxyServers.Server, _ config: String) -> RemoteCommand {
        RemoteCommand([functions, release], [config, server.path])
    }

    /// Ends the connections through a server: watches never end by themselves.
    static func cutSessions(_ server: HAProxyServers.Server, _ config: String) -> RemoteCommand {
        RemoteCommand([functions, say], [config, "shutdown sessions server \(server.path)"])
    }
}

/// How a server is taken out of service.
///
/// In drain its checks go on; in maintenance it counts as down.
enum ServerAway: String, Sendable, Hashable, Codable { case drain, maint }
