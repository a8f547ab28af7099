package import ClusterModel

/// The path of one stored thing inside a set, before encryption: `etcd/master1.db`, `hosts/lb1.tar`.
///
/// No other path exists as a value, so that no name from a manifest or an inventory can leave the set (Format.md §1).
package struct BackupFileName: Sendable, Hashable, Comparable, CustomStringConvertible {
    package enum Folder: String, Sendable, Hashable, CaseIterable { case etcd, hosts, cluster }

    package let folder: Folder
    /// The file's name within its folder, without `.age`.
    package let leaf: String

    private init(_ folder: Folder, _ leaf: String) {
        self.folder = folder
        self.leaf = leaf
    }

    /// The snapshot taken on `host`.
    package static func snapshot(of host: HostName) -> BackupFileName { BackupFileName(.etcd, host.text + ".db") }

    /// The archive of files of `host`.
    package static func archive(of host: HostName) -> BackupFileName { BackupFileName(.hosts, host.text + ".tar") }

    /// An archive of objects that belong to no host, such as exported API objects.
    package static func clusterArchive(named name: HostName) -> BackupFileName {
        BackupFileName(.cluster, name.text + ".tar")
    }

    /// Reads a plain path (without `.age`) strictly; nil for anything that the three makers above would not make.
    package init?(_ path: String) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let folder = Folder(rawValue: String(parts[0])) else { return nil }
        let suffix = folder == .etcd ? ".db" : ".tar"
        guard parts[1].hasSuffix(suffix), HostName(String(parts[1].dropLast(suffix.count))) != nil else { return nil }
        guard parts[1].utf8.count <= 200 else { return nil }
        self.init(folder, String(parts[1]))
    }

    package var description: String { "\(folder.rawValue)/\(leaf)" }

    /// The leaf as it lies on disk.
    package func storedLeaf(_ encryption: FileEncryption) -> String { encryption == .age ? leaf + ".age" : leaf }

    package static func < (left: BackupFileName, right: BackupFileName) -> Bool {
        left.description < right.description
    }
}

/// How a stored file is encrypted.
package enum FileEncryption: String, Sendable, Hashable, Codable { case none, age }
