/// Scripts around `kubeadm upgrade` on its own host.
enum KubeadmScript {
    /// `$1` kubeadm's folder; taken off the arguments where a script has its own.
    static let functions: StaticString = """
        kubernetes=$1; manifests=$kubernetes/manifests; tmp=$kubernetes/tmp; begun="/var/lib/rollbook-host/kubeadm/begun"
        components='etcd kube-apiserver kube-controller-manager kube-scheduler'
        backup_of() {
            old=; for f in "$tmp"/kubeadm-backup-manifests-*/"$1.yaml"; do if [ -f "$f" ]; then old=$f; fi; done; echo "$old"
        }
        upgrading() {
            for d in "/proc/"[0-9]*; do
                if read -r c 2>/dev/null <"$d/comm" && [ "$c" = kubeadm ] && tr '\\0' ' ' <"$d/cmdline" 2>/dev/null | grep -q ' upgrade '; then
                    echo "${d##*/}"; return 0
                fi
            done
            return 1
        }

        """

    /// `$1` kubeadm's folder, `$2` version, `$3` master or worker, `$4` etcd's data where it is a static pod, `$5` API servers in the
    /// order to ask them, `$6` run, then kubeadm's own flags.
    ///
    /// From any point that an earlier run was cut off at it goes on to the same end: what that run left is put in order first
    /// (kubeadm takes manifests that are equal for done without looking whether they run, and cannot go on when one is missing).
    static let upgrade: StaticString = """
        version=$2; role=$3; data=$4; servers=$5; run=$6; shift 6
        fail() { printf '%s\\n' "$1" >&2; exit 1; }
        say() { [ ! -d "$ROLLBOOK_OPERATION" ] || printf '%s\\n' "$1" >"$ROLLBOOK_OPERATION/said"; }
        logs="/var/lib/rollbook-host/logs"; log=$logs/kubeadm-upgrade-$run.log
        (umask 077; mkdir -p "$logs" "${begun%/*}") || exit 1
        [ "$(kubeadm version -o short)" = "v$version" ] || fail "kubeadm is $(kubeadm version -o short), not v$version"
        conf=$kubernetes/admin.conf; [ "$role" = master ] || conf=$kubernetes/kubelet.conf
        i=0; while p=$(upgrading); do
            i=$((i + 1)); [ "$i" -lt 300 ] || fail "a kubeadm upgrade that somebody else began still runs after 25 min (process $p)"
            say "waits for a kubeadm upgrade that somebody else began (process $p)"; sleep 5
        done
        api() {
            for s in $servers; do
                timeout 20 kubectl --kubeconfig "$conf" --server "$s" --request-timeout=10s --cache-dir=/dev/null/none \\
                    -n kube-system get "$@" 2>"$log.api" && return 0
            done
            [ "$role" = worker ] && timeout 20 kubectl --kubeconfig "$conf" --request-timeout=10s --cache-dir=/dev/null/none \\
                -n kube-system get "$@" 2>"$log.api"
        }
        again=; [ ! -e "$begun" ] || again=yes
        for d in "$tmp"/kubeadm-upgraded-manifests*; do
            [ -d "$d" ] || continue
            again=yes; mv -T -- "$d" "$tmp/rollbook-set-aside-$(date +%s)-${d##*manifests}" || fail "$d cannot be moved away"
            echo "set aside what a run of kubeadm left: $d"
        done
        if [ "$role" = master ]; then
            pods=; for c in $components; do
                [ "$c" != etcd ] || [ -n "$data" ] || continue
                pods="$pods $c"
                [ -f "$manifests/$c.yaml" ] || [ ! -f "/var/lib/rollbook-host/parked/$c.yaml" ] ||
                    fail "$c is parked: $manifests/$c.yaml is kept in /var/lib/rollbook-host/parked"
                if [ ! -f "$manifests/$c.yaml" ]; then
                    old=$(backup_of "$c"); [ -n "$old" ] || fail "$manifests/$c.yaml is not there, and kubeadm kept no copy of it"
                    new=$manifests/.rollbook-$c.yaml
                    cp -p -- "$old" "$new" && sync "$new" && mv -T -- "$new" "$manifests/$c.yaml" && sync "$manifests" \\
                        || fail "$c.yaml cannot be put back"
                    again=yes; echo "put back $manifests/$c.yaml from $old"
                fi
                grep -q "image:.*$c:v$version\\$" "$manifests/$c.yaml" && again=yes
            done
        fi
        settled() {
            for c in $pods; do
                # etcd as a process of the host, beside the container runtime, is no pod of it; what is asked of it comes after.
                if [ "$c" = etcd ] && any=$(crictl pods -q --namespace kube-system --label component=etcd 2>/dev/null) &&
                    [ -z "$any" ] && pgrep -x etcd >/dev/null; then continue; fi
                pod=$(crictl pods --namespace kube-system --label "component=$c" --state ready -o json 2>/dev/null)
                said() { printf '%s\\n' "$pod" | sed -n "s|.*\\"$1\\": \\"\\([^\\"]*\\)\\".*|\\1|p"; }
                hash=$(said kubernetes.io/config.hash)
                case $hash in '') lacks="$c does not run"; return 1 ;; *[!0-9a-f]*) lacks="$c runs twice"; return 1 ;; esac
                name=$(said io.kubernetes.pod.name)
                [ -n "$(crictl ps -q --state running --label "io.kubernetes.pod.name=$name" 2>/dev/null)" ] ||
                    { lacks="$c has no running container"; return 1; }
                has=$(api pod "$name" -o 'jsonpath={.metadata.annotations.kubernetes\\.io/config\\.hash}') ||
                    { lacks="no API server tells of $name"; return 1; }
                [ "$has" = "$hash" ] || { lacks="the API still has another $name than the one that runs"; return 1; }
            done
        }
        if [ "$role" = master ] && [ -n "$again" ] && command -v crictl >/dev/null 2>&1; then
            i=0; good=0; while [ "$good" -lt 2 ]; do
                if settled; then good=$((good + 1)); else good=0; say "waits for static pods to settle: $lacks"; fi
                i=$((i + 1)); [ "$i" -lt 60 ] || fail "the static pods have not settled within 5 min: $lacks"
                [ "$good" -ge 2 ] || sleep 5
            done
        fi
        keep_newest() { ls -1dt "$tmp/$1"* 2>/dev/null | tail -n +3 | while IFS= read -r d; do rm -rf -- "$d"; done; }
        free() { df -Pk "$kubernetes" | awk 'NR == 2 { print $4 }'; }
        if [ "$role" = master ]; then
            size=; [ -z "$data" ] || size=$(du -sk "$data" 2>/dev/null | cut -f1); need=$((1048576 + 2 * ${size:-0}))
            [ "$(free)" -ge "$need" ] || keep_newest kubeadm-backup-etcd-
            [ "$(free)" -ge "$need" ] || fail "kubeadm copies etcd's data to $tmp: $((need / 1024)) MiB have to be free, there are $(($(free) / 1024))"
        fi
        known=
        if [ "$role" = master ] || command -v kubectl >/dev/null 2>&1; then
            known=$(api configmap kubeadm-config -o 'jsonpath={.data.ClusterConfiguration}') || [ "$role" = worker ] ||
                fail "ConfigMap kubeadm-config cannot be read: $(tail -n 1 "$log.api" 2>/dev/null)"
            known=$(printf '%s\\n' "$known" | sed -n 's/^kubernetesVersion: *//p' | tr -d "\\"'"); rm -f "$log.api"
        fi
        case $role in
        master)
            if [ "$known" = "v$version" ]; then set -- upgrade node "$@"; else set -- upgrade apply "v$version" --yes "$@"; fi ;;
        worker)
            [ -z "$known" ] || [ "$known" = "v$version" ] || fail "the cluster is at $known by ConfigMap kubeadm-config; its masters come first"
            set -- upgrade node "$@" ;;
        esac
        printf '%s\\n' "$version" >"$begun.new" && sync "$begun.new" && mv -fT "$begun.new" "$begun" && sync "${begun%/*}" || exit 1
        (umask 077; printf '%s kubeadm %s\\n' "$(date -u +%FT%TZ)" "$*" >>"$log")
        [ ! -d "$ROLLBOOK_OPERATION" ] || ln -sfn -- "$log" "$ROLLBOOK_OPERATION/said"
        KUBECONFIG=$conf kubeadm "$@" >>"$log" 2>&1; code=$?
        sync "$log"
        [ "$code" = 0 ] || { tail -n 60 "$log" >&2; exit 1; }
        if [ "$role" = master ]; then
            for c in kube-apiserver kube-controller-manager kube-scheduler; do
                grep -Eq "image:.*[:]v$version[\\"']?(@.*)?\\$" "$manifests/$c.yaml" ||
                    fail "kubeadm ended with 0, but $c.yaml has$(sed -n 's/^ *image: */ /p' "$manifests/$c.yaml" | head -n 1)"
            done
        fi
        rm -f "$begun"; sync "${begun%/*}"
        for k in kubeadm-backup-etcd- kubeadm-backup-manifests- kubeadm-kubelet-config kubeadm-kubelet-env rollbook-set-aside-; do
            keep_newest "$k"
        done
        echo "command kubeadm $*"
        """
}
