extension PreflightFailure {
    /// What a kubelet needs of its host.
    static let ofNodes: [Self] = [
        Self(
            "swap that the next boot would turn on",
            "swap",
            #"keep /etc/fstab; printf '/swapfile\tnone\tswap\tsw\t0\t0\n' >>/etc/fstab"#,
            finds: ["worker1 preflight.swap comment out 1 line of /etc/fstab - /swapfile none swap sw 0 0"]
        ),
        // The feature is part of the lab's kernel, which has no modules: only what shows it is hidden.
        Self(
            "a kernel without overlay",
            "modules",
            hiddenOverlay,
            undo: "umount /proc/filesystems",
            finds: [" has no overlay Next: install the modules of the running kernel, or boot one that has them"]
        ),
        Self(
            "a setting that a later file turns off at boot",
            "sysctl",
            "made /etc/sysctl.d/zz-hardening.conf; echo 'net.ipv4.ip_forward = 0' >/etc/sysctl.d/zz-hardening.conf",
            finds: [
                "worker1 preflight.sysctl write /etc/sysctl.d/zz-rollbook.conf",
                "- /etc/sysctl.d/zz-hardening.conf sets net.ipv4.ip_forward = 0",
            ]
        ),
        // containerd is a socket with a listener in the lab, and crictl answers for it.
        Self(
            "the runtime is stopped",
            "runtime",
            "systemctl stop containerd; rm -f /run/containerd/containerd.sock",
            undo: "systemctl start containerd; until_so '[ -S /run/containerd/containerd.sock ]'",
            finds: [
                "worker1 preflight.runtime BLOCKED: the kubelet wants a runtime at /run/containerd/containerd.sock, where none"
                    + " listens Next: systemctl enable --now containerd"
            ]
        ),
        Self(
            "the kubelet would not start at boot",
            "runtime",
            "systemctl -q disable kubelet",
            undo: "systemctl -q enable kubelet",
            finds: [
                "worker1 preflight.runtime BLOCKED: kubelet would not be started at the next boot Next: systemctl enable kubelet"
            ]
        ),
        Self(
            "the kubelet wants another runtime",
            "runtime",
            """
            keep /var/lib/kubelet/config.yaml /var/lib/kubelet/kubeadm-flags.env
            sed -i 's,containerd/containerd.sock,crio/crio.sock,' /var/lib/kubelet/config.yaml /var/lib/kubelet/kubeadm-flags.env
            """,
            finds: [
                "worker1 preflight.runtime BLOCKED: the kubelet wants a runtime at /run/crio/crio.sock, where none listens"
                    + " Next: install crio"
            ]
        ),
        // Programs of that version are not there: what answers is a script.
        Self(
            "kubeadm is three minors ahead",
            "versions",
            on: ["master2"],
            "echo 'echo v1.34.0' | fake kubeadm",
            finds: [
                "master2 preflight.versions BLOCKED: kubeadm 1.34.0 is more than one minor ahead of apiserver 1.31.14"
                    + " Next: install kubeadm 1.31 or 1.32"
            ]
        ),
        Self(
            "the kubelet is newer than the apiservers",
            "versions",
            "echo 'echo Kubernetes v1.32.4' | fake kubelet",
            finds: [
                "worker1 preflight.versions BLOCKED: kubelet 1.32.4 is newer than kubeadm 1.31.14; kubelet 1.32.4 is newer than an"
                    + " apiserver: master1 1.31.14, master2 1.31.14, master3 1.31.14 Next: install kubeadm of 1.32 first"
            ]
        ),
        // What runs is what ran before: the kubelet's stand-in is stopped while the manifest is another.
        Self(
            "an etcd that loses data",
            "versions",
            on: ["master2"],
            manifest("etcd", "s,/etcd:3.5[0-9.]*,/etcd:3.5.1,"),
            undo: "systemctl start kubelet",
            finds: [
                "master2 preflight.versions BLOCKED: etcd 3.5.1 may lose data silently after a crash (3.5.0 to 3.5.2)"
                    + " Next: upgrade etcd to 3.5.26 or later"
            ]
        ),
        Self(
            "an apiserver two minors behind the others",
            "versions",
            on: ["master1", "master2"],
            broken: ["master2"],
            manifest("kube-apiserver", "s,/kube-apiserver:v1.31[0-9.]*,/kube-apiserver:v1.29.3,"),
            undo: "systemctl start kubelet",
            finds: [
                "master1 preflight.versions BLOCKED: apiservers are 2 minors apart, one is allowed: master1 1.31.14, master2"
                    + " 1.29.3, master3 1.31.14",
                "master2 preflight.versions BLOCKED: apiservers are 2 minors apart",
                " Next: finish the upgrade to 1.30 on the masters that are behind",
            ]
        ),
        Self(
            "its own name is the loopback",
            "resolution",
            "keep /etc/hosts; sed -i 's/^[0-9.]* worker1/127.0.0.1 worker1/' /etc/hosts",
            finds: [
                "worker1 preflight.resolution BLOCKED: its own name worker1 is 127.0.0.1 only, where no other host reaches it"
                    + " Next: echo '10.77.0.21 worker1' >>/etc/hosts"
            ]
        ),
        Self(
            "the API's name is unknown",
            "resolution",
            """
            keep /etc/kubernetes/kubelet.conf
            sed -i 's,server: https://[^:]*:,server: https://k8s-api.invalid:,' /etc/kubernetes/kubelet.conf
            """,
            finds: [
                "worker1 preflight.resolution BLOCKED: k8s-api.invalid, the API in /etc/kubernetes/kubelet.conf, has no address"
                    + " Next: echo '10.77.0.100 k8s-api.invalid' >>/etc/hosts"
            ]
        ),
    ]

    /// Hides what shows that the kernel has overlay.
    static let hiddenOverlay = """
        made /run/filesystems; grep -vw overlay /proc/filesystems >/run/filesystems
        mount --bind /run/filesystems /proc/filesystems

        """

    private static func manifest(_ name: String, _ change: String) -> String {
        let file = "/etc/kubernetes/manifests/\(name).yaml"
        return "keep \(file); systemctl stop kubelet; sed -i '\(change)' \(file)"
    }
}
