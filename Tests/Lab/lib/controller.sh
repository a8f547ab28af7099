# shellcheck shell=bash
# What a run needs on the controller, and waiting for the cluster to be ready: inventory, known hosts, ssh configuration.

write_controller_files() {
    : >"$LAB_STATE/known_hosts"
    local name type root
    for name in "${LAB_HOSTS[@]}"; do
        root=$(host_dir "$name")/root
        for type in ed25519 ecdsa; do
            printf '%s,%s %s\n' "$name" "${LAB_ADDRESS[$name]}" "$(cut -d' ' -f1,2 "$root/etc/ssh/ssh_host_${type}_key.pub")"
        done
    done >>"$LAB_STATE/known_hosts"
    write_ssh_config
    write_inventory lab-external external >"$LAB_STATE/inventory-external.yaml"
    # Last: its presence says that the state is complete.
    write_inventory lab stacked >"$LAB_STATE/inventory.yaml.new"
    mv -T "$LAB_STATE/inventory.yaml.new" "$LAB_STATE/inventory.yaml"
}

write_inventory() { # CLUSTER TOPOLOGY
    local name
    cat <<TEXT
format: 1
cluster:
  id: $1
  topology: $2
$([[ $2 == external ]] || printf '  vip: %s\n' "$LAB_VIP")
  apiPort: 6443
  networks:
    nodes: $LAB_NET.0/24
    pods: 10.244.0.0/16
    services: 10.96.0.0/12
ssh:
  user: $LAB_USER
  port: 22
  identityFile: $LAB_STATE/id_ed25519
  knownHosts: $LAB_STATE/known_hosts
  become: sudo
masters:
TEXT
    if [[ $2 == external ]]; then
        printf '  - { name: %s, address: %s }\netcd:\n' "$LAB_EXTERNAL_MASTER" "${LAB_ADDRESS[$LAB_EXTERNAL_MASTER]}"
        for name in "${LAB_ETCD[@]}"; do printf '  - { name: %s, address: %s }\n' "$name" "${LAB_ADDRESS[$name]}"; done
        return
    fi
    for name in "${LAB_MASTERS[@]}"; do printf '  - { name: %s, address: %s }\n' "$name" "${LAB_ADDRESS[$name]}"; done
    printf 'workers:\n'
    for name in "${LAB_WORKERS[@]}"; do
        printf '  - name: %s\n    address: %s\n    ssh:\n      jump: [%s]\n' "$name" "${LAB_ADDRESS[$name]}" "$LAB_JUMP"
    done
    printf 'loadBalancers:\n'
    for name in "${LAB_BALANCERS[@]}"; do printf '  - { name: %s, address: %s }\n' "$name" "${LAB_ADDRESS[$name]}"; done
    cat <<TEXT
backup:
  etcd:
    from: all
  retention: { last: 3, daily: 7, weekly: 5, monthly: 12, minGood: 3 }
TEXT
}

write_ssh_config() {
    local name
    {
        for name in "${LAB_HOSTS[@]}"; do
            printf 'Host %s\n    HostName %s\n' "$name" "${LAB_ADDRESS[$name]}"
            [[ ${LAB_ROLE[$name]} != worker ]] || printf '    ProxyJump %s\n' "$LAB_JUMP"
        done
        cat <<TEXT
Host *
    User $LAB_USER
    IdentityFile $LAB_STATE/id_ed25519
    IdentitiesOnly yes
    UserKnownHostsFile $LAB_STATE/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    BatchMode yes
    ConnectTimeout 5
    LogLevel ERROR
TEXT
    } >"$LAB_STATE/ssh_config"
}

lab_ssh() { ssh -F "$LAB_STATE/ssh_config" "$@" 9>&-; }

command_ssh() { # HOST [COMMAND…]
    known_host "${1-}"
    [[ -e $LAB_STATE/ssh_config ]] || fail "the lab is down" "$LAB_STATE" "lab up"
    lab_ssh "$@" || exit $?
}

command_env() {
    [[ -e $LAB_STATE/inventory.yaml ]] || fail "the lab is down" "$LAB_STATE" "lab up"
    printf 'export ROLLBOOK_INVENTORY=%q\nexport ROLLBOOK_LAB=%q\nexport ROLLBOOK_LAB_STATE=%q\nexport ROLLBOOK_LAB_CACHE=%q\n' \
        "$LAB_STATE/inventory.yaml" "$LAB_HOME/lab" "$LAB_STATE" "$LAB_CACHE"
    # shellcheck disable=SC2016 # the reader's PATH is meant
    printf 'export PATH=%q:"$PATH"\n' "$LAB_CACHE/bin"
}

answers_ssh() { timeout 15 ssh -F "$LAB_STATE/ssh_config" "$1" true </dev/null >/dev/null 2>&1 9>&-; }

wait_for_ssh() { on_all_hosts wait_for_ssh_of; }

wait_for_ssh_of() { # NAME
    local deadline=$((SECONDS + LAB_WAIT_SSH))
    until answers_ssh "$1"; do
        [[ -n $(nspawn_pid "$1") ]] || fail "$1 ended while it booted" "$(host_dir "$1")/console.log: $(tail -n1 "$(host_dir "$1")/console.log")" "lab up"
        ((SECONDS < deadline)) || fail "$1 does not answer ssh after $LAB_WAIT_SSH s" "$(host_dir "$1")/console.log" "lab exec $1 systemctl --failed"
        sleep 0.3
    done
}

# etcdctl of the lab against all members from here, with the health check's client certificate.
lab_etcdctl() {
    local pki endpoints="" name
    pki=$(host_dir "${LAB_MASTERS[0]}")/root/etc/kubernetes/pki/etcd
    for name in "${LAB_MASTERS[@]}"; do endpoints+="${endpoints:+,}https://${LAB_ADDRESS[$name]}:2379"; done
    "$LAB_CACHE/bin/etcdctl" --endpoints="$endpoints" --cacert="$LAB_STATE/pki/etcd/ca.crt" --cert="$pki/healthcheck-client.crt" \
        --key="$pki/healthcheck-client.key" --dial-timeout=2s --command-timeout=5s "$@" 9>&-
}

wait_for_etcd() {
    local deadline=$((SECONDS + LAB_WAIT_ETCD))
    until lab_etcdctl endpoint health >/dev/null 2>&1 && etcdctl_of "${LAB_ETCD[*]}" endpoint health >/dev/null 2>&1; do
        ((SECONDS < deadline)) || fail "etcd is not healthy after $LAB_WAIT_ETCD s" "$(lab_etcdctl endpoint health 2>&1 | tail -n3)" "lab exec master1 journalctl -u etcd -n 30"
        sleep 0.3
    done
}

# kubectl of the first master, through the VIP.
lab_kubectl() {
    enter_host "${LAB_MASTERS[0]}" kubectl --kubeconfig /etc/kubernetes/admin.conf --cache-dir /run/rollbook-lab/kubectl \
        --request-timeout=10s "$@" 9>&-
}

command_kubectl() {
    [[ -e $LAB_STATE/inventory.yaml ]] || fail "the lab is down" "$LAB_STATE" "lab up"
    lab_kubectl "$@" || exit $?
}

apply_objects() { # the objects of seed/*.yaml
    local file deadline=$((SECONDS + LAB_WAIT_VIP)) answer
    for file in "$LAB_HOME"/seed/*.yaml; do
        until answer=$(sed "s|@VIP@|$LAB_VIP|g" "$file" | put_objects "$file" 2>&1); do
            ((SECONDS < deadline)) || fail "objects of the cluster could not be made: $(tail -n1 <<<"$answer")" "$file" "lab kubectl get nodes"
            sleep 0.3
        done
    done
}

put_objects() { # FILE, its text from stdin. What kubeadm keeps is made once: an upgrade changes it, and that is to stay
    case ${1##*/} in
    kubeadm.yaml) lab_kubectl -n kube-system get configmap kubeadm-config -o name || lab_kubectl create -f - ;;
    *) lab_kubectl apply -f - ;;
    esac
}

wait_for_nodes() {
    local deadline=$((SECONDS + LAB_WAIT_NODES)) nodes=$((${#LAB_MASTERS[@]} + ${#LAB_WORKERS[@]}))
    until [[ $(lab_kubectl get nodes --no-headers 2>/dev/null | awk '$2 ~ /^Ready/' | wc -l) == "$nodes" ]]; do
        ((SECONDS < deadline)) || fail "not all of $nodes nodes are Ready after $LAB_WAIT_NODES s" "$(lab_kubectl get nodes 2>&1 | tail -n6)" "lab exec worker1 journalctl -u kubelet -n 30"
        sleep 0.3
    done
}

vip_answer() { curl --silent --max-time 3 --cacert "$LAB_STATE/pki/ca.crt" "https://$LAB_VIP:6443/readyz" 9>&- || true; }

wait_for_vip() {
    local deadline=$((SECONDS + LAB_WAIT_VIP))
    until [[ $(vip_answer) == ok ]]; do
        ((SECONDS < deadline)) || fail "https://$LAB_VIP:6443/readyz does not answer ok after $LAB_WAIT_VIP s" "lb1, lb2" "lab exec lb1 journalctl -u haproxy -u keepalived -n 30"
        sleep 0.3
    done
}
