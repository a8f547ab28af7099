package import ClusterModel
package import RemoteShell
import RunEngine

/// How etcd is installed on a host, whether it runs or not: as a static pod of kubeadm, or as a systemd unit.
///
/// Sources: the manifest `etcd.yaml` (also where Rollbook parked it); `systemctl show etcd` with its command line, environment
/// and environment files; a configuration file, which makes etcd ignore everything else. Everything that a plan relies on stays
/// the same while a run takes the member down and up again.
package struct EtcdInstallation: Fact {
    package static let name = "etcd.installation"
    package let kubernetes: String

    package init(paths: ClusterPaths) { kubernetes = paths.kubernetes }

    package enum Form: String, Codable, Sendable, Hashable {
        case staticPod = "static-pod"
        case unit
        case none
    }

    package struct Value: Codable, Sendable, Hashable {
        package let form: Form
        package let name: String
        package let dataDirectory: String
        /// Empty when the write-ahead log is in the data directory.
        package let walDirectory: String
        package let peerURL: String
        package let clientURL: String
        /// The file that `--initial-cluster` comes from: manifest, environment file or configuration file.
        package let source: String
        package let version: String
        /// Why `--initial-cluster` cannot be changed where it is given; empty when it can.
        package let fixedCluster: String
        /// The manifest is kept aside, or the unit is stopped and disabled.
        package let isParked: Bool
        package let isRunning: Bool
        /// What starts it works: the kubelet for a static pod.
        package let canStart: Bool
        package let hasData: Bool
        /// The data directory is a mount point and cannot be renamed.
        package let isMountPoint: Bool
        /// So is the directory of the write-ahead log, which etcd itself renames.
        package let isLogMountPoint: Bool
        package let owner: String
        package let freeBytes: Int64
        package let dataBytes: Int64
        /// Programs found on the host that can restore a snapshot.
        package let tools: [String]
    }

    /// `$1` folder of kubernetes.
    ///
    /// Defines `form source name data wal peer client fixed`, and `running`, which succeeds while that etcd runs. A unit's flags may
    /// be written `--flag=value` or `--flag value`, and name variables of its environment.
    static let functions: StaticString = """
        kubernetes=$1; shift
        parked=/var/lib/rollbook-host/parked/etcd.yaml; form=none; source=; args=; envs=; conf=; version=
        for f in "$kubernetes/manifests/etcd.yaml" "$parked"; do
            if [ -f "$f" ]; then form=static-pod; source=$f; break; fi
        done
        if [ "$form" = static-pod ]; then
            args=$(sed -n "s/^ *- *[\\"']*\\(--[a-z-]*=\\)/\\1/p" "$source" | sed "s/[\\"' ]*\\$//; s/^\\([^=]*=\\)[\\"']/\\1/")
            version=$(sed -n 's/^ *image: *[^ ]*etcd:v*\\([^ "]*\\)"*$/\\1/p' "$source" | head -n 1)
        elif [ "$(systemctl show -p LoadState --value etcd.service 2>/dev/null)" = loaded ]; then
            form=unit; unit=$(systemctl show -p FragmentPath --value etcd.service); source=$unit
            args=$(systemctl show -p ExecStart --value etcd.service | sed -n 's/.*argv\\[\\]=\\(.*\\) ; ignore_errors.*/\\1/p' \\
                | tr ' ' '\\n' | awk '
                    /^-/ { if (flag != "") print flag; sub(/^--?/, "--"); flag = ""; if (/=/) print; else flag = $0; next }
                    flag != "" { print flag "=" $0; flag = "" }
                    END { if (flag != "") print flag }')
            envs=$(systemctl show -p Environment --value etcd.service | tr ' ' '\\n')
            for f in $(systemctl show -p EnvironmentFiles --value etcd.service | sed 's/ (ignore_errors=.*//'); do
                [ -r "$f" ] && { source=$f; envs="$envs
        $(grep -v '^[[:space:]]*#' "$f" | sed "s/=[\\"']\\(.*\\)[\\"']\\$/=\\1/")"; }
            done
        fi
        setting() {
            v=$(printf '%s\\n' "$args" | sed -n "s/^--*$1=//p" | tail -n 1)
            [ -n "$v" ] || v=$(printf '%s\\n' "$envs" | sed -n "s/^ *ETCD_$(printf %s "$1" | tr a-z- A-Z_)=//p" | tail -n 1)
            if [ -n "$conf" ]; then v=$(sed -n "s/^$1: *//p" "$conf" 2>/dev/null | tr -d "\\"'" | head -n 1); fi
            while n=${v#*'${'}; [ "$n" != "$v" ]; do
                n=${n%%'}'*}; case $n in '' | *[!A-Za-z0-9_]*) break ;; esac
                v=${v%%'${'*}$(printf '%s\\n' "$envs" | sed -n "s/^ *$n=//p" | tail -n 1)${v#*'}'}
            done
            printf '%s' "$v"
        }
        conf=$(setting config-file); [ -z "$conf" ] || [ "$form" = static-pod ] || source=$conf
        name=$(setting name); data=$(setting data-dir); wal=$(setting wal-dir)
        peer=$(setting initial-advertise-peer-urls); client=$(setting advertise-client-urls)
        [ -n "$data" ] || { [ "$form" = none ] || data=/var/lib/etcd/default.etcd; }
        data=${data%/}; wal=${wal%/}; [ ! -L "$data" ] || data=$(readlink -f -- "$data"); fixed=
        [ ! -L "$wal" ] || wal=$(readlink -f -- "$wal"); [ "$wal" != "$data/member/wal" ] || wal=
        case $form in
        static-pod)
            if [ -n "$conf" ]; then fixed="its manifest takes --initial-cluster from the file $conf"
            elif [ -z "$(setting initial-cluster)" ]; then fixed="its manifest has no --initial-cluster"; fi ;;
        unit)
            if [ -n "$conf" ]; then [ -f "$conf" ] || fixed="its configuration file $conf is not there"
            elif printf '%s\\n' "$args" | grep -Eq '^--initial-cluster(-state)?='; then
                fixed="its unit gives --initial-cluster as a flag, which nothing else overrides; move it to an environment file"
            elif [ "$source" = "$unit" ]; then fixed="its unit has no environment file for --initial-cluster"; fi ;;
        esac
        running() {
            for d in /proc/[0-9]*; do
                read -r c 2>/dev/null <"$d/comm" && [ "$c" = etcd ] || continue
                [ -n "$peer" ] || return 0
                { tr '\\0' '\\n' <"$d/cmdline"; tr '\\0' '\\n' <"$d/environ"; } 2>/dev/null | grep -qF -e "$peer" -e "${conf:-$peer}" \\
                    && return 0
            done
            return 1
        }

        """

    private static let script: StaticString = """
        say() { printf '[%s]\\n%s\\n' "$1" "$2"; }
        yes() { if "$@" >/dev/null 2>&1; then echo yes; fi; }
        say form "$form"; say name "$name"; say data "$data"; say wal "$wal"; say peer "$peer"; say client "$client"
        say source "$source"
        if [ "$form" = unit ]; then version=$(etcd --version 2>/dev/null | sed -n 's/^etcd Version: //p'); fi
        say version "$version"; say fixed "$fixed"
        case $form in
        static-pod) [ "$source" = "$parked" ] && p=yes || p=; s=$(yes systemctl is-active kubelet) ;;
        unit) p=yes; systemctl is-active -q etcd && p=; systemctl is-enabled -q etcd 2>/dev/null && p=; s=yes ;;
        *) p=; s= ;;
        esac
        say parked "$p"; say starts "$s"; say running "$(yes running)"
        d=$data; while [ -n "$d" ] && [ ! -d "$d" ]; do d=${d%/*}; done; d=${d:-/}
        say stored "$([ -z "$data" ] || yes [ -d "$data/member" ])"
        say mounted "$([ ! -d "$data" ] || { [ "$(stat -c %d "$data")" = "$(stat -c %d "$data/..")" ] || echo yes; })"
        say logmounted "$([ ! -d "$wal" ] || { [ "$(stat -c %d "$wal")" = "$(stat -c %d "$wal/..")" ] || echo yes; })"
        say owner "$(stat -c %U:%G "$d")"
        say free "$(($(stat -f -c '%a * %S' "$d")))"
        say size "$([ ! -f "$data/member/snap/db" ] || stat -c %s "$data/member/snap/db")"
        say tools "$(for t in etcdutl etcdctl; do command -v "$t"; done)"
        echo '[end]'
        """

    package var command: RemoteCommand { RemoteCommand([Self.functions, Self.script], [kubernetes]) }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        func says(_ section: String) throws -> Bool { try output.lines(section).first == "yes" }
        return Value(
            form: Form(rawValue: try output.line("form")) ?? .none,
            name: try output.line("name"),
            dataDirectory: try output.line("data"),
            walDirectory: try output.line("wal"),
            peerURL: try output.line("peer"),
            clientURL: try output.line("client"),
            source: try output.line("source"),
            version: try output.line("version"),
            fixedCluster: try output.line("fixed"),
            isParked: try says("parked"),
            isRunning: try says("running"),
            canStart: try says("starts"),
            hasData: try says("stored"),
            isMountPoint: try says("mounted"),
            isLogMountPoint: try says("logmounted"),
            owner: try output.line("owner"),
            freeBytes: Int64(try output.line("free")) ?? 0,
            dataBytes: Int64(try output.line("size")) ?? 0,
            tools: try output.lines("tools")
        )
    }

    package func bound(_ value: Value) throws -> JSONValue? {
        .object([
            "form": .string(value.form.rawValue), "name": .string(value.name),
            "dataDirectory": .string(value.dataDirectory), "walDirectory": .string(value.walDirectory),
            "peerURL": .string(value.peerURL), "isMountPoint": .bool(value.isMountPoint),
            "isLogMountPoint": .bool(value.isLogMountPoint),
        ])
    }
}
