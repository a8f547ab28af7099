package import ClusterModel
package import RemoteShell
package import RunEngine

/// `preflight.versions`: kubelet, kubeadm, kubectl, apiservers, etcd and the runtime go together, on one host and across hosts.
///
/// Source of the skews: kubernetes.io "Version skew policy"; kubeadm's `KubeletVersion` and `ExternalEtcdVersion`.
package struct CheckVersions: LookingCheck {
    package static let check = CheckName.versions
    package static let signature: KindSignature = looking("Versions that go together, on a host and across hosts")

    /// How many minors a kubelet may be older than an apiserver; of a kubelet before 1.25 two.
    static let kubeletBehind = 3
    static let firstKubeletThreeBehind = 25
    /// etcd releases that may lose data silently after a crash.
    ///
    /// Source: etcd's announcement of 2022-03-31, "v3.5.[0-2] not recommended for production"; mended in 3.5.3.
    static let corrupting = ProgramVersion(3, 5, 0)..<ProgramVersion(3, 5, 3)
    /// etcd 3.6 after an older 3.5 may bring removed members back.
    ///
    /// Source: etcd.io/blog/2025/zombie_members_upgrade.
    static let leastBefore36 = ProgramVersion(3, 5, 26)
    /// kubeadm's upgrade to this minor brings etcd 3.6.
    static let firstWithEtcd36 = 34
    /// Older ones are refused by `ExternalEtcdVersion` of kubeadm's newest patches.
    static let leastExternal = ProgramVersion(3, 5, 24)
    /// Source: kubernetes.io "Container runtimes": CRI v1, which a kubelet needs since 1.26, came with containerd 1.6.
    static let leastContainerd = ProgramVersion(1, 6, 0)
    /// kubeadm's `ContainerRuntimeVersion`: a warning from 1.35, an error from 1.37.
    static let nextContainerd = ProgramVersion(2, 0, 0)
    static let firstWarningOfContainerd = 35
    static let firstRefusingContainerd = 37

    package let fix: Bool?

    package func facts(on target: StepTarget) -> [FactRequest] {
        Self.asked(target.cluster).map { FactRequest(InstalledVersions(target.cluster.paths), on: $0.name) }
    }

    private static func asked(_ cluster: Cluster) -> [Host] { cluster.hosts.filter { $0.role != .loadBalancer } }

    package func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment {
        let cluster = facts.cluster
        let own = try await facts.read(InstalledVersions(cluster.paths), on: host.name)
        let all = await SharedReading(facts, of: Self.asked(cluster)) { _ in InstalledVersions(cluster.paths) }
        let servers = all.known.compactMap { item in
            item.value.apiserver.map { Server(host: item.host.name, version: $0) }
        }
        var verdict = Verdict()
        Self.kubernetes(own, host, servers, &verdict)
        if cluster.etcdHosts.contains(where: { $0.name == host.name }), let version = own.etcd {
            let members = all.known.filter { item in cluster.etcdHosts.contains { $0.name == item.host.name } }
                .compactMap { item in item.value.etcd.map { Server(host: item.host.name, version: $0) } }
            Self.etcd(version, cluster.topology, members, servers.map(\.version.minor).max(), &verdict)
        }
        if let version = own.containerd {
            Self.containerd(
                version,
                (servers.map(\.version) + [own.kubelet].compactMap { $0 }).map(\.minor).max(),
                &verdict
            )
        }
        if !own.unclear.isEmpty {
            verdict.remarks.append("no version can be read of \(own.unclear.joined(separator: ", "))")
        }
        let remark = all.remark
        if let first = verdict.failures.first {
            return .fail(verdict.failures.map(\.finding).joined(separator: "; ") + remark, remedy: first.remedy)
        }
        guard verdict.remarks.isEmpty else { return .warn(verdict.remarks.joined(separator: "; ") + remark) }
        let said = own.said
        return .ok((said.isEmpty ? "none of Kubernetes' programs is here yet" : said) + remark)
    }

    /// One apiserver or one member of etcd.
    struct Server {
        let host: HostName
        let version: ProgramVersion
    }

    private struct Verdict {
        var failures: [(finding: String, remedy: String?)] = []
        var remarks: [String] = []
    }

    private static func list(_ servers: [Server]) -> String {
        servers.map { "\($0.host) \($0.version)" }.joined(separator: ", ")
    }

    private static func kubernetes(
        _ own: InstalledVersions.Value,
        _ host: Host,
        _ servers: [Server],
        _ verdict: inout Verdict
    ) {
        if let kubelet = own.kubelet, let kubeadm = own.kubeadm, kubelet.minor > kubeadm.minor {
            verdict.failures.append(
                ("kubelet \(kubelet) is newer than kubeadm \(kubeadm)", "install kubeadm of 1.\(kubelet.minor) first")
            )
        }
        guard let newest = servers.map(\.version).max(), let oldest = servers.map(\.version).min() else { return }
        if own.apiserver != nil, newest.minor - oldest.minor > 1 {
            verdict.failures.append(
                (
                    "apiservers are \(newest.minor - oldest.minor) minors apart, one is allowed: \(list(servers))",
                    "finish the upgrade to 1.\(oldest.minor + 1) on the masters that are behind"
                )
            )
        }
        if let kubelet = own.kubelet {
            let behind = kubelet.minor >= firstKubeletThreeBehind ? kubeletBehind : kubeletBehind - 1
            if kubelet.minor > oldest.minor {
                verdict.failures.append(
                    (
                        "kubelet \(kubelet) is newer than an apiserver: \(list(servers))",
                        "upgrade the apiservers to 1.\(kubelet.minor), or install kubelet 1.\(oldest.minor) again"
                    )
                )
            } else if newest.minor - kubelet.minor > behind {
                verdict.failures.append(
                    (
                        "kubelet \(kubelet) is \(newest.minor - kubelet.minor) minors behind apiserver \(newest), "
                            + "\(behind) are allowed",
                        "upgrade the kubelet of \(host.name) to 1.\(newest.minor - behind) or later"
                    )
                )
            }
        }
        if let kubeadm = own.kubeadm {
            // In the middle of an upgrade a master's kubeadm belongs to its own apiserver.
            let base = own.apiserver ?? newest
            if kubeadm.minor > base.minor + 1 {
                verdict.failures.append(
                    (
                        "kubeadm \(kubeadm) is more than one minor ahead of apiserver \(base)",
                        "install kubeadm 1.\(base.minor) or 1.\(base.minor + 1)"
                    )
                )
            } else if kubeadm.minor < base.minor {
                let finding = "kubeadm \(kubeadm) is older than apiserver \(base)"
                if own.apiserver == nil {
                    verdict.remarks.append("\(finding): this host is not upgraded yet")
                } else {
                    verdict.failures.append((finding, "install kubeadm 1.\(base.minor)"))
                }
            }
        }
        if let kubectl = own.kubectl, kubectl.minor > oldest.minor + 1 || kubectl.minor < newest.minor - 1 {
            verdict.remarks.append("kubectl \(kubectl) is more than one minor away from an apiserver: \(list(servers))")
        }
    }

    private static func etcd(
        _ version: ProgramVersion,
        _ topology: EtcdTopology,
        _ members: [Server],
        _ minor: Int?,
        _ verdict: inout Verdict
    ) {
        if corrupting.contains(version) {
            verdict.failures.append(
                (
                    "etcd \(version) may lose data silently after a crash (3.5.0 to 3.5.2)",
                    "upgrade etcd to 3.5.26 or later"
                )
            )
        }
        if Set(members.map(\.version.release)).count > 1 {
            verdict.remarks.append("etcd's members are on different minors, an upgrade is unfinished: \(list(members))")
        }
        if topology == .external, version < leastExternal {
            verdict.remarks.append(
                "etcd \(version) is older than \(leastExternal), which kubeadm's newest patches want of an external etcd"
            )
        }
        let goesTo36 = members.contains { $0.version >= ProgramVersion(3, 6, 0) } || (minor ?? 0) >= firstWithEtcd36 - 1
        if version < leastBefore36, version.release == "3.5", goesTo36 {
            verdict.remarks.append(
                "etcd \(version) is older than \(leastBefore36): going to 3.6 from it may bring removed members back"
            )
        }
    }

    private static func containerd(_ version: ProgramVersion, _ minor: Int?, _ verdict: inout Verdict) {
        if version < leastContainerd {
            verdict.remarks.append("containerd \(version) is older than \(leastContainerd), which has CRI v1")
        } else if let minor, minor >= firstWarningOfContainerd, version < nextContainerd {
            let finding = "containerd \(version) is older than \(nextContainerd)"
            if minor >= firstRefusingContainerd {
                verdict.failures.append(
                    (
                        "\(finding), which Kubernetes 1.\(minor) refuses",
                        "upgrade containerd to \(nextContainerd) or later"
                    )
                )
            } else {
                verdict.remarks.append("\(finding): Kubernetes refuses it from 1.\(firstRefusingContainerd) on")
            }
        }
    }
}

/// The versions of what Kubernetes is made of on a host; nil of what is not there, or does not say.
package struct InstalledVersions: Fact {
    package static let name = "host.versions"
    private let kubernetes: String

    package init(_ paths: ClusterPaths) { kubernetes = paths.kubernetes }

    package struct Value: Codable, Sendable, Hashable {
        package let kubelet: ProgramVersion?
        package let kubeadm: ProgramVersion?
        package let kubectl: ProgramVersion?
        /// By the image of its manifest.
        package let apiserver: ProgramVersion?
        /// By the image of its manifest, and without one by the program.
        package let etcd: ProgramVersion?
        package let containerd: ProgramVersion?
        package let crio: ProgramVersion?
        /// What is there, but says no version.
        package let unclear: [String]

        var said: String {
            let all: [(String, ProgramVersion?)] = [
                ("kubelet", kubelet), ("kubeadm", kubeadm), ("kubectl", kubectl), ("apiserver", apiserver),
                ("etcd", etcd),
                ("containerd", containerd), ("CRI-O", crio),
            ]
            return all.compactMap { name, version in version.map { "\(name) \($0)" } }.joined(separator: ", ")
        }
    }

    /// `$1` is kubeadm's folder.
    ///
    /// Nothing is asked of a server; a program that hangs costs a second or two.
    package var command: RemoteCommand {
        RemoteCommand(
            """
            echo '[kubelet]'; command -v kubelet && timeout 2 kubelet --version 2>/dev/null
            echo '[kubeadm]'; command -v kubeadm && timeout 2 kubeadm version -o short 2>/dev/null
            echo '[kubectl]'; command -v kubectl && timeout 1 kubectl version --client 2>/dev/null
            for m in kube-apiserver etcd; do
                echo "[$m-image]"
                sed -n 's/^[[:space:]]*image:[[:space:]]*//p' "$1/manifests/$m.yaml" 2>/dev/null
            done
            echo '[etcd]'; command -v etcd && timeout 1 etcd --version 2>/dev/null
            echo '[containerd]'; command -v containerd && timeout 1 containerd --version 2>/dev/null
            echo '[crio]'; command -v crio && timeout 1 crio --version 2>/dev/null | head -n 3
            echo '[end]'
            """,
            [kubernetes]
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        func version(_ section: String) throws -> ProgramVersion? {
            try output.lines(section).lazy.compactMap(ProgramVersion.init(in:)).first
        }
        let image = try version("etcd-image")
        let sections = [
            "kubelet", "kubeadm", "kubectl", "kube-apiserver-image", "etcd-image", "etcd", "containerd", "crio",
        ]
        return Value(
            kubelet: try version("kubelet"),
            kubeadm: try version("kubeadm"),
            kubectl: try version("kubectl"),
            apiserver: try version("kube-apiserver-image"),
            etcd: try image ?? version("etcd"),
            containerd: try version("containerd"),
            crio: try version("crio"),
            unclear: try sections.filter { section in
                let isThere = try !output.lines(section).isEmpty
                return try isThere && version(section) == nil && !(section == "etcd" && image != nil)
            }
        )
    }
}
