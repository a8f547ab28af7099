package import ClusterModel
package import RemoteShell
import RunEngine

/// The files of a host that a backup takes, as they are now: what exists of what is known to matter, and its size.
///
/// Sources: kubeadm's file layout, every file named in a flag or hostPath of a static pod, and for load balancers the
/// configuration the running program was started with. etcd's data, logs and the distribution's own CA bundles are left out.
package struct CollectableFiles: Fact {
    /// Which sort of host.
    package enum Kind: String, Codable, Sendable, Hashable, CaseIterable {
        case controlPlane = "control-plane"
        case etcd
        case loadBalancer = "load-balancer"
    }

    package static let name = "host.collectable-files"
    package let kind: Kind
    package let paths: ClusterPaths

    package init(kind: Kind, paths: ClusterPaths) {
        self.kind = kind
        self.paths = paths
    }

    package struct Value: Codable, Sendable, Hashable {
        package let paths: [String]
        package let bytes: Int64
        package let files: Int
        /// Files that every host of this sort should have and this one has not.
        package let missing: [String]
    }

    package var command: RemoteCommand {
        let values = [paths.kubernetes, paths.pki, paths.etcdData, paths.haproxy, paths.keepalived, paths.nginx]
        return switch kind {
        case .controlPlane: RemoteCommand([Self.prologue, Self.controlPlane, Self.epilogue], values)
        case .etcd: RemoteCommand([Self.prologue, Self.etcd, Self.epilogue], values)
        case .loadBalancer: RemoteCommand([Self.prologue, Self.loadBalancer, Self.epilogue], values)
        }
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        guard answer.exitCode == 0 else { throw OperatorMessage(.refused, "it cannot list its configuration files") }
        var paths: [String] = []
        var missing: [String] = []
        var size: (bytes: Int64, files: Int)?
        for line in answer.text.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { continue }
            switch parts[0] {
            case "path": paths.append(parts[1])
            case "missing": missing.append(parts[1])
            case "size":
                let numbers = parts[1].split(separator: " ")
                guard numbers.count == 2, let bytes = Int64(numbers[0]), let files = Int(numbers[1]) else { continue }
                size = (bytes, files)
            default: continue
            }
        }
        guard let size else { throw OperatorMessage(.refused, "the list of its configuration files is incomplete") }
        return Value(paths: paths, bytes: size.bytes, files: size.files, missing: missing)
    }

    /// Configuration may change between plan and backup; the newest is what is wanted.
    package func bound(_ value: Value) throws -> JSONValue? { nil }

    private static let prologue: StaticString = """
        kube=$1; pki=$2; data=$3; haproxy=$4; keepalived=$5; nginx=$6
        want() { for p in "$@"; do [ -e "$p" ] && printf '%s\\n' "$p"; done; }
        list() {

        """

    /// `$kube/tmp` (kubeadm's copies of etcd data) is left out when the archive is made.
    private static let controlPlane: StaticString = """
        want "$kube" "$pki" /var/lib/kubelet/config.yaml /var/lib/kubelet/kubeadm-flags.env \\
            /var/lib/kubelet/instance-config.yaml /var/lib/kubelet/pki /etc/default/kubelet /etc/sysconfig/kubelet \\
            /etc/systemd/system/kubelet.service /etc/systemd/system/kubelet.service.d \\
            /usr/lib/systemd/system/kubelet.service.d /etc/containerd/config.toml /etc/containerd/conf.d \\
            /etc/containerd/certs.d /etc/crio /etc/crictl.yaml /etc/cni/net.d /etc/modules-load.d/k8s.conf \\
            /etc/sysctl.d/k8s.conf
        for m in "$kube"/manifests/*.yaml "$kube"/manifests/*.yml; do [ -f "$m" ] || continue
            sed -n 's#^ *- *--[a-z0-9-]*=\\(/[^ ]*\\)$#\\1#p; s#^ *path: *\\(/[^ ]*\\)$#\\1#p' "$m"
        done | while IFS= read -r p; do
            case $p in "$data"|"$data"/*|/var/log|/var/log/*|/etc/ssl/certs|/etc/ca-certificates|/etc/pki) continue ;;
                /usr/share/ca-certificates|/usr/local/share/ca-certificates|/usr/libexec/*|/livez|/readyz|/healthz) continue ;;
            esac
            want "$p"
        done
        }
        required="$kube/manifests $pki/ca.crt $kube/admin.conf"

        """

    private static let etcd: StaticString = """
        want "$pki" /etc/etcd /etc/etcd.env /etc/default/etcd /etc/systemd/system/etcd.service \\
            /etc/systemd/system/etcd.service.d
        for d in /proc/[0-9]*; do
            if read -r c 2>/dev/null <"$d/comm" && [ "$c" = etcd ]; then tr '\\0' '\\n' <"$d/cmdline"; tr '\\0' '\\n' <"$d/environ"; fi
        done | sed -n 's#^[^=]*=\\(/[^ ]*\\)$#\\1#p' | while IFS= read -r p; do
            case $p in "$data"|"$data"/*) ;; *) [ -f "$p" ] && want "$p" ;; esac
        done
        }
        required=

        """

    private static let loadBalancer: StaticString = """
        for p in "$haproxy" "$keepalived" "$nginx"; do [ -e "$p" ] && want "${p%/*}"; done
        for s in haproxy keepalived nginx; do
            want "/etc/default/$s" "/etc/sysconfig/$s" "/etc/systemd/system/$s.service" "/etc/systemd/system/$s.service.d"
        done
        for d in /proc/[0-9]*; do
            if read -r c 2>/dev/null <"$d/comm"; then case $c in haproxy|keepalived|nginx) tr '\\0' '\\n' <"$d/cmdline";; esac; fi
        done | grep '^/' | while IFS= read -r p; do
            case $p in /run/*|/var/run/*|/usr/sbin/*|/usr/bin/*|*.pid|*.sock) ;; *) want "$p" ;; esac
        done
        sed -n 's#^ *include  *\\(/[^ ;]*\\).*#\\1#p' "$keepalived" "$nginx" 2>/dev/null | while IFS= read -r g; do want $g; done
        sed -n 's#^ *script  *"*\\(/[^ "]*\\).*#\\1#p; s#^ *notify[a-z_]*  *"*\\(/[^ "]*\\).*#\\1#p' "$keepalived" \\
            "${keepalived%/*}"/*/*.conf 2>/dev/null | while IFS= read -r p; do
            case $p in /bin/*|/usr/bin/*|/sbin/*|/usr/sbin/*) ;; *) want "$p" ;; esac
        done
        grep -l ip_nonlocal_bind /etc/sysctl.conf /etc/sysctl.d/*.conf 2>/dev/null
        }
        required=; [ -e "$nginx" ] || required=$haproxy

        """

    /// Sorted, and without what lies below another path of the list.
    private static let epilogue: StaticString = """
        all=$(list | LC_ALL=C sort -u | awk '{ for (k in kept) if (index($0, k "/") == 1) next; kept[$0] = 1; print }')
        printf '%s\\n' "$all" | sed -n 's/^\\(..*\\)$/path \\1/p'
        for p in $required; do [ -e "$p" ] || printf 'missing %s\\n' "$p"; done
        printf '%s\\n' "$all" | while IFS= read -r p; do [ -n "$p" ] && find "$p" -path "$kube/tmp" -prune -o -type f -printf '%s\\n'; done \\
            | awk '{ bytes += $1; files += 1 } END { printf "size %d %d\\n", bytes, files }'
        """
}
