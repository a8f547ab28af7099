extension PreflightFailure {
    /// What a host is, whatever runs on it.
    static let ofHosts: [Self] = [
        Self(
            "sudo allows one command only",
            "sudo",
            "keep /etc/sudoers.d/ops; echo 'ops ALL=(root) NOPASSWD: /usr/bin/id' >/etc/sudoers.d/ops",
            finds: ["worker1 preflight.sudo BLOCKED: sudo refused: sudo: a password is required Next: "]
        ),
        Self(
            "sudo's commands may start no others",
            "sudo",
            "keep /etc/sudoers.d/ops; echo 'ops ALL=(ALL) NOPASSWD:NOEXEC: ALL' >/etc/sudoers.d/ops",
            finds: [
                "worker1 preflight.sudo BLOCKED: sudo lets ops's commands start no others (NOEXEC)"
                    + " Next: echo 'ops ALL=(root) NOPASSWD: ALL' >/etc/sudoers.d/rollbook && visudo -c"
            ]
        ),
        Self(
            "another name after the next boot",
            "identity",
            "keep /etc/hostname; echo other >/etc/hostname",
            finds: [
                "worker1 preflight.identity BLOCKED: it is called worker1, but other after the next boot"
                    + " Next: hostnamectl set-hostname worker1"
            ]
        ),
        Self(
            "a machine id copied from the host's neighbour",
            "identity",
            on: ["master2", "master3"],
            broken: ["master2", "master3"],
            "keep /etc/machine-id; echo 11112222333344445555666677778888 >/etc/machine-id",
            finds: [
                "master2 preflight.identity BLOCKED: the machine id 11112222333344445555666677778888 is also that of master3"
                    + " Next: on the copy, before it joins: rm -f /etc/machine-id",
                "master3 preflight.identity BLOCKED: the machine id 11112222333344445555666677778888 is also that of master2",
            ]
        ),
        Self(
            "a distribution that nobody knows",
            "os",
            #"""
            keep /etc/os-release; rm /etc/os-release
            printf 'ID=void\nPRETTY_NAME="Void Linux"\n' >/etc/os-release
            """#,
            undo: "[ -L /etc/os-release ]",
            finds: [
                "worker1 preflight.os BLOCKED: Void Linux is of no family that is known: apt, dnf or zypper"
            ]
        ),
        // The host still has its memory: only what the kernel tells of it is another file.
        Self(
            "too little memory for a master",
            "hardware",
            on: ["master2"],
            """
            sed 's/^MemTotal:.*/MemTotal:        1500000 kB/' /proc/meminfo >/run/meminfo; made /run/meminfo
            mount --bind /run/meminfo /proc/meminfo
            """,
            undo: "umount /proc/meminfo",
            finds: [
                "MiB of memory; a master needs 1700 MiB Next: give the machine at least 1700 MiB"
            ]
        ),
        Self(
            "one processor for a master",
            "hardware",
            on: ["master2"],
            "taskset -pc 0 $(cat /run/sshd.pid) >/dev/null",
            undo: "taskset -pc 0-$(($(getconf _NPROCESSORS_CONF) - 1)) $(cat /run/sshd.pid) >/dev/null",
            finds: [
                "master2 preflight.hardware BLOCKED: 1 processor, ",
                "a master needs 2 processors Next: give the machine at least 2 processors",
            ]
        ),
        // The clock is the kernel's, and that of this machine: what differs is only what `date` tells.
        Self(
            "a clock 8 s ahead",
            "time",
            #"echo 'exec /bin/date -d "8 seconds" "$@"' | fake date"#,
            finds: [
                "worker1 preflight.time BLOCKED: its clock is at least 7.",
                "s ahead of that of master1 and 5 more Next: set the clock of the machine that the container runs on",
            ]
        ),
        Self(
            "a clock 3 s ahead, which is a warning",
            "time",
            #"echo 'exec /bin/date -d "3 seconds" "$@"' | fake date"#,
            finds: [
                "worker1 preflight.time WARNING: its clock is at least 2.", "s ahead of that of master1 and 5 more",
            ],
            code: 0
        ),
        Self(
            "a small disk for logs",
            "disk",
            on: ["lb2"],
            fault: "disk small lb2 /var/log 500m",
            finds: [
                "lb2 preflight.disk BLOCKED: /var/log: 500.0 MiB free, needed 1.0 GiB for logs"
                    + " Next: journalctl --vacuum-size=500M"
            ]
        ),
        Self(
            "a full disk below the kubelet",
            "disk",
            fault: "disk fill worker1 /var/lib/kubelet 100m",
            finds: [
                "worker1 preflight.disk BLOCKED: /var/lib/kubelet: 0 % free; below 10 % the kubelet evicts pods"
                    + " Next: crictl rmi --prune"
            ]
        ),
        Self(
            "a disk without inodes",
            "disk",
            """
            mount -t tmpfs -o size=64g,nr_inodes=50 broken /var/lib/kubelet
            cd /var/lib/kubelet; touch $(seq 1 48)
            """,
            undo: "umount -l /var/lib/kubelet",
            finds: [
                "worker1 preflight.disk BLOCKED: /var/lib/kubelet: 2 % of the inodes free;"
                    + " below 5 % nothing new can be made for long Next: find / -xdev"
            ]
        ),
        Self(
            "a read-only file system",
            "disk",
            "mount -t tmpfs -o size=64g,ro broken /var/lib/kubelet",
            undo: "umount -l /var/lib/kubelet",
            finds: [
                "worker1 preflight.disk BLOCKED: /var/lib/kubelet is on a read-only file system Next: find out why: dmesg"
            ]
        ),
    ]
}
