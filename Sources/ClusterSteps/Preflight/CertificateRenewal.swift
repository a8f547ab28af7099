import ClusterModel

extension CheckCertificates {
    /// What renews a certificate: kubeadm does for those it manages, and only where the authority's key is.
    ///
    /// Sources: `kubeadm certs renew --help`; kubernetes.io "Certificate Management with kubeadm", "Kubelet client certificate
    /// rotation fails".
    struct Renewal {
        private let value: HostCertificates.Value
        private let paths: ClusterPaths
        private let host: Host

        init(_ value: HostCertificates.Value, _ paths: ClusterPaths, _ host: Host) {
            self.value = value
            self.paths = paths
            self.host = host
        }

        private static let rotated = "/var/lib/kubelet/pki/kubelet-client-current.pem"

        /// The next thing to do about several: those that need a person first, then what kubeadm does, then the kubelet's.
        func remedy(for certificates: [HostCertificates.Certificate]) -> String? {
            let files = certificates.filter { $0.place != .served }
            let paths = files.map(\.path)
            if let clock = certificates.first(where: isFromTheFuture) {
                return "date -u (is the host's clock right? If it is, restore \(clock.path) from a backup)"
            }
            if let authority = paths.first(where: isAuthority) {
                return "a person's decision: replace \(authority) (kubernetes.io, Manual Rotation of CA Certificates)"
            }
            if let broken = files.first(where: { $0.notAfter == nil }) { return ofMissing(broken.path) }
            let unsigned = paths.compactMap { path in
                managed(path).flatMap { value.authorities.contains($0.authority) ? nil : path }
            }
            if let path = unsigned.first {
                return "have \(path) signed anew where the authority's key is: it is not on this host"
            }
            let names = files.compactMap { managed($0.path)?.name }
            if !names.isEmpty {
                let name = names.count == 1 ? names[0] : "all"
                let folder = self.paths.pki == ClusterPaths().pki ? "" : " --cert-dir \(self.paths.pki)"
                return "kubeadm certs renew \(name)\(folder)" + restart(name)
            }
            if files.isEmpty, let served = certificates.first { return ofServed(served) }
            return paths.first.map(ofKubelet)
        }

        /// A file that is not there, or cannot be read as a certificate.
        func ofMissing(_ path: String) -> String {
            if isAuthority(path) || path.hasSuffix(".conf") || managed(path) == nil {
                return path.hasPrefix("/var/lib/kubelet/") ? ofKubelet(path) : "restore \(path) from a backup"
            }
            let stem = String(path.dropLast(".crt".count))
            return "restore \(path) and its key from a backup, or rm -f \(stem).crt \(stem).key && "
                + "kubeadm init phase certs \(managed(path)?.name ?? "all") --config FILE"
        }

        private func isFromTheFuture(_ certificate: HostCertificates.Certificate) -> Bool {
            certificate.notBefore.map { $0 > value.now } ?? false
        }

        private func isAuthority(_ path: String) -> Bool { path.hasSuffix("/ca.crt") || path.hasSuffix("-ca.crt") }

        /// Its name for `kubeadm certs renew`, and the authority that signs it; nil for what kubeadm does not manage.
        private func managed(_ path: String) -> (name: String, authority: String)? {
            let below = path.hasPrefix(paths.pki + "/") ? String(path.dropFirst(paths.pki.count + 1)) : nil
            switch below {
            case "apiserver.crt": return ("apiserver", "ca")
            case "apiserver-kubelet-client.crt": return ("apiserver-kubelet-client", "ca")
            case "apiserver-etcd-client.crt": return ("apiserver-etcd-client", "etcd/ca")
            case "front-proxy-client.crt": return ("front-proxy-client", "front-proxy-ca")
            case "etcd/server.crt": return ("etcd-server", "etcd/ca")
            case "etcd/peer.crt": return ("etcd-peer", "etcd/ca")
            case "etcd/healthcheck-client.crt": return ("etcd-healthcheck-client", "etcd/ca")
            default: break
            }
            for name in ["admin.conf", "super-admin.conf", "controller-manager.conf", "scheduler.conf"]
            where path == "\(paths.kubernetes)/\(name)" {
                return (name, "ca")
            }
            return nil
        }

        /// Servers read a renewed certificate by themselves; clients keep the one of their kubeconfig until they start anew.
        private func restart(_ name: String) -> String {
            switch name {
            case "controller-manager.conf": " && crictl stop $(crictl ps -q --name '^kube-controller-manager$')"
            case "scheduler.conf": " && crictl stop $(crictl ps -q --name '^kube-scheduler$')"
            case "all":
                ", then restart etcd, kube-apiserver, kube-controller-manager and kube-scheduler of this host, one by one"
            default: ""
            }
        }

        private func ofServed(_ certificate: HostCertificates.Certificate) -> String {
            switch certificate.port {
            case kubeletPort where isUnverified(certificate):
                "rm /var/lib/kubelet/pki/kubelet.crt /var/lib/kubelet/pki/kubelet.key && systemctl restart kubelet"
            case kubeletPort:
                "kubectl get csr, and kubectl certificate approve NAME for the one of this node (signer kubernetes.io/kubelet-serving)"
            case 2379, 2380: CheckCertificates.restart("etcd")
            default: CheckCertificates.restart("kube-apiserver")
            }
        }

        /// The kubelet renews its own; kubeadm's `kubelet.conf` must not carry one within.
        private func ofKubelet(_ path: String) -> String {
            let rotates = value.certificates.contains {
                $0.path == Self.rotated && CheckCertificates.trouble(with: $0, at: value.now) == nil
            }
            if path.hasSuffix("/kubelet.conf"), rotates {
                return "kubeadm init phase kubelet-finalize all (makes \(path) use \(Self.rotated))"
            }
            let alive = value.certificates.contains { $0.path == path && ($0.notAfter ?? value.now) > value.now }
            if alive, path == Self.rotated {
                return "systemctl restart kubelet, then journalctl -u kubelet (it should have renewed it by itself)"
            }
            return value.authorities.contains("ca")
                ? "kubeadm kubeconfig user --org system:nodes --client-name system:node:\(host.name) >\(paths.kubernetes)/kubelet.conf && "
                    + "rm -f /var/lib/kubelet/pki/kubelet-client* && systemctl restart kubelet"
                : "kubeadm token create on a master, and a new \(paths.kubernetes)/bootstrap-kubelet.conf with that token here"
        }
    }
}
