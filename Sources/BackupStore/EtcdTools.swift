import ClusterModel

/// A version of etcd, such as 3.5.21; suffixes are ignored.
struct EtcdVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    let major: Int
    let minor: Int
    let patch: Int

    init?(_ text: some StringProtocol) {
        let parts = text.prefix { $0 != "-" && $0 != "+" }.split(separator: ".")
        guard parts.count >= 2, let major = Int(parts[0]), let minor = Int(parts[1]) else { return nil }
        self.major = major
        self.minor = minor
        patch = parts.count > 2 ? Int(parts[2]) ?? 0 : 0
    }

    var description: String { "\(major).\(minor).\(patch)" }

    func isAtLeastMinor(of other: EtcdVersion) -> Bool { (major, minor) >= (other.major, other.minor) }

    static func < (left: EtcdVersion, right: EtcdVersion) -> Bool {
        (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
    }
}

/// An etcd with its tools, from one folder and of one minor version.
struct EtcdTools: Sendable {
    let version: EtcdVersion
    let etcd: String
    let etcdctl: String
    /// What restores: etcdutl since 3.5, etcdctl before.
    let restorer: String

    /// The oldest installed etcd that may read a snapshot of `version` (its server) and `storageVersion`.
    ///
    /// Errors: `toolMissing`, naming what was found and what to install.
    static func find(
        _ tools: ToolPath,
        version: String,
        storageVersion: String?,
        time: any TimeSource
    ) async throws(BackupError) -> EtcdTools {
        let needed = [version, storageVersion ?? ""].compactMap { EtcdVersion($0) }.max()
        var found: [EtcdTools] = []
        for directory in tools.directories {
            guard let etcd = ToolPath.executable("etcd", in: directory),
                let etcdctl = ToolPath.executable("etcdctl", in: directory)
            else { continue }
            let answer = try await ChildProcess(program: etcd, arguments: ["--version"]).run(time: time)
            let line = answer.output.split(separator: "\n").first { $0.hasPrefix("etcd Version: ") }
            guard let version = line.flatMap({ EtcdVersion($0.dropFirst("etcd Version: ".count)) }) else { continue }
            let etcdutl = ToolPath.executable("etcdutl", in: directory)
            let isOld = (version.major, version.minor) <= (3, 5)
            guard let restorer = etcdutl ?? (isOld ? etcdctl : nil) else { continue }
            found.append(EtcdTools(version: version, etcd: etcd, etcdctl: etcdctl, restorer: restorer))
        }
        let fitting = found.filter { needed.map($0.version.isAtLeastMinor) ?? true }
        if let best = fitting.min(by: { $0.version < $1.version }) { return best }
        let wanted = needed.map { "\($0.major).\($0.minor)" } ?? "3.4"
        let present = found.map { "\($0.version) (\($0.etcd))" }.joined(separator: ", ")
        throw .toolMissing(
            "the restore test needs etcd, etcdctl and etcdutl (etcdctl alone up to 3.5) of version \(wanted) or later in "
                + "one folder; found: \(present.isEmpty ? "none" : present)",
            next: (needed?.minor ?? 4) <= 4
                ? "apt-get install etcd-server etcd-client"
                : "install the etcd \(wanted) release in one of: \(tools.directories.joined(separator: " "))"
        )
    }
}
