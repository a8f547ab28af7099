# shellcheck shell=bash
# The life of one host: an overlay over the cached root, systemd-nspawn on it, a cgroup of its own, and how to enter and end it.

host_dir() { printf '%s/%s\n' "$LAB_RUNTIME" "$1"; }

mount_host() { # NAME
    local dir lower
    dir=$(host_dir "$1")
    lower=$(cat "$LAB_STATE/lower")
    mkdir -p "$dir"/{upper,work,root,etcd}
    chmod 0700 "$dir/etcd"
    mountpoint -q "$dir/root" && return 0
    [[ -d $lower ]] || fail "the root that the hosts were made on is gone" "$lower" "lab down && lab up"
    mount -t overlay "overlay-$LAB_PREFIX$1" -o "lowerdir=$lower,upperdir=$dir/upper,workdir=$dir/work" "$dir/root" ||
        fail "the overlay of $1 could not be mounted" "$dir (its file system must be able to be an overlay's upper layer)" \
            "ROLLBOOK_LAB_STATE=/a/folder/on/ext4 lab up"
}

# The cgroup hierarchies that systemd inside a host uses; every host gets a group of its own in them, which also makes its processes
# findable whatever became of their parents.
cgroup_bases() {
    awk '$3 == "cgroup2" { print $2 } $3 == "cgroup" && $4 ~ /name=systemd/ { print $2 }' /proc/mounts
}

join_cgroup() { # NAME: the calling process
    local base
    while read -r base; do
        mkdir -p "$base/$LAB_CGROUP/$1"
        printf '%s\n' "$BASHPID" >"$base/$LAB_CGROUP/$1/cgroup.procs"
    done < <(cgroup_bases)
}

cgroup_processes() { # [NAME]: every process of a host, or of the lab
    local base
    while read -r base; do
        [[ -d $base/$LAB_CGROUP/${1-} ]] || continue
        find "$base/$LAB_CGROUP/${1-}" -name cgroup.procs -exec cat {} + 2>/dev/null || true
    done < <(cgroup_bases) | { grep -vx 0 || true; } | sort -un
}

remove_cgroups() { # [NAME]
    local base
    while read -r base; do
        [[ -d $base/$LAB_CGROUP/${1-} ]] || continue
        find "$base/$LAB_CGROUP/${1-}" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done < <(cgroup_bases)
}

nspawn_pid() { # NAME: nothing when the host is off. Looked up in the process table, so no pid file can be stale
    local pid argument
    for pid in $(pgrep -x systemd-nspawn); do
        while IFS= read -r -d '' argument; do
            if [[ $argument == "--directory=$(host_dir "$1")/root" ]]; then
                printf '%s\n' "$pid"
                return 0
            fi
        done 2>/dev/null <"/proc/$pid/cmdline" || true # it may end meanwhile
    done
}

leader_pid() { # NAME: the host's own systemd
    local nspawn
    nspawn=$(nspawn_pid "$1")
    [[ -n $nspawn ]] || return 0
    pgrep -P "$nspawn" -x systemd | head -n1 || true
}

start_host() { # NAME
    local name=$1 dir bind=() fd
    [[ -z $(nspawn_pid "$name") ]] || return 0
    kill_host "$name" # what is left when only nspawn was killed
    mount_host "$name"
    dir=$(host_dir "$name")
    # An overlay cannot be the upper layer of another, and etcd's data must not live on one: it is a directory of this machine.
    [[ ${LAB_ROLE[$name]} != master && ${LAB_ROLE[$name]} != etcd ]] || bind=(--bind="$dir/etcd:/var/lib/etcd")
    # nspawn with --keep-unit ends with 133 when the host wants to reboot, for somebody else to start it again: that is the loop.
    (
        # Nothing that the caller holds open (the lab's lock, a lock of its own) may live on in a host.
        for fd in /proc/"$BASHPID"/fd/*; do
            fd=${fd##*/}
            ((fd < 3 || fd == 255)) || eval "exec $fd>&-"
        done
        join_cgroup "$name"
        # shellcheck disable=SC2016 # expanded by the inner shell
        exec setsid bash -c 'until "$@" || (($? != 133)); do :; done' "lab-host-$name" systemd-nspawn --quiet --register=no --keep-unit --boot --directory="$dir/root" \
            --machine="$LAB_PREFIX$name" --hostname="$name" --network-bridge="$LAB_BRIDGE" --link-journal=no --resolv-conf=off \
            --timezone=off --console=read-only --system-call-filter="@swap @module" "${bind[@]}" \
            -- --log-target=journal --show-status=no >>"$dir/console.log" 2>&1 </dev/null
    ) &
    disown
}

start_hosts() {
    local name
    for name in "${LAB_HOSTS[@]}"; do
        [[ -n $(nspawn_pid "$name") ]] || forget_volatile_faults "$name"
        start_host "$name"
    done
    on_all_hosts wait_for_leader
}

wait_for_leader() { # NAME
    local deadline=$((SECONDS + 20))
    until [[ -n $(leader_pid "$1") ]]; do
        ((SECONDS < deadline)) || fail "$1 did not start: $(tail -n1 "$(host_dir "$1")/console.log")" "$(host_dir "$1")/console.log" "lab up"
        sleep 0.1
    done
}

# As if the power went: nothing inside is told. Everything in the host's cgroup is killed, for a host outlives its nspawn.
kill_host() { # NAME
    local left tries
    for ((tries = 0; tries < 100; tries++)); do
        left=$(nspawn_pid "$1" && cgroup_processes "$1")
        [[ -n $left ]] || break
        # shellcheck disable=SC2086 # a list of process ids
        kill -KILL $left 2>/dev/null || true
        sleep 0.1
    done
    [[ -z $left ]] || fail "processes of $1 do not end" "${left//$'\n'/ }" "lab down"
    remove_cgroups "$1"
    ip link del "$(host_device "$1")" 2>/dev/null || true
    # What nspawn removes itself when it ends in peace.
    rm -rf --one-file-system "/run/systemd/nspawn/propagate/$LAB_PREFIX$1"
    rm -f "/run/systemd/nspawn/locks/inode-$(stat -c %d:%i "$(host_dir "$1")/root" 2>/dev/null || true)"
}

stop_hosts() {
    on_all_hosts kill_host
    remove_cgroups
}

enter_host() { # NAME COMMAND…: as root, without the network
    local leader
    leader=$(leader_pid "$1")
    [[ -n $leader ]] || fail "$1 is off" "no systemd of it runs" "lab fault power on $1"
    shift
    nsenter --target "$leader" --mount --uts --ipc --net --pid --root --wd -- \
        /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TERM="${TERM:-dumb}" "$@"
}

command_exec() { # HOST COMMAND…
    known_host "${1-}"
    (($# > 1)) || fail "no command given" "lab exec $1" "lab exec $1 systemctl --failed"
    enter_host "$@" || exit $?
}

# Deletes the state folder only if it is one: the marker is written first of all.
remove_state() {
    local mount
    [[ -e $LAB_STATE ]] || return 0
    while read -r mount; do umount -l "$mount"; done < <(mounts_under "$LAB_STATE")
    [[ -e $LAB_STATE/.rollbook-lab ]] || return 0
    discard_tree "$LAB_STATE"
}
