# shellcheck shell=bash
# The lab's network: one bridge with the controller's address on it. Hosts have no default route and the bridge does not forward, so
# nothing of the lab leaves this machine.

start_network() {
    local taken
    if ! ip link show "$LAB_BRIDGE" >/dev/null 2>&1; then
        taken=$(ip -4 route show table all | awk -v net="$LAB_NET." 'index($0, net) && !/broadcast|local/ { print; exit }')
        [[ -z $taken ]] || fail "the lab's network $LAB_NET.0/24 is in use on this machine" "route: $taken" \
            "ROLLBOOK_LAB_NET=10.79.0 lab up"
        # A fixed hardware address: else the bridge takes its ports' lowest, and every boot of a host would cost neighbours 5 s.
        ip link add "$LAB_BRIDGE" address "$LAB_BRIDGE_MAC" type bridge forward_delay 0 stp_state 0 mcast_snooping 0
    fi
    sysctl -qw "net.ipv6.conf.$LAB_BRIDGE.disable_ipv6=1" "net.ipv4.conf.$LAB_BRIDGE.forwarding=0" 2>/dev/null || true
    ip addr replace "$LAB_CONTROLLER/24" dev "$LAB_BRIDGE"
    ip link set "$LAB_BRIDGE" up
}

stop_network() {
    local device
    while read -r device; do ip link del "$device" 2>/dev/null || true; done < <(lab_devices)
    ip link show "$LAB_BRIDGE" >/dev/null 2>&1 || return 0
    ip link del "$LAB_BRIDGE"
}

# nspawn names the outer end of a host's cable after the machine: vb-rb-master1.
host_device() { printf 'vb-%s%s\n' "$LAB_PREFIX" "$1"; }

lab_devices() { ip -o link show | awk -F': ' '{ sub(/@.*/, "", $2); print $2 }' | grep "^vb-$LAB_PREFIX" || true; }
