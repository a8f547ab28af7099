import ClusterModel

/// Reads inventory files, format 1; the format is specified in Inventory/README.md.
package enum InventoryLoader {
    /// Reads the bytes of an inventory and checks all that can be known without contacting anything.
    ///
    /// Guarantee: it returns or throws for any bytes whatever; it never traps, never opens a file, and its result
    /// depends on its arguments only. All problems of the file are in the error, in the order of the file.
    package static func load(
        _ bytes: [UInt8],
        path: String,
        context: InventoryContext
    ) throws(InvalidManifest) -> Inventory {
        let log = ProblemLog(SourceText(bytes, path: path))
        let found = topSection(log).flatMap { read($0, path: path, context: context) }
        let diagnostics = log.sorted
        guard let found, !log.hasErrors else { throw InvalidManifest(diagnostics: diagnostics) }
        return Inventory(
            path: path,
            cluster: found.cluster,
            notify: found.notify,
            warnings: diagnostics,
            digest: digest(of: bytes)
        )
    }

    private static func read(
        _ top: Section,
        path: String,
        context: InventoryContext
    ) -> (cluster: Cluster, notify: NotifyPolicy)? {
        let log = top.log
        guard checkFormat(top) else { return nil }
        let paths = ControllerPaths(inventory: path, context: context)
        let shape = ClusterShape(top)
        let defaults = top.section("ssh").map { SSHDraft($0, paths: paths, isHost: false) } ?? SSHDraft()
        let groups = HostGroups(top, paths: paths)
        let clusterPaths = readClusterPaths(top)
        let backup = BackupReader(log: log, paths: paths).read(top)
        let preflight = readChecks(top)
        let notify = NotifyReader(log: log, paths: paths).read(top, besides: backup)
        top.finish()

        checkHosts(groups.drafts, log: log)
        shape.check(groups)
        let hosts = HostResolution(drafts: groups.drafts, defaults: defaults, context: context, log: log).resolve()
        guard let id = shape.id else { return nil }
        let cluster = Cluster(
            id: id,
            topology: shape.topology,
            vip: shape.vip?.value.description,
            apiPort: shape.apiPort,
            networks: shape.networks,
            paths: clusterPaths,
            backup: backup,
            preflight: preflight,
            hosts: hosts
        )
        return (cluster, notify)
    }

    private static func readChecks(_ top: Section) -> [CheckName: CheckPolicy]? {
        guard let section = top.section("preflight") else { return nil }
        var policies: [CheckName: CheckPolicy] = [:]
        for check in CheckName.allCases {
            guard let wanted = section.section(check.rawValue) else { continue }
            var policy = CheckPolicy()
            policy.severity = wanted.choice("severity", CheckPolicy.Severity.self)?.value ?? .fail
            policy.fix = wanted.boolean("fix")?.value ?? true
            wanted.finish()
            policies[check] = policy
        }
        section.finish()
        return policies.isEmpty ? nil : policies
    }

    private static func readClusterPaths(_ top: Section) -> ClusterPaths {
        var paths = ClusterPaths()
        guard let section = top.section("paths") else { return paths }
        func take(_ key: String, _ path: WritableKeyPath<ClusterPaths, String>) {
            guard let found = section.string(key), isHostPath(found, section.name(key), log: section.log) else {
                return
            }
            paths[keyPath: path] = found.value
        }
        take("etcdData", \.etcdData)
        take("pki", \.pki)
        take("kubernetes", \.kubernetes)
        take("haproxy", \.haproxy)
        take("keepalived", \.keepalived)
        take("nginx", \.nginx)
        section.finish()
        return paths
    }
}

/// The host lists of an inventory, in the order of the file.
struct HostGroups {
    private(set) var drafts: [HostDraft] = []
    /// How many hosts are written for a role, with those that have errors.
    private var written: [Role: Int] = [:]
    private var unreadable: Set<Role> = []

    init(_ top: Section, paths: ControllerPaths) {
        let groups: [(key: String, role: Role)] = [
            ("masters", .master), ("workers", .worker), ("loadBalancers", .loadBalancer), ("etcd", .etcd),
        ]
        for (key, role) in groups.sorted(by: { top.keyMark($0.key) < top.keyMark($1.key) }) {
            let problems = top.log.count
            let nodes = top.list(key)
            if top.log.count > problems { unreadable.insert(role) }
            written[role] = nodes.count
            for (index, node) in nodes.enumerated() {
                guard let section = Section(node, path: "\(key)[\(index)]", log: top.log),
                    let draft = HostDraft(section, role: role, paths: paths)
                else { continue }
                drafts.append(draft)
            }
        }
    }

    func count(_ role: Role) -> Int { written[role] ?? 0 }

    /// Whether the file names no host of a role; false when what stands there is no list, which is reported as that.
    func lacks(_ role: Role) -> Bool { count(role) == 0 && !unreadable.contains(role) }

    func first(_ role: Role) -> HostDraft? { drafts.first { $0.role == role } }
}

/// A path on a host: absolute and plain, since it is also shown, compared and handed to commands.
private func isHostPath(_ path: Located<String>, _ name: String, log: ProblemLog) -> Bool {
    let text = path.value
    guard text.hasPrefix("/") else {
        log.error("'\(name)' wants an absolute path on the hosts", at: path.mark)
        return false
    }
    let components = text.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
    guard !components.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }) else {
        log.error("'\(name)' wants a plain path, without '.', '..', '//' or a slash at the end", at: path.mark)
        return false
    }
    guard text.utf8.count <= 1024, !text.contains(where: \.isNewline) else {
        log.error("'\(name)' is no usable path", at: path.mark)
        return false
    }
    return true
}
