/// The shell functions by which every etcd fact and step reaches the etcd of its host.
///
/// Nothing is guessed: process, endpoint, certificates and data directory are read from the running etcd (its command
/// line, then its environment, then its configuration file). `etcdctl` is taken from the container when the container
/// runtime knows a running etcd, else from the host. Streaming `crictl exec`, never `-s`: the sync form drops the output
/// that matters when a member is down (cri-tools 431, and recordings of a kubeadm cluster).
///
/// Defines `flag NAME`, `E ARGS…` (etcdctl on the local endpoint; `LIMIT` is its command timeout), and the variables
/// `pid name data url ca cert key via cid`. Ends with code 44 when no etcd runs, 45 when there is no etcdctl.
/// `$1` is the PKI folder of the inventory.
enum EtcdAccess {
    static let noProcess = 44
    static let noClient = 45

    static let functions: StaticString = """
        pki=$1; shift; pid=
        for d in /proc/[0-9]*; do
            if read -r c 2>/dev/null <"$d/comm" && [ "$c" = etcd ]; then pid=${d#/proc/}; break; fi
        done
        [ -n "$pid" ] || { echo "no etcd process" >&2; exit 44; }
        args=$(tr '\\0' '\\n' <"/proc/$pid/cmdline"); envs=$(tr '\\0' '\\n' <"/proc/$pid/environ")
        conf=
        flag() {
            v=$(printf '%s\\n' "$args" | sed -n "s/^--*$1=//p" | tail -n 1)
            [ -n "$v" ] || v=$(printf '%s\\n' "$args" | sed -n "/^--*$1\\$/{n;p;}" | tail -n 1)
            [ -n "$v" ] || v=$(printf '%s\\n' "$envs" | sed -n "s/^ETCD_$(printf %s "$1" | tr a-z- A-Z_)=//p")
            if [ -z "$v" ] && [ -n "$conf" ]; then v=$(awk -v key="$1" '
                /^[^ #]/ { section = $1 }
                { line = $0; sub(/^ */, "", line) }
                index(line, key ":") == 1 && section != "peer-transport-security:" {
                    sub(/^[^:]*: */, "", line); gsub(/["\\047]/, "", line); print line; exit }
                ' "/proc/$pid/root$conf" 2>/dev/null); fi
            printf '%s' "$v"
        }
        conf=$(flag config-file); name=$(flag name); data=$(flag data-dir); urls=$(flag listen-client-urls)
        ca=$(flag trusted-ca-file); cert=$(flag cert-file); key=$(flag key-file)
        url=$(printf '%s\\n' "$urls" | tr , '\\n' | grep -F '//127.0.0.1:' | head -n 1)
        [ -n "$url" ] || url=$(printf '%s\\n' "$urls" | tr , '\\n' | head -n 1 | sed 's#//0\\.0\\.0\\.0:#//127.0.0.1:#; s#//\\[::\\]:#//127.0.0.1:#')
        [ -n "$url" ] || url=http://127.0.0.1:2379
        for p in "${ca%/*}/healthcheck-client" "$pki/etcd/healthcheck-client" "$pki/apiserver-etcd-client"; do
            if [ -n "$ca" ] && [ -r "$p.crt" ] && [ -r "$p.key" ]; then cert=$p.crt; key=$p.key; break; fi
        done
        cid=; if command -v crictl >/dev/null 2>&1; then
            cid=$(crictl ps --name '^etcd$' --state running -q 2>/dev/null | head -n 1); fi
        if [ -n "$cid" ]; then via=container; elif command -v etcdctl >/dev/null 2>&1; then via=host
        else echo "neither a running etcd container nor etcdctl on the host" >&2; exit 45; fi
        LIMIT=5s
        E() {
            set -- etcdctl --endpoints="$url" --dial-timeout=3s --command-timeout="$LIMIT" \\
                ${ca:+--cacert="$ca"} ${ca:+--cert="$cert"} ${ca:+--key="$key"} "$@"
            if [ "$via" = container ]; then crictl exec "$cid" "$@"; else ETCDCTL_API=3 "$@"; fi
        }

        """
}
