extension PreflightFailure {
    /// What the package manager is at, and where packages come from.
    static let ofPackages: [Self] = [
        Self(
            "a package whose own script failed",
            "packages",
            "package slowpoke 'exit 1'; ! dpkg -i /run/slowpoke.deb >/dev/null 2>&1",
            undo: "dpkg --purge slowpoke >/dev/null 2>&1",
            finds: [
                "worker1 preflight.packages BLOCKED: left unfinished: slowpoke (half configured) Next: dpkg --configure -a"
            ]
        ),
        Self(
            "dpkg at work",
            "packages",
            """
            package slowpoke 'sleep 600'
            systemd-run -q --unit=slowpoke --collect dpkg -i /run/slowpoke.deb
            until_so 'pgrep -f slowpoke.postinst >/dev/null'
            """,
            undo:
                "systemctl stop slowpoke; until_so '! pgrep -x dpkg >/dev/null'; dpkg --purge slowpoke >/dev/null 2>&1",
            finds: [
                "worker1 preflight.packages BLOCKED: /var/lib/dpkg/lock-frontend is held by dpkg (process ",
                " Next: wait for its end: ps -o pid,etime,args -p ",
            ]
        ),
        Self(
            "dpkg interrupted while it wrote its database",
            "packages",
            "made /var/lib/dpkg/updates/0001; : >/var/lib/dpkg/updates/0001",
            finds: ["worker1 preflight.packages BLOCKED: dpkg was interrupted Next: dpkg --configure -a"]
        ),
        Self(
            "dpkg's database is broken",
            "packages",
            "keep /var/lib/dpkg/status; echo garbage >>/var/lib/dpkg/status",
            finds: ["worker1 preflight.packages BLOCKED: dpkg cannot read its database Next: dpkg --audit"]
        ),
        Self(
            "kubelet is not held",
            "packages",
            "apt-mark -q unhold kubelet >/dev/null",
            undo: "apt-mark -q hold kubelet >/dev/null",
            finds: ["worker1 preflight.packages hold kubelet $ apt-mark hold kubelet"]
        ),
        Self(
            "a repository that is gone",
            "repository",
            sources("https://apt.kubernetes.io/ kubernetes-xenial main"),
            finds: [
                "worker1 preflight.repository BLOCKED: /etc/apt/sources.list.d/kubernetes.list names a repository that is gone"
                    + " (apt.kubernetes.io, packages.cloud.google.com) Next: replace it with https://pkgs.k8s.io/core:/stable:/v1.31/"
            ]
        ),
        Self(
            "a key that is not there",
            "repository",
            sources("[signed-by=/etc/apt/keyrings/kubernetes.gpg] https://pkgs.k8s.io/core:/stable:/v1.31/deb/ /"),
            finds: [
                "worker1 preflight.repository BLOCKED: the key /etc/apt/keyrings/kubernetes.gpg, which packages are verified"
                    + " with, is not there Next: curl -fsSL https://pkgs.k8s.io/core:/stable:/v1.31/deb/Release.key"
            ]
        ),
        Self(
            "a wanted version that is not on offer",
            "repository",
            sources("https://pkgs.k8s.io/core:/stable:/v1.31/deb/ /"),
            finds: [
                "worker1 preflight.repository BLOCKED: kubeadm 1.32.4 is not on offer: the package lists know no kubeadm"
                    + " Next: switch the repository to v1.32, then apt-get update"
            ],
            more: ["--set", "version=1.32.4"]
        ),
    ]

    private static func sources(_ line: String) -> String {
        """
        keep /etc/apt/sources.list.d/kubernetes.list
        echo 'deb \(line)' >/etc/apt/sources.list.d/kubernetes.list
        """
    }
}
