# shellcheck shell=bash
# Keys of the lab: the operator's ssh key, the hosts' keys, and certificates in kubeadm's layout (PKI of kubeadm: ca, etcd/ca,
# front-proxy-ca, sa, one leaf per purpose and host). P-256 throughout, which kubeadm offers as an encryption algorithm too.

make_cluster_keys() {
    local pki=$LAB_STATE/pki
    mkdir -p "$LAB_STATE"
    chmod 0755 "$LAB_STATE"
    : >"$LAB_STATE/.rollbook-lab"
    root_path >"$LAB_STATE/lower"
    rm -rf "$pki"
    mkdir -p "$pki/etcd" "$LAB_FAULTS" "$LAB_RUNTIME"
    chmod 0700 "$pki" "$LAB_RUNTIME" # keys of the cluster are in both
    rm -f "$LAB_STATE"/id_ed25519*
    ssh-keygen -q -t ed25519 -N '' -C rollbook-lab -f "$LAB_STATE/id_ed25519"
    authority "$pki/ca" kubernetes
    authority "$pki/etcd/ca" etcd-ca
    authority "$pki/front-proxy-ca" front-proxy-ca
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$pki/sa.key" 2>/dev/null ||
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$pki/sa.key" 2>/dev/null
    openssl pkey -in "$pki/sa.key" -pubout -out "$pki/sa.pub"
    chmod 0600 "$pki"/*.key "$pki"/etcd/*.key "$pki/sa.pub"
}

authority() { # BASE NAME: a CA for ten years
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.crt" -days 3650 -subj "/CN=$2" \
        -addext "subjectAltName=DNS:$2" -addext keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign 2>/dev/null
}

leaf() { # BASE CA SUBJECT USAGE [NAMES]: a certificate for one year
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.crt" -days 365 -subj "$3" \
        -CA "$2.crt" -CAkey "$2.key" -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature,keyEncipherment \
        -addext "extendedKeyUsage=$4" ${5:+-addext "subjectAltName=$5"} 2>/dev/null
    chmod 0600 "$1.key"
    chmod 0644 "$1.crt"
}

kubeconfig() { # FILE CA USER SUBJECT SERVER
    leaf "$1.leaf" "$2" "$4" clientAuth
    cat >"$1" <<TEXT
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: $(base64 -w0 "$2.crt")
    server: $5
  name: lab
contexts:
- context:
    cluster: lab
    user: $3
  name: $3@lab
current-context: $3@lab
kind: Config
preferences: {}
users:
- name: $3
  user:
    client-certificate-data: $(base64 -w0 "$1.leaf.crt")
    client-key-data: $(base64 -w0 "$1.leaf.key")
TEXT
    rm -f "$1.leaf.key" "$1.leaf.crt"
    chmod 0600 "$1"
}

etcd_certificates() { # NAME PKI CA
    local names="DNS:$1,DNS:localhost,IP:${LAB_ADDRESS[$1]},IP:127.0.0.1,IP:0:0:0:0:0:0:0:1"
    leaf "$2/etcd/server" "$3" "/CN=$1" serverAuth,clientAuth "$names"
    leaf "$2/etcd/peer" "$3" "/CN=$1" serverAuth,clientAuth "$names"
    leaf "$2/etcd/healthcheck-client" "$3" /CN=kube-etcd-healthcheck-client clientAuth
}

master_certificates() { # NAME ROOT
    local name=$1 address=${LAB_ADDRESS[$1]} k8s=$2/etc/kubernetes pki=$2/etc/kubernetes/pki
    mkdir -p "$pki"
    cp -a "$LAB_STATE/pki/." "$pki/"
    chmod 0755 "$pki" "$pki/etcd"
    leaf "$pki/apiserver" "$pki/ca" /CN=kube-apiserver serverAuth \
        "DNS:$name,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,IP:10.96.0.1,IP:$address,IP:$LAB_VIP"
    leaf "$pki/apiserver-kubelet-client" "$pki/ca" /O=kubeadm:cluster-admins/CN=kube-apiserver-kubelet-client clientAuth
    leaf "$pki/front-proxy-client" "$pki/front-proxy-ca" /CN=front-proxy-client clientAuth
    leaf "$pki/apiserver-etcd-client" "$pki/etcd/ca" /CN=kube-apiserver-etcd-client clientAuth
    etcd_certificates "$name" "$pki" "$pki/etcd/ca"
    kubeconfig "$k8s/admin.conf" "$pki/ca" kubernetes-admin /O=kubeadm:cluster-admins/CN=kubernetes-admin "$(api_endpoint "$name")"
    [[ $name != "${LAB_MASTERS[0]}" ]] ||
        kubeconfig "$k8s/super-admin.conf" "$pki/ca" kubernetes-super-admin /O=system:masters/CN=kubernetes-super-admin "https://$LAB_VIP:6443"
    kubeconfig "$k8s/controller-manager.conf" "$pki/ca" system:kube-controller-manager /CN=system:kube-controller-manager "https://$address:6443"
    kubeconfig "$k8s/scheduler.conf" "$pki/ca" system:kube-scheduler /CN=system:kube-scheduler "https://$address:6443"
    node_kubeconfig "$name" "$2"
}

node_kubeconfig() { # NAME ROOT
    kubeconfig "$2/etc/kubernetes/kubelet.conf" "$LAB_STATE/pki/ca" "system:node:$1" "/O=system:nodes/CN=system:node:$1" "$(api_endpoint "$1")"
}

api_endpoint() { # NAME: of the cluster that a host belongs to; without a VIP it is its only master
    if [[ $1 == "$LAB_EXTERNAL_MASTER" ]]; then printf 'https://%s:6443\n' "${LAB_ADDRESS[$1]}"; else printf 'https://%s:6443\n' "$LAB_VIP"; fi
}
