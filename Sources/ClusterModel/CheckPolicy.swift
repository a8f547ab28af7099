/// The names of preflight's checks; a name is permanent, inventories and step kinds (`preflight.<name>`) use it.
package enum CheckName: String, Sendable, Hashable, Codable, CaseIterable, CodingKeyRepresentable {
    case certificates, disk
    case etcdDisk = "etcd-disk"
    case firewall, hardware, identity
    case loadBalancer = "load-balancer"
    case modules, os, packages, ports, reachability, repository, resolution, runtime, sudo, swap, sysctl, time,
        versions, vip
}

/// What a person wants of one check.
package struct CheckPolicy: Sendable, Hashable, Codable {
    package enum Severity: String, Sendable, Hashable, Codable, CaseIterable {
        /// What it finds must be mended.
        case fail
        /// What it finds is said, and nothing more.
        case warn
        /// Not looked at.
        case off
    }

    package var severity: Severity
    /// Whether what can be mended is mended.
    package var fix: Bool

    package init(severity: Severity = .fail, fix: Bool = true) {
        self.severity = severity
        self.fix = fix
    }
}
