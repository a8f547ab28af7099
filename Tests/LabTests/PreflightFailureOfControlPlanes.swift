extension PreflightFailure {
    /// Certificates and etcd's disk.
    static let ofControlPlanes: [Self] = [
        certificate(
            "a certificate that ends in 5 days",
            days: 5,
            "BLOCKED: /etc/kubernetes/pki/apiserver.crt, port 6443: ends in ",
            "Next: kubeadm certs renew apiserver"
        ),
        certificate(
            "a certificate that ends in 20 days, which is a warning",
            days: 20,
            "WARNING: /etc/kubernetes/pki/apiserver.crt, port 6443: ends in ",
            ". Next: kubeadm certs renew apiserver",
            code: 0
        ),
        certificate(
            "an expired certificate",
            days: -1,
            "BLOCKED: /etc/kubernetes/pki/apiserver.crt, port 6443: expired 24 hours ago",
            "Next: kubeadm certs renew apiserver"
        ),
        Self(
            "a certificate that a manifest names is gone",
            "certificates",
            on: ["master2"],
            "keep /etc/kubernetes/pki/apiserver.crt; rm /etc/kubernetes/pki/apiserver.crt",
            finds: [
                "master2 preflight.certificates BLOCKED: /etc/kubernetes/manifests/kube-apiserver.yaml names"
                    + " /etc/kubernetes/pki/apiserver.crt, which does not exist Next: restore /etc/kubernetes/pki/apiserver.crt"
            ]
        ),
        // A disk cannot be made that slow here without harm to the cluster: curl answers in etcd's place.
        Self(
            "a disk that syncs slowly",
            "etcd-disk",
            on: ["master1"],
            #"""
            fake curl <<'END'
            for what in wal_fsync backend_commit; do
                for bucket in 0.128:10 0.256:1000 +Inf:1000; do
                    echo "etcd_disk_${what}_duration_seconds_bucket{le=\"${bucket%%:*}\"} ${bucket##*:}"
                done
            done
            END
            """#,
            finds: [
                "master1 preflight.etcd-disk BLOCKED: etcd's disk is too slow: 99 % of 1000 WAL syncs took at most 254.",
                " Next: move etcd's folder to a disk of its own (SSD or NVMe)",
            ]
        ),
        Self(
            "etcd's measurements cannot be read, which is a warning",
            "etcd-disk",
            on: ["master1"],
            "filter accept 'tcp dport 2381 reject'",
            finds: ["master1 preflight.etcd-disk WARNING: etcd does not answer at 127.0.0.1:2381/metrics"],
            code: 0
        ),
    ]

    /// The apiserver's own certificate, signed anew by the cluster's authority.
    private static func certificate(
        _ name: String,
        days: Int,
        _ found: String,
        _ next: String,
        code: Int32 = 3
    ) -> Self {
        Self(
            name,
            "certificates",
            on: ["master2"],
            """
            cd /etc/kubernetes/pki; keep /etc/kubernetes/pki/apiserver.crt; made /run/new.csr /run/new.crt
            openssl x509 -x509toreq -in apiserver.crt -signkey apiserver.key -out /run/new.csr 2>/dev/null
            openssl x509 -req -in /run/new.csr -CA ca.crt -CAkey ca.key -set_serial 7 -days \(days) -out /run/new.crt 2>/dev/null
            cat /run/new.crt >apiserver.crt
            """,
            finds: ["master2 preflight.certificates \(found)", next],
            code: code
        )
    }
}
