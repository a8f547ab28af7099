package import ClusterModel
package import RemoteShell
import RunEngine

/// What kubeadm has done on a host, and what an interrupted upgrade left of it.
///
/// Sources: images in the manifests; `/etc/kubernetes/tmp`, where kubeadm prepares manifests and keeps what it replaced; the times of
/// the kubelet's configuration, which an upgrade writes last, and of the installation of the kubeadm program (its inode's change
/// time: its modification time is the package's).
package struct KubeadmState: Fact {
    package static let name = "kubeadm.state"
    static let components = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]
    private let kubernetes: String
    private let data: String

    /// The version that a plan goes to: then it relies on that being in reach, whatever an attempt of its own has done of it.
    private let wanted: KubernetesVersion?

    package init(paths: ClusterPaths, toward wanted: KubernetesVersion? = nil) {
        kubernetes = paths.kubernetes
        data = paths.etcdData
        self.wanted = wanted
    }

    package struct Value: Codable, Sendable, Hashable {
        /// Images of the manifests that are in place, by component.
        package let images: [String: String]
        /// Components whose manifest is not in place but in a backup that kubeadm made.
        package let restorable: [String]
        /// Components whose manifest Rollbook parked.
        package let parked: [String]
        /// Folders with manifests that a run of kubeadm did not get to; those of runs that end well are removed.
        package let leftovers: [String]
        /// One of these is newer than the kubelet's configuration.
        package let wasCutOff: Bool
        /// The kubelet's configuration was written after this kubeadm was installed.
        package let hasWrittenKubelet: Bool
        /// The version whose upgrade Rollbook began and did not see the end of; empty for none.
        package let begun: String
        /// A `kubeadm upgrade` that runs now; 0 for none.
        package let process: Int
        package let freeBytes: Int64
        package let etcdBytes: Int64
        /// Copies of etcd's data that kubeadm keeps, without the newest two.
        package let spareBytes: Int64

        package func version(of component: String) -> KubernetesVersion? {
            images[component]?.split(separator: "@").first?.split(separator: ":").last.flatMap { KubernetesVersion($0) }
        }
    }

    package var command: RemoteCommand {
        RemoteCommand([KubeadmScript.functions, Self.script], [kubernetes, data])
    }

    /// `$1` kubeadm's folder, `$2` etcd's data.
    private static let script: StaticString = """
        echo '[images]'
        for c in $components; do
            [ ! -f "$manifests/$c.yaml" ] || echo "$c $(sed -n 's/^ *image: *//p' "$manifests/$c.yaml" | tr -d "\\"'" | head -n 1)"
        done
        echo '[restorable]'; for c in $components; do [ -f "$manifests/$c.yaml" ] || [ -z "$(backup_of "$c")" ] || echo "$c"; done
        echo '[parked]'; for c in $components; do [ ! -f "/var/lib/rollbook-host/parked/$c.yaml" ] || echo "$c"; done
        config="/var/lib/kubelet/config.yaml"
        echo '[leftovers]'; for d in "$tmp"/kubeadm-upgraded-manifests*; do [ ! -d "$d" ] || echo "$d"; done
        echo '[cut]'; [ ! -f "$config" ] || find "$tmp" -maxdepth 1 -name 'kubeadm-upgraded-manifests*' -newer "$config" 2>/dev/null | head -n 1
        echo '[written]'
        own=$(command -v kubeadm) && made=$(stat -Lc %Z "$own") && wrote=$(stat -c %Y "$config" 2>/dev/null) && [ "$wrote" -ge "$made" ] && echo yes
        echo '[begun]'; echo "$(cat "$begun" 2>/dev/null)"
        echo '[process]'; upgrading
        d=$tmp; [ -d "$d" ] || d=$kubernetes
        echo '[free]'; echo "$(($(stat -f -c '%a * %S' "$d" 2>/dev/null || echo 0)))"
        echo '[etcd]'; [ ! -d "$2" ] || timeout 3 du -sk "$2" 2>/dev/null | cut -f1
        echo '[spare]'; ls -1dt "$tmp"/kubeadm-backup-etcd-* 2>/dev/null | tail -n +3 | tr '\\n' '\\0' |
            timeout 3 xargs -0 -r du -sk 2>/dev/null | awk '{ n += $1 } END { print n + 0 }'
        echo '[end]'
        """

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        let images = try output.rows("images").filter { $0.count == 2 }.map { ($0[0], $0[1]) }
        func kibibytes(_ section: String) throws -> Int64 { (Int64(try output.line(section)) ?? 0) << 10 }
        return Value(
            images: Dictionary(images) { first, _ in first },
            restorable: try output.lines("restorable"),
            parked: try output.lines("parked"),
            leftovers: try output.lines("leftovers"),
            wasCutOff: try !output.lines("cut").isEmpty,
            hasWrittenKubelet: try output.line("written") == "yes",
            begun: try output.line("begun"),
            process: Int(try output.line("process")) ?? 0,
            freeBytes: Int64(try output.line("free")) ?? 0,
            etcdBytes: try kibibytes("etcd"),
            spareBytes: try kibibytes("spare")
        )
    }

    /// Only what nothing but an upgrade changes.
    package func bound(_ value: Value) throws -> JSONValue? {
        guard let wanted else { return .object(["images": try JSONValue(encoding: value.images)]) }
        let beyond = Self.components.filter { pod in
            guard pod != "etcd", let version = value.version(of: pod) else { return false }
            return !(0...1).contains(wanted.minors(ahead: version) ?? -1) || version > wanted
        }
        return .object(["outOfReach": .array(beyond.map(JSONValue.string))])
    }
}
