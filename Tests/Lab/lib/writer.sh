# shellcheck shell=bash
# A client of etcd that writes while something is done to it, and looks afterwards whether everything it was promised is there.

# Numbered keys through the members of some masters, as fast as one connection each allows; every acknowledged number goes to FILE.
command_write() { # FILE [MASTER…]: until it is told to stop
    local file=${1-} number=0 ask
    [[ -n $file ]] || fail "no file given" "lab write" "lab write /tmp/acknowledged master1 master3"
    shift
    trap 'exit 0' TERM INT
    : >"$file"
    while :; do
        number=$((number + 1))
        ask=("${@:-${LAB_MASTERS[@]}}")
        # Never the same one first, so that one that is away costs every client something, not one of them everything.
        if etcdctl_of "$(rotated "$number" "${ask[@]}")" put "/lab/written/$number" "$number" >/dev/null 2>&1; then
            printf '%s\n' "$number" >>"$file"
        fi
    done
}

rotated() { # NUMBER NAME…
    local -i start=$(($1 % ($# - 1)))
    shift
    printf '%s ' "${@:start+1}" "${@:1:start}"
}

etcdctl_of() { # "MASTER MASTER…" ARGUMENT…
    local name endpoints="" pki
    pki=$(host_dir "${LAB_MASTERS[0]}")/root/etc/kubernetes/pki/etcd
    for name in $1; do endpoints+="${endpoints:+,}https://${LAB_ADDRESS[$name]}:2379"; done
    shift
    "$LAB_CACHE/bin/etcdctl" --endpoints="$endpoints" --cacert="$LAB_STATE/pki/etcd/ca.crt" --cert="$pki/healthcheck-client.crt" \
        --key="$pki/healthcheck-client.key" --dial-timeout=2s --command-timeout=3s "$@"
}

# The members of the cluster that is meant: the masters, or the etcd hosts with ROLLBOOK_LAB_ETCD=external.
members_meant() { if [[ ${ROLLBOOK_LAB_ETCD-} == external ]]; then printf '%s\n' "${LAB_ETCD[*]}"; else printf '%s\n' "${LAB_MASTERS[*]}"; fi; }

command_etcdctl() { etcdctl_of "$(members_meant)" "$@"; }

# Every number of FILE must be there; prints how many are, and fails when one is not.
command_written() { # FILE
    local file=${1-} lost
    [[ -s $file ]] || fail "nothing was acknowledged" "${file:-lab written}" "lab write FILE"
    lost=$(comm -23 <(sort "$file") <(etcdctl_of "$(members_meant)" get /lab/written/ --prefix --print-value-only | sort) | head -n5 | paste -sd' ')
    [[ -z $lost ]] || fail "acknowledged writes are lost" "keys /lab/written/: $lost" "lab exec master1 journalctl -u etcd"
    wc -l <"$file"
}
