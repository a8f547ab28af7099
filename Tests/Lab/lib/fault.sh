# shellcheck shell=bash
# Breaks things on purpose. Every fault is written down before it is set, with the call that mends it, so that `heal-all` mends what an
# interrupted command left, too.

fault_usage() {
    cat <<'TEXT'
usage: lab fault …                                   mended by
  service stop HOST UNIT                             service start HOST UNIT
  service kill HOST UNIT      SIGKILL to all of it   service start HOST UNIT (or its own Restart=)
  service freeze HOST UNIT    SIGSTOP to all of it   service thaw HOST UNIT
  sshd stop HOST                                     sshd start HOST
  network cut HOST            its cable is out       network heal HOST
  network slow HOST RATE      both ways, as 256kbit  network heal HOST
  network loss HOST PERCENT   both ways, at random   network heal HOST
  network block HOST PEER     no packet between two  network heal HOST
  disk fill HOST PATH SIZE    a full disk of SIZE    disk heal HOST     an empty file system is mounted on PATH; what was
  disk small HOST PATH SIZE   an empty one of SIZE   disk heal HOST     there is hidden until it is mended
  hostkey flip HOST           new ssh host keys      hostkey heal HOST
  kubeadm stop HOST PHASE     it waits in a phase    kubeadm heal HOST  phases: head of standins/kubeadm, e.g. wait:kube-apiserver
  kubeadm fail HOST PHASE     it fails in a phase    kubeadm heal HOST
  power off HOST              as if the power went   power on HOST
  list                        the faults that are set
  heal-all                    mends everything
TEXT
}

command_fault() {
    local kind=${1-} action=${2-} host=${3-}
    case $kind in
    '' | help) fault_usage && return ;;
    list) status_faults && return ;;
    esac
    [[ -e $LAB_STATE/inventory.yaml ]] || fail "the lab is down" "$LAB_STATE" "lab up"
    take_lock
    if [[ $kind == heal-all ]]; then
        heal_all
        return
    fi
    declare -F "fault_${kind}_$action" >/dev/null || fail "no such fault: $kind $action" "lab fault $*" "lab fault help"
    known_host "$host"
    shift 2
    "fault_${kind}_$action" "$@"
}

record_fault() { # KEY TEXT HEAL-FUNCTION ARGUMENT…
    local key=$1 text=$2
    shift 2
    printf '%s\n%s\n' "$text" "${*@Q}" >"$LAB_FAULTS/$key.new"
    mv -T "$LAB_FAULTS/$key.new" "$LAB_FAULTS/$key"
    note "$text"
}

forget_faults() { # KEY-PREFIX
    rm -f "$LAB_FAULTS/$1" "$LAB_FAULTS/$1".*
}

forget_volatile_faults() { # HOST: what was set in the memory of a host that is off is gone with it
    forget_faults "network.$1"
    forget_faults "disk.$1"
    forget_faults "service.$1"
    forget_faults "kubeadm.$1"
}

heal_all() {
    local file heal
    rm -f "$LAB_FAULTS"/*.new
    # Power first: what is off cannot be mended otherwise.
    for file in "$LAB_FAULTS"/power.* "$LAB_FAULTS"/*; do
        [[ -e $file ]] || continue
        note "mending: $(head -n1 "$file")"
        heal=$(sed -n 2p "$file")
        eval "$heal" # written by record_fault, quoted by the shell itself
        rm -f "$file"
    done
}

need() { # VALUE WHAT
    [[ -n ${1-} ]] || fail "missing: $2" "lab fault" "lab fault help"
}

fault_service_stop() { # HOST UNIT
    need "${2-}" "the unit, such as etcd"
    record_fault "service.$1.$2" "$2 stopped on $1" fault_service_start "$1" "$2"
    enter_host "$1" systemctl stop "$2"
}
fault_service_kill() { # HOST UNIT
    need "${2-}" "the unit, such as etcd"
    record_fault "service.$1.$2" "$2 killed on $1" fault_service_start "$1" "$2"
    enter_host "$1" systemctl kill --signal=KILL "$2"
}
fault_service_freeze() { # HOST UNIT
    need "${2-}" "the unit, such as etcd"
    record_fault "service.$1.$2" "$2 frozen on $1" fault_service_thaw "$1" "$2"
    enter_host "$1" systemctl kill --signal=STOP "$2"
}
fault_service_thaw() { # HOST UNIT
    need "${2-}" "the unit, such as etcd"
    enter_host "$1" systemctl kill --signal=CONT "$2"
    forget_faults "service.$1.$2"
}
fault_service_start() { # HOST UNIT
    need "${2-}" "the unit, such as etcd"
    # A unit that was killed more often than its start limit allows has to be forgiven first.
    enter_host "$1" systemctl reset-failed "$2" 2>/dev/null || true
    enter_host "$1" systemctl start "$2"
    forget_faults "service.$1.$2"
}
fault_sshd_stop() { fault_service_stop "$1" ssh; }
fault_sshd_start() { fault_service_start "$1" ssh; }

in_host_network() { # HOST COMMAND…: this machine's programs in the host's network
    local leader
    leader=$(leader_pid "$1")
    [[ -n $leader ]] || fail "$1 is off" "no systemd of it runs" "lab fault power on $1"
    shift
    nsenter --target "$leader" --net -- "$@"
}

fault_network_cut() { # HOST
    record_fault "network.$1.cut" "network of $1 cut" fault_network_heal "$1"
    ip link set "$(host_device "$1")" down
}
fault_network_slow() { # HOST RATE
    need "${2-}" "the rate, such as 256kbit"
    record_fault "network.$1.slow" "network of $1 slowed to $2" fault_network_heal "$1"
    tc qdisc replace dev "$(host_device "$1")" root tbf rate "$2" burst 16kb latency 400ms
    in_host_network "$1" tc qdisc replace dev host0 root tbf rate "$2" burst 16kb latency 400ms
}
fault_network_loss() { # HOST PERCENT
    [[ ${2-} =~ ^([0-9]|[1-9][0-9]|100)$ ]] || fail "the loss is a whole number of percent" "'${2-}'" "lab fault network loss $1 20"
    record_fault "network.$1.loss" "network of $1 loses $2 % of packets each way" fault_network_heal "$1"
    drop_packets "$1" loss "meta iif != lo numgen random mod 100 < $2 drop" "meta oif != lo numgen random mod 100 < $2 drop"
}
fault_network_block() { # HOST PEER
    known_host "${2-}"
    record_fault "network.$1.block.$2" "no packets between $1 and $2" fault_network_heal "$1"
    drop_packets "$1" "block_$2" "ip saddr ${LAB_ADDRESS[$2]} drop" "ip daddr ${LAB_ADDRESS[$2]} drop"
}
drop_packets() { # HOST NAME RULE-IN RULE-OUT: a table of its own per fault, so that it can be taken away whole
    enter_host "$1" nft -f - <<TEXT
table inet lab_fault_$2
delete table inet lab_fault_$2
table inet lab_fault_$2 {
    chain input { type filter hook input priority -10; $3; }
    chain output { type filter hook output priority -10; $4; }
}
TEXT
}
fault_network_heal() { # HOST
    local table
    ip link set "$(host_device "$1")" up
    tc qdisc del dev "$(host_device "$1")" root 2>/dev/null || true
    in_host_network "$1" tc qdisc del dev host0 root 2>/dev/null || true
    while read -r table; do
        enter_host "$1" nft delete table inet "$table"
    done < <(enter_host "$1" nft list tables | awk '$3 ~ /^lab_fault_/ { print $3 }')
    forget_faults "network.$1"
}

fault_disk_fill() { # HOST PATH SIZE
    fault_disk_small "$@"
    # shellcheck disable=SC2016 # expanded inside the host
    enter_host "$1" sh -c 'head -c 1T /dev/zero >"$1/.lab-ballast" 2>/dev/null || true' - "$2"
}
fault_disk_small() { # HOST PATH SIZE
    need "${2-}" "the path, such as /var/lib/rollbook"
    need "${3-}" "the size, such as 8m"
    record_fault "disk.$1.${2//\//_}" "a disk of $3 mounted on $2 of $1" heal_disk_path "$1" "$2"
    # shellcheck disable=SC2016 # expanded inside the host
    enter_host "$1" sh -ec '
        mkdir -p "$1"
        mode=$(stat -c %a "$1") owner=$(stat -c %u:%g "$1")
        mount -t tmpfs -o "size=$2,mode=$mode" lab-fault-disk "$1"
        chown "$owner" "$1"' - "$2" "$3"
}
heal_disk_path() { # HOST PATH: all that were stacked on it
    # shellcheck disable=SC2016 # expanded inside the host
    enter_host "$1" sh -c 'while grep -q "^lab-fault-disk $1 " /proc/mounts; do umount -l "$1" || exit 1; done' - "$2"
    forget_faults "disk.$1.${2//\//_}"
}
fault_disk_heal() { # HOST
    local path
    # shellcheck disable=SC2016 # awk's field
    while read -r path; do heal_disk_path "$1" "$path"; done < <(enter_host "$1" awk '$1 == "lab-fault-disk" { print $2 }' /proc/mounts)
    forget_faults "disk.$1"
}

fault_hostkey_flip() { # HOST
    record_fault "hostkey.$1" "ssh host keys of $1 exchanged" fault_hostkey_heal "$1"
    # shellcheck disable=SC2016 # expanded inside the host
    # The true keys are kept once, whatever number of times they are exchanged.
    enter_host "$1" bash -ec '
        cd /etc/ssh
        [[ -d lab-true-keys ]] || { mkdir lab-true-keys.new && cp -a ssh_host_*_key* lab-true-keys.new/ && mv lab-true-keys.new lab-true-keys; }
        rm -f ssh_host_*_key*
        for type in ed25519 ecdsa; do ssh-keygen -q -t "$type" -N "" -f "ssh_host_${type}_key"; done
        systemctl restart ssh'
}
fault_hostkey_heal() { # HOST
    enter_host "$1" bash -ec '
        cd /etc/ssh
        [[ ! -d lab-true-keys ]] || { cp -a lab-true-keys/. . && rm -rf lab-true-keys && { systemctl try-restart ssh || true; }; }'
    forget_faults "hostkey.$1"
}

fault_kubeadm_stop() { kubeadm_hook "$1" sleep "${2-}" stops; } # HOST PHASE
fault_kubeadm_fail() { kubeadm_hook "$1" fail "${2-}" fails; }   # HOST PHASE
kubeadm_hook() { # HOST HOOK PHASE WORD
    need "$3" "the phase, such as between-moves:kube-scheduler"
    record_fault "kubeadm.$1" "kubeadm $4 on $1 in the phase $3" fault_kubeadm_heal "$1"
    # shellcheck disable=SC2016 # expanded inside the host
    enter_host "$1" sh -c 'mkdir -p /run/rollbook-lab && printf "%s\n" "$2" >"/run/rollbook-lab/kubeadm-$1"' sh "$2" "$3"
}
fault_kubeadm_heal() { # HOST
    enter_host "$1" rm -f /run/rollbook-lab/kubeadm-sleep /run/rollbook-lab/kubeadm-fail
    forget_faults "kubeadm.$1"
}

fault_power_off() { # HOST
    record_fault "power.$1" "$1 powered off" fault_power_on "$1"
    kill_host "$1"
    forget_volatile_faults "$1"
}
fault_power_on() { # HOST
    start_host "$1"
    wait_for_ssh_of "$1"
    forget_faults "power.$1"
}
