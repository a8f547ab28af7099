# shellcheck shell=bash
# shellcheck disable=SC2034 # used by the other files
# The shape of the lab and the places it uses; every other file reads these and sets none of them.

# What the lab makes on this machine is named by this prefix, so that leftovers are recognised and nothing else is touched.
readonly LAB_PREFIX=rb-
readonly LAB_BRIDGE=rblab0
readonly LAB_BRIDGE_MAC=02:52:42:4c:41:42
readonly LAB_CGROUP=rblab

# First three numbers of the lab's /24. It exists on the lab's bridge only; hosts have no default route.
readonly LAB_NET=${ROLLBOOK_LAB_NET:-10.77.0}
readonly LAB_CONTROLLER=$LAB_NET.1
readonly LAB_VIP=$LAB_NET.100

readonly LAB_CACHE=${ROLLBOOK_LAB_CACHE:-/var/cache/rollbook-lab}
readonly LAB_STATE=${ROLLBOOK_LAB_STATE:-/var/lib/rollbook-lab}
readonly LAB_RUNTIME=$LAB_STATE/hosts
readonly LAB_FAULTS=$LAB_STATE/faults
# One for the machine: bridge, devices and cgroups have fixed names. It is never deleted, a lock that may vanish locks nothing.
readonly LAB_LOCK=/run/lock/rollbook-lab

readonly LAB_USER=ops
readonly LAB_JUMP=lb1
# Serves the packages of Kubernetes as http://packages.lab/
readonly LAB_REPOSITORY=lb1

readonly LAB_MASTERS=(master1 master2 master3)
readonly LAB_WORKERS=(worker1 worker2)
readonly LAB_BALANCERS=(lb1 lb2)
# A second cluster whose etcd runs on hosts of its own, as a systemd unit; its one master is there for its files.
readonly LAB_ETCD=(etcd1 etcd2 etcd3)
readonly LAB_EXTERNAL_MASTER=cp1
readonly LAB_HOSTS=("${LAB_MASTERS[@]}" "${LAB_WORKERS[@]}" "${LAB_BALANCERS[@]}" "${LAB_ETCD[@]}" "$LAB_EXTERNAL_MASTER")

# The master whose etcd is reached only through the stand-in for crictl, as on a kubeadm host without etcdctl.
readonly LAB_CONTAINER_MASTER=master3

# Inside a host: where the lab's own programs, the pretended etcd image and run-time files live.
readonly LAB_LIB=/usr/local/lib/rollbook-lab
readonly LAB_IMAGE=/usr/local/lib/rollbook-lab/etcd-image

declare -rA LAB_ADDRESS=(
    [master1]=$LAB_NET.11 [master2]=$LAB_NET.12 [master3]=$LAB_NET.13
    [worker1]=$LAB_NET.21 [worker2]=$LAB_NET.22
    [lb1]=$LAB_NET.31 [lb2]=$LAB_NET.32
    [etcd1]=$LAB_NET.41 [etcd2]=$LAB_NET.42 [etcd3]=$LAB_NET.43 [cp1]=$LAB_NET.51
)
declare -rA LAB_ROLE=(
    [master1]=master [master2]=master [master3]=master
    [worker1]=worker [worker2]=worker
    [lb1]=loadbalancer [lb2]=loadbalancer
    [etcd1]=etcd [etcd2]=etcd [etcd3]=etcd [cp1]=master
)

# Seconds that `lab up` waits for each thing before it says what is missing. Generous: the machine may be busy.
readonly LAB_WAIT_SSH=120
readonly LAB_WAIT_ETCD=60
readonly LAB_WAIT_VIP=60
readonly LAB_WAIT_NODES=60
