# shellcheck shell=bash
# What runs, what is broken on purpose, and what should not be there.

command_status() {
    local left bad=0
    if [[ ! -e $LAB_STATE/inventory.yaml ]]; then
        left=$(leftovers)
        if [[ -z $left ]]; then
            printf 'lab is down, nothing is left of it\n'
            exit 3
        fi
        printf 'lab is down or was interrupted; left over:\n%s\nnext: lab down\n' "$left"
        exit 1
    fi
    status_hosts || bad=1
    status_vip || bad=1
    status_faults
    exit "$bad"
}

status_hosts() {
    local name dir bad=0
    dir=$(mktemp -d)
    for name in "${LAB_HOSTS[@]}"; do status_line "$name" >"$dir/$name" & done
    lab_etcdctl endpoint status -w json 2>/dev/null >"$dir/etcd" || true
    wait
    printf '%-8s %-13s %-11s %-8s %-5s %s\n' HOST ROLE ADDRESS STATE SSH DETAIL
    for name in "${LAB_HOSTS[@]}"; do
        cat "$dir/$name"
        grep -q ' up  *ok ' "$dir/$name" || bad=1
        ! grep -q unhealthy "$dir/$name" || bad=1
    done
    rm -rf "$dir"
    return "$bad"
}

status_line() { # NAME
    local name=$1 state ssh=- detail=
    state=$(host_state "$name")
    if [[ $state != down && $state != remains ]]; then
        if answers_ssh "$name"; then ssh=ok; else ssh=no; fi
        [[ $state == booting ]] || detail=$(host_detail "$name")
    fi
    printf '%-8s %-13s %-11s %-8s %-5s %s\n' "$name" "${LAB_ROLE[$name]}" "${LAB_ADDRESS[$name]}" "$state" "$ssh" "$detail"
}

host_state() { # NAME: down | remains (processes without the nspawn that holds them) | booting | up | degraded
    local answer
    if [[ -z $(leader_pid "$1") ]]; then
        [[ -z $(cgroup_processes "$1") ]] || { printf 'remains\n' && return; }
        printf 'down\n'
        return
    fi
    answer=$(timeout 5 "$LAB_HOME/lab" exec "$1" systemctl is-system-running 2>/dev/null || true)
    case $answer in
    running) printf 'up\n' ;;
    degraded | stopping | maintenance) printf '%s\n' "$answer" ;;
    *) printf 'booting\n' ;;
    esac
}

host_detail() { # NAME
    local name=$1 failed
    case ${LAB_ROLE[$name]} in
    master | etcd)
        if [[ $name == "$LAB_EXTERNAL_MASTER" ]]; then
            printf 'etcd on %s' "${LAB_ETCD[*]}"
        elif enter_host "$name" curl -s --max-time 3 http://127.0.0.1:2381/readyz 2>/dev/null | grep -qx ok; then
            printf 'etcd healthy'
        else
            printf 'etcd unhealthy'
        fi
        ;;
    loadbalancer)
        printf 'haproxy %s, keepalived %s' "$(enter_host "$name" systemctl is-active haproxy || true)" \
            "$(enter_host "$name" systemctl is-active keepalived || true)"
        ;;
    esac
    failed=$(enter_host "$name" systemctl --failed --plain --no-legend | awk '{ print $1 }' | paste -sd' ')
    [[ -z $failed ]] || printf ' failed: %s' "$failed"
}

status_vip() {
    local name holders=() answer
    for name in "${LAB_BALANCERS[@]}"; do
        [[ -n $(leader_pid "$name") ]] || continue
        if enter_host "$name" ip -o -4 addr show | grep -q " $LAB_VIP/"; then holders+=("$name"); fi
    done
    answer=$(vip_answer)
    printf 'VIP %s held by %s; /readyz through it: %s\n' "$LAB_VIP" "${holders[*]:-nobody}" "${answer:-no answer}"
    [[ ${#holders[@]} == 1 && $answer == ok ]]
}

status_faults() {
    local file
    for file in "$LAB_FAULTS"/*; do
        [[ -e $file ]] || { printf 'no faults set\n' && return; }
        printf 'fault: %s\n' "$(head -n1 "$file")"
    done
    printf 'mend all: lab fault heal-all\n'
}

leftovers() { # one line per thing that a lab which is down must not have
    local name pid mount base
    for name in "${LAB_HOSTS[@]}"; do
        for pid in $(nspawn_pid "$name"); do printf 'process %s (systemd-nspawn of %s)\n' "$pid" "$name"; done
    done
    for pid in $(cgroup_processes); do printf 'process %s (%s)\n' "$pid" "$(cat "/proc/$pid/comm" 2>/dev/null || true)"; done
    while read -r base; do
        [[ ! -d $base/$LAB_CGROUP ]] || printf 'cgroup %s\n' "$base/$LAB_CGROUP"
    done < <(cgroup_bases)
    for mount in $(mounts_under "$LAB_STATE"); do printf 'mount %s\n' "$mount"; done
    while read -r base; do printf 'device %s\n' "$base"; done < <(lab_devices)
    ! ip link show "$LAB_BRIDGE" >/dev/null 2>&1 || printf 'device %s\n' "$LAB_BRIDGE"
    [[ ! -e $LAB_STATE ]] || printf 'folder %s\n' "$LAB_STATE"
}
