package import ClusterModel
package import RemoteShell
import RunEngine

/// Programs, units, configurations and their own checks on a load balancer.
///
/// Passwords do not leave the host: of VRRP's a digest of 16 bits comes, enough to see that two differ. HAProxy's files are those
/// that the running one was started with, else those of its unit.
package struct LoadBalancerState: Fact {
    package static let name = "host.load-balancer"

    private let paths: [String]

    package init(_ paths: ClusterPaths) { self.paths = [paths.haproxy, paths.keepalived, paths.nginx] }

    package enum Program: String, Codable, Sendable, Hashable, CaseIterable { case haproxy, keepalived, nginx }

    /// What a program says of its own configuration.
    package struct Verdict: Codable, Sendable, Hashable {
        package let exitCode: Int
        package let said: [String]
    }

    package struct Unit: Codable, Sendable, Hashable {
        package let program: Program
        package let isInstalled: Bool
        /// It has a configuration that is not empty.
        package let isConfigured: Bool
        package let state: UnitState
        /// nil when there was nothing to check.
        package let verdict: Verdict?
    }

    package struct Value: Codable, Sendable, Hashable {
        package let units: [Unit]
        /// `-f FILE …`, as HAProxy is started with.
        package let haproxyOptions: String
        package let backends: HAProxyBackends
        package let vrrp: KeepalivedConfiguration
        /// Whether a program may bind an address that the host does not have.
        package let bindsForeignAddresses: Bool

        package subscript(_ program: Program) -> Unit? { units.first { $0.program == program } }
    }

    /// The programs' own checks are bounded one by one: HAProxy looks every server's name up, for 20 s if nobody answers.
    package var command: RemoteCommand {
        RemoteCommand(
            """
            export LC_ALL=C
            me=$(uname -n)
            me=${me%%.*}
            say() {
                echo "[$1]"
                said=$(timeout "$2" "$1" $3 2>&1 </dev/null)
                echo "$?"
                printf '%s\\n' "$said" | tail -n 20 | sed 's/^/| /'
            }
            show() (
                [ -r "$1" ] && [ "$2" -lt 6 ] && cd "$(dirname "$1")" || exit 0
                while read -r line || [ -n "$line" ]; do
                    case $line in
                    "@^$me "*) continue ;;
                    "@$me "* | "@^"*) line=${line#* } ;;
                    @*) continue ;;
                    esac
                    word=${line%%[[:space:]]*}
                    rest=${line#"$word"}
                    case $word in
                    include | include[rmwba]*) for file in $rest; do show "$file" $(($2 + 1)); done ;;
                    auth_pass)
                        set -- "$1" "$2" $rest
                        echo "auth_digest $(printf %.8s "$3" | sha256sum | cut -c1-4)"
                        ;;
                    [#!]*) ;;
                    *) case $line in *[Pp]ass*word* | *auth_pass*) ;; *) printf '%s\\n' "$line" ;; esac ;;
                    esac
                done <"$(basename "$1")"
            )
            echo '[installed]'
            for program in haproxy keepalived nginx; do command -v "$program" >/dev/null 2>&1 && echo "$program"; done
            echo '[configured]'
            [ -s "$1" ] && echo haproxy
            [ -s "$2" ] && echo keepalived
            [ -s "$3" ] && echo nginx
            echo '[units]'
            for unit in haproxy keepalived nginx; do
                active=$(systemctl is-active "$unit" 2>/dev/null)
                enabled=$(systemctl is-enabled "$unit" 2>/dev/null)
                echo "$unit ${active:-none} ${enabled:-none}"
            done
            files=
            for process in /proc/[0-9]*; do
                if read -r name 2>/dev/null <"$process/comm" && [ "$name" = haproxy ]; then
                    files=$(tr '\\0' '\\n' <"$process/cmdline" | sed -n '/^-f$/{n;p;}')
                    # One in a container has files of its own there.
                    for file in $files; do [ -e "$file" ] || files=; done
                    [ -z "$files" ] || break
                fi
            done
            if [ -z "$files" ] && [ -s "$1" ]; then
                set -f
                settings=$({ systemctl show haproxy -p Environment --value; cat /etc/default/haproxy /etc/sysconfig/haproxy; } 2>/dev/null |
                    grep -v '^#' | tr ' "'"'" '\\n\\n\\n')
                for file in $(printf '%s\\n' "$settings" | sed -n '/-f$/{n;p;}') $(printf '%s\\n' "$settings" | sed -n 's/^CFGDIR=//p'); do
                    [ "$file" = "$1" ] || files="$files $file"
                done
                set +f
                files="$1 $files"
            fi
            options=
            for file in $files; do [ -e "$file" ] && options="$options -f $file"; done
            echo '[haproxy-options]'
            echo "$options"
            [ -n "$options" ] && command -v haproxy >/dev/null 2>&1 && say haproxy 4 "-c $options"
            [ -s "$2" ] && command -v keepalived >/dev/null 2>&1 && say keepalived 3 "-t -f $2"
            [ -s "$3" ] && command -v nginx >/dev/null 2>&1 && say nginx 2 "-t -c $3"
            echo '[backends]'
            for place in $files; do
                [ ! -d "$place" ] || place="$place/*.cfg"
                for file in $place; do
                    grep -hE '^[[:space:]]*(frontend|backend|listen|defaults|global|bind|server|default-server|server-template|default_backend|use_backend)([[:space:]]|$)' "$file" 2>/dev/null
                done
            done | head -n 2000
            echo '[nonlocal]'
            cat /proc/sys/net/ipv4/ip_nonlocal_bind 2>/dev/null
            echo '[vrrp]'
            show "$2" 0 | head -n 2000
            echo '[end]'
            """,
            paths
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        let installed = try output.lines("installed")
        let configured = try output.lines("configured")
        let states = try output.rows("units")
        return Value(
            units: Program.allCases.map { program in
                let name = program.rawValue
                return Unit(
                    program: program,
                    isInstalled: installed.contains(name),
                    isConfigured: configured.contains(name),
                    state: UnitState(states.first { $0.first == name } ?? []),
                    verdict: Self.verdict(try? output.lines(name))
                )
            },
            haproxyOptions: try output.rows("haproxy-options").first?.joined(separator: " ") ?? "",
            backends: HAProxyBackends(try output.lines("backends")),
            vrrp: KeepalivedConfiguration(try output.lines("vrrp")),
            bindsForeignAddresses: try output.line("nonlocal") == "1"
        )
    }

    /// An exit code, and lines behind `| `.
    private static func verdict(_ lines: [String]?) -> Verdict? {
        guard let lines, let code = lines.first.flatMap({ Int($0) }) else { return nil }
        let said = lines.dropFirst().map { String($0.dropFirst(2)) }.filter { !$0.isEmpty }
        return Verdict(exitCode: code, said: said)
    }

    /// Nothing is ever changed because of it.
    package func bound(_ value: Value) throws -> JSONValue? { nil }
}
