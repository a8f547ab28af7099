# shellcheck shell=bash
# Writes a host's own files into its overlay before it boots: the trees below host/, rendered, and its identity and keys.

prepare_hosts() {
    openssl rand -base64 32 >"$LAB_STATE/encryption-key"
    chmod 0600 "$LAB_STATE/encryption-key"
    on_all_hosts prepare_host
}

prepare_host() { # NAME
    local name=$1 root
    mount_host "$name"
    root=$(host_dir "$name")/root
    identify "$name" "$root"
    install_tree common "$name" "$root"
    enable_units "$root" lab-network ssh
    case ${LAB_ROLE[$name]} in master | worker) ;; *) remove_packages "$root" ;; esac
    case ${LAB_ROLE[$name]} in
    master)
        prepare_node "$name" "$root"
        install_tree master "$name" "$root"
        prepare_master "$name" "$root"
        ;;
    worker)
        prepare_node "$name" "$root"
        install_tree worker "$name" "$root"
        install -D -m 0644 "$LAB_STATE/pki/ca.crt" "$root/etc/kubernetes/pki/ca.crt"
        node_kubeconfig "$name" "$root"
        enable_units "$root" nftables
        ;;
    etcd)
        install_tree etcd "$name" "$root"
        prepare_etcd "$name" "$root"
        ;;
    loadbalancer)
        install_tree loadbalancer "$name" "$root"
        enable_units "$root" haproxy keepalived
        [[ $name != "$LAB_REPOSITORY" ]] || enable_units "$root" packages
        ;;
    esac
}

prepare_node() { # NAME ROOT: what masters and workers have in common
    install_tree node "$1" "$2"
    install -m 0755 "$LAB_HOME/standins/crictl" "$2/usr/local/bin/crictl"
    install -D -m 0644 "$LAB_HOME/standins/containerd.cfg" "$2$LAB_LIB/containerd.cfg"
    mkdir -p "$2$LAB_LIB/standins"
    ln -s /usr/sbin/haproxy "$2$LAB_LIB/standins/containerd"
    enable_units "$2" kubelet containerd
}

identify() { # NAME ROOT
    local name=$1 root=$2 home=$2/home/$LAB_USER type
    tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
    printf '%s\n' "$name" >"$root/etc/hostname"
    for type in ed25519 ecdsa; do
        ssh-keygen -q -t "$type" -N '' -C "root@$name" -f "$root/etc/ssh/ssh_host_${type}_key"
    done
    : >"$root/etc/default/locale"
    install -d -m 0700 "$home/.ssh"
    install -m 0600 "$LAB_STATE/id_ed25519.pub" "$home/.ssh/authorized_keys"
    chown -R --reference="$home" "$home/.ssh"
    ln -sf /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
}

prepare_master() { # NAME ROOT
    local name=$1 root=$2 program
    master_certificates "$name" "$root"
    chmod 0700 "$root/etc/kubernetes/manifests" "$root/etc/kubernetes/enc"
    chmod 0600 "$root"/etc/kubernetes/{manifests,enc,audit}/*.yaml
    mkdir -p "$root/var/log/kubernetes/audit"
    install -m 0755 "$LAB_HOME/standins/kube-apiserver" "$root$LAB_LIB/standins/kube-apiserver"
    if [[ $name == "${LAB_MASTERS[0]}" ]]; then # kubeadm init writes no state, a join writes "existing"
        sed -i '/--initial-cluster-state=/d' "$root/etc/kubernetes/manifests/etcd.yaml"
    fi
    if [[ $name == "$LAB_CONTAINER_MASTER" ]]; then
        install_tree container-master "$name" "$root"
    else
        for program in etcd etcdctl etcdutl; do
            ln -s "$LAB_IMAGE/usr/local/bin/$program" "$root/usr/local/bin/$program"
        done
    fi
    install -m 0755 "$LAB_HOME/standins/kube-controller-manager" "$root$LAB_LIB/standins/kube-controller-manager"
    ln -s kube-controller-manager "$root$LAB_LIB/standins/kube-scheduler"
    if [[ $name != "$LAB_EXTERNAL_MASTER" ]]; then
        restore_seed "$name" "$(host_dir "$name")/etcd" "${LAB_MASTERS[@]}"
        return
    fi
    rm "$root/etc/kubernetes/manifests/etcd.yaml"
    sed -i "s|https://127.0.0.1:2379|$(etcd_clients)|" "$root/etc/kubernetes/manifests/kube-apiserver.yaml"
}

etcd_clients() {
    local name text=
    for name in "${LAB_ETCD[@]}"; do text+="${text:+,}https://${LAB_ADDRESS[$name]}:2379"; done
    printf '%s\n' "$text"
}

# An etcd host as of Debian's package: unit, environment file, user of its own.
prepare_etcd() { # NAME ROOT
    local name=$1 root=$2 program pki=$2/etc/kubernetes/pki data
    data=$(host_dir "$name")/etcd
    for program in etcd etcdctl etcdutl; do
        ln -s "$LAB_IMAGE/usr/local/bin/$program" "$root/usr/local/bin/$program"
    done
    mkdir -p "$pki/etcd"
    cp -a "$LAB_STATE"/pki/etcd/ca.crt "$pki/etcd/"
    etcd_certificates "$name" "$pki" "$LAB_STATE/pki/etcd/ca"
    chroot "$root" useradd --system --home-dir /var/lib/etcd --shell /usr/sbin/nologin etcd
    mkdir -p "$data"
    restore_seed "$name" "$data/default" "${LAB_ETCD[@]}"
    chown -R "$(awk -F: '$1 == "etcd" { print $3 ":" $4 }' "$root/etc/passwd")" "$data" "$pki"/etcd/*.key
    enable_units "$root" etcd
}

# Every member gets the seed's data with the membership of all of its cluster, which is what a full restore of a cluster does.
restore_seed() { # NAME DIRECTORY MEMBER…
    local name=$1 data=$2 peers
    shift 2
    peers=$(initial_cluster "$@")
    rm -rf "$data.new"
    "$(cat "$LAB_STATE/lower")$LAB_IMAGE/usr/local/bin/etcdutl" snapshot restore "$(cat "$LAB_STATE/lower")$LAB_LIB/seed.db" \
        --name "$name" --data-dir "$data.new" --initial-cluster "$peers" \
        --initial-advertise-peer-urls "https://${LAB_ADDRESS[$name]}:2380" 2>"$data.log" ||
        fail "the seed of etcd could not be restored for $name: $(tail -n1 "$data.log")" "$data.log" "lab down && lab up"
    rm -rf "$data"
    mv -T "$data.new" "$data"
    chmod 0700 "$data"
}

initial_cluster() { # MASTER…
    local name text=
    for name in "$@"; do text+="${text:+,}$name=https://${LAB_ADDRESS[$name]}:2380"; done
    printf '%s\n' "$text"
}

hosts_file_lines() {
    local name
    for name in "${LAB_HOSTS[@]}"; do printf '%s %s\n' "${LAB_ADDRESS[$name]}" "$name"; done
    printf '%s %s\n' "$LAB_VIP" k8s-api "${LAB_ADDRESS[$LAB_REPOSITORY]}" packages.lab
}

# As kubeadm leaves it in the manifest: the members known when this one was made.
manifest_cluster() { # NAME
    local -i i
    for ((i = 0; i < ${#LAB_MASTERS[@]}; i++)); do
        [[ ${LAB_MASTERS[i]} != "$1" ]] || initial_cluster "${LAB_MASTERS[@]:0:i+1}"
    done
}

install_tree() { # TREE NAME ROOT: copies host/TREE and replaces @PLACEHOLDERS@ in what was copied
    local tree=$LAB_HOME/host/$1 name=$2 root=$3 state=BACKUP priority=100 file files=()
    [[ $name != "${LAB_BALANCERS[0]}" ]] || { state=MASTER priority=110; }
    while read -r file; do
        install -D -m "$(stat -c %a "$tree/$file")" "$tree/$file" "$root/$file"
        files+=("$root/$file")
    done < <(cd "$tree" && find . -type f | sed 's|^\./||')
    sed -i -e "s|@NAME@|$name|g" -e "s|@ADDRESS@|${LAB_ADDRESS[$name]}|g" -e "s|@VIP@|$LAB_VIP|g" -e "s|@NET@|$LAB_NET|g" \
        -e "s|@CONTROLLER@|$LAB_CONTROLLER|g" -e "s|@VRRP_STATE@|$state|g" -e "s|@VRRP_PRIORITY@|$priority|g" \
        -e "s|@INITIAL_CLUSTER@|$(manifest_cluster "$name")|g" -e "s|@EXTERNAL_CLUSTER@|$(initial_cluster "${LAB_ETCD[@]}")|g" -e "s|@ENCRYPTION_KEY@|$(cat "$LAB_STATE/encryption-key")|g" \
        -e "/@HOSTS@/{r /dev/stdin"$'\n'"d}" "${files[@]}" < <(hosts_file_lines)
}

enable_units() { # ROOT UNIT…
    local root=$1 unit wants=$1/etc/systemd/system/multi-user.target.wants dir
    shift
    mkdir -p "$wants"
    for unit in "$@"; do
        for dir in /etc/systemd/system /lib/systemd/system; do
            [[ ! -e $root$dir/$unit.service ]] || { ln -sf "$dir/$unit.service" "$wants/$unit.service" && break; }
        done
        [[ -L $wants/$unit.service ]] || fail "no such unit to enable: $unit.service" "$root" "lab down && lab purge"
    done
}
