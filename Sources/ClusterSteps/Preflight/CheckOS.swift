package import ClusterModel
package import RemoteShell
package import RunEngine

/// `preflight.os`: distribution, architecture, kernel and cgroups are of a kind that Kubernetes, and this program, work on.
///
/// Kubernetes' version is the `kubernetes` parameter, or else the newest of kubelet and kubeadm on the host: kubeadm is the one
/// that is upgraded first, and the one that refuses.
package struct CheckOS: PreflightCheck {
    package static let check = CheckName.os
    package static let signature: KindSignature = described(
        "Distribution, kernel and cgroups against the Kubernetes version",
        [
            Parameter(
                "kubernetes",
                .kubernetesVersion,
                "the version to judge by (default: that of kubelet and kubeadm on the host)"
            )
        ]
    )
    package let fix: Bool?
    package let kubernetes: String?

    /// From this minor on kubeadm and kubelet refuse cgroup v1.
    ///
    /// Source: kubelet's `failCgroupV1`, true by default since 1.35.
    static let firstWithoutCgroupV1 = 35
    /// From this minor on kubeadm refuses kernels older than 4.19.
    ///
    /// Source: system-validators 1.9, in kubeadm 1.32.
    static let firstWithNewKernelsOnly = 32
    static let leastKernel = KernelVersion(major: 4, minor: 19)
    /// Source: kubernetes.io "About cgroup v2", requirements.
    static let leastKernelForCgroupV2 = KernelVersion(major: 5, minor: 8)
    /// `uname -m` of what Kubernetes publishes programs for; 32-bit ones ended with 1.27.
    static let architectures = ["x86_64", "aarch64", "ppc64le", "s390x"]
    /// The oldest release of each distribution whose package tools and systemd this program was made for.
    static let oldest = [
        "debian": 11, "ubuntu": 20, "rhel": 8, "centos": 8, "rocky": 8, "almalinux": 8, "ol": 8, "amzn": 2023,
        "sles": 15,
        "opensuse-leap": 15,
    ]

    package func facts(on target: StepTarget) -> [FactRequest] { [FactRequest(OperatingSystem(), on: target.name)] }

    /// Load balancers too: packages and services are handled there as well.
    package func concerns(_ host: Host, in cluster: Cluster) -> Bool { true }

    package func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment {
        let system = try await facts.read(OperatingSystem(), on: host.name)
        let called = system.name.isEmpty ? "the operating system has no name" : system.name
        guard let family = system.family else {
            return .fail("\(called) is of no family that is known: apt, dnf or zypper", remedy: nil)
        }
        guard system.managers.contains(family.program) else {
            return .fail("\(called) has no \(family.program)", remedy: "install \(family.program)")
        }
        guard system.hasSystemd else { return .fail("\(called) was not booted with systemd", remedy: nil) }
        var remarks: [String] = []
        if let oldest = Self.oldest[system.id], let major = Int(system.version.prefix { $0.isNumber }), major < oldest {
            remarks.append("\(called) is older than release \(oldest), the oldest this was made for")
        }
        var said = [called, "kernel \(system.kernel)"]
        if host.role != .loadBalancer {
            switch node(system) {
            case .fail(let finding, let remedy): return .fail(finding, remedy: remedy)
            case .warn(let finding): remarks.append(finding)
            default: break
            }
            said.append("cgroup v\(system.cgroup)")
        }
        return remarks.isEmpty ? .ok(said.joined(separator: ", ")) : .warn(remarks.joined(separator: "; "))
    }

    /// What matters only where a kubelet runs.
    private func node(_ system: OperatingSystem.Value) -> Assessment {
        guard Self.architectures.contains(system.machine) else {
            return .fail("Kubernetes is not published for \(system.machine)", remedy: nil)
        }
        guard let kernel = KernelVersion(release: system.kernel) else {
            return .warn("the kernel's release \(system.kernel) says no version")
        }
        let minor = kubernetes.flatMap(Self.minor(of:)) ?? system.versions.compactMap(Self.minor(of:)).max()
        let version = minor.map { "Kubernetes 1.\($0)" } ?? "Kubernetes"
        var remarks: [String] = []
        if kernel < Self.leastKernel {
            let finding = "kernel \(system.kernel) is older than \(Self.leastKernel)"
            if let minor, minor >= Self.firstWithNewKernelsOnly {
                return .fail("\(finding), which \(version) refuses", remedy: "boot a newer kernel")
            }
            remarks.append("\(finding): Kubernetes refuses it from 1.\(Self.firstWithNewKernelsOnly) on")
        } else if system.cgroup == 2, kernel < Self.leastKernelForCgroupV2 {
            remarks.append("kernel \(system.kernel) is older than \(Self.leastKernelForCgroupV2), wanted for cgroup v2")
        }
        if system.cgroup == 1 {
            let remedy = "grubby --update-kernel=ALL --args=systemd.unified_cgroup_hierarchy=1, and restart the host"
            let onGrub =
                "add systemd.unified_cgroup_hierarchy=1 to GRUB_CMDLINE_LINUX, update-grub, and restart the host"
            if let minor, minor >= Self.firstWithoutCgroupV1, !system.kubeletAllowsCgroupV1 {
                return .fail(
                    "cgroup v1, which \(version) refuses",
                    remedy: system.family == .dnf ? remedy : onGrub
                )
            }
            remarks.append("cgroup v1: Kubernetes refuses it from 1.\(Self.firstWithoutCgroupV1) on")
        }
        return remarks.isEmpty ? .ok("") : .warn(remarks.joined(separator: "; "))
    }

    /// The minor of `v1.31.14` or `1.31.14`.
    static func minor(of version: String) -> Int? {
        let parts = version.drop { $0 == "v" }.split(separator: ".")
        return parts.count >= 2 && parts[0] == "1" ? Int(parts[1].prefix { $0.isNumber }) : nil
    }
}

/// The first two numbers of a kernel's release.
struct KernelVersion: Comparable, CustomStringConvertible {
    let major: Int
    let minor: Int

    init(major: Int, minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// `5.14.0-503.el9.x86_64`, `6.1.0-28-amd64`.
    init?(release: String) {
        let parts = release.split(separator: ".")
        guard parts.count >= 2, let major = Int(parts[0]), let minor = Int(parts[1].prefix { $0.isNumber }) else {
            return nil
        }
        self.init(major: major, minor: minor)
    }

    static func < (left: Self, right: Self) -> Bool { (left.major, left.minor) < (right.major, right.minor) }

    var description: String { "\(major).\(minor)" }
}

/// What runs below Kubernetes on a host.
package struct OperatingSystem: Fact {
    package static let name = "host.os"

    package init() {}

    /// Distributions that are handled alike.
    package enum Family: String, Codable, Sendable, Hashable, CaseIterable {
        case apt, dnf, zypper

        var program: String { self == .apt ? "apt-get" : rawValue }

        /// By what a distribution calls itself and what it says it is like, nearest first.
        init?(ids: [String]) {
            for id in ids {
                switch id {
                case "debian", "ubuntu": self = .apt
                case "rhel", "fedora", "centos", "rocky", "almalinux", "ol", "amzn": self = .dnf
                case "suse", "sles", "opensuse", "opensuse-leap", "opensuse-tumbleweed": self = .zypper
                default: continue
                }
                return
            }
            return nil
        }
    }

    package struct Value: Codable, Sendable, Hashable {
        package let id: String
        package let version: String
        /// For people.
        package let name: String
        package let family: Family?
        package let kernel: String
        package let machine: String
        /// 2, or 1 for the old hierarchy, alone or beside the new one.
        package let cgroup: Int
        /// Which of apt-get, dnf and zypper there are.
        package let managers: [String]
        package let hasSystemd: Bool
        /// As kubelet and kubeadm on the host say; none on a fresh one.
        package let versions: [String]
        package let kubeletAllowsCgroupV1: Bool
    }

    package var command: RemoteCommand {
        RemoteCommand(
            """
            echo '[release]'; cat /etc/os-release 2>/dev/null || cat /usr/lib/os-release 2>/dev/null
            echo '[kernel]'; uname -r
            echo '[machine]'; uname -m
            echo '[cgroup]'; stat -fc %T /sys/fs/cgroup 2>/dev/null
            echo '[managers]'; for p in apt-get dnf zypper; do command -v "$p" >/dev/null && echo "$p"; done
            echo '[systemd]'; [ -d /run/systemd/system ] && echo yes
            echo '[versions]'; kubelet --version 2>/dev/null; kubeadm version -o short 2>/dev/null
            echo '[kubelet]'; grep -E '^failCgroupV1:' /var/lib/kubelet/config.yaml 2>/dev/null
            echo '[end]'
            """
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        var release: [String: String] = [:]
        for line in try output.lines("release") {
            guard let equals = line.firstIndex(of: "=") else { continue }
            release[String(line[..<equals])] = Self.unquoted(line[line.index(after: equals)...])
        }
        let id = release["ID"] ?? ""
        let like = (release["ID_LIKE"] ?? "").split(separator: " ").map(String.init)
        let cgroup = try output.line("cgroup")
        guard !cgroup.isEmpty else { throw IncompleteAnswer(section: "cgroup") }
        return Value(
            id: id,
            version: release["VERSION_ID"] ?? "",
            name: release["PRETTY_NAME"] ?? id,
            family: Family(ids: [id] + like),
            kernel: try output.line("kernel"),
            machine: try output.line("machine"),
            cgroup: cgroup == "cgroup2fs" ? 2 : 1,
            managers: try output.lines("managers"),
            hasSystemd: try output.line("systemd") == "yes",
            versions: try output.rows("versions").compactMap(\.last),
            kubeletAllowsCgroupV1: try output.rows("kubelet").contains { $0 == ["failCgroupV1:", "false"] }
        )
    }

    /// A value of os-release(5): plain, or quoted as a shell reads it.
    static func unquoted(_ text: Substring) -> String {
        guard let quote = text.first, quote == "\"" || quote == "'", text.count >= 2, text.last == quote else {
            return String(text)
        }
        var result = ""
        var isEscaped = false
        for character in text.dropFirst().dropLast() {
            if character == "\\", quote == "\"", !isEscaped {
                isEscaped = true
            } else {
                result.append(character)
                isEscaped = false
            }
        }
        return result
    }
}
