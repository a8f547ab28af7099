package import ClusterModel
package import RemoteShell
package import RunEngine

/// `preflight.disk`: file systems have the space and the inodes that are needed, computed from what etcd holds now.
///
/// Needs of folders that share a file system are added up. Nothing is mended: what may go is for people to say.
package struct CheckDisk: PreflightCheck {
    package static let check = CheckName.disk
    package static let signature: KindSignature = described(
        "Space and inodes, against the need computed for each folder"
    )
    package let fix: Bool?

    private static let gibibyte: Int64 = 1 << 30
    /// The kubelet evicts pods below this share of free space.
    ///
    /// Source: kubelet's `nodefs.available` and `imagefs.available`.
    static let evictionPercent: [DiskSpace.Purpose: Int64] = [.kubelet: 10, .runtime: 15]
    /// Source: kubelet's `nodefs.inodesFree` and `imagefs.inodesFree`.
    static let evictionInodesPercent: Int64 = 5
    /// Below these it works, but an image or a rotated log away from not working.
    static let comfortablePercent: Int64 = 15
    static let comfortableInodesPercent: Int64 = 10
    static let comfortableBytes: Int64 = 10 * gibibyte
    /// For etcd's log files and growth: 64 MiB a segment, five kept, and as much again as the database.
    static let etcdFloor: Int64 = gibibyte
    /// For logs and everything else that is written all the time.
    static let logFloor: Int64 = gibibyte

    package func facts(on target: StepTarget) -> [FactRequest] {
        [FactRequest(DiskSpace(paths: target.cluster.paths), on: target.name)]
    }

    /// Load balancers too: only their logs are looked at.
    package func concerns(_ host: Host, in cluster: Cluster) -> Bool { true }

    package func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment {
        let cluster = facts.cluster
        let state = try await facts.read(DiskSpace(paths: cluster.paths), on: host.name)
        let hasEtcd = cluster.etcdHosts.contains { $0.name == host.name }
        let folders = state.folders.filter { folder in
            switch folder.purpose {
            case .log: true
            case .etcd: hasEtcd
            case .kubernetes: host.role == .master
            case .kubelet, .runtime: host.role == .master || host.role == .worker
            }
        }
        if let broken = folders.first(where: { !$0.isWritable }) {
            return .fail(
                "\(broken.path) is on a read-only file system",
                remedy: "find out why: dmesg | grep -iE 'remount|i/o error'"
            )
        }
        for volume in Self.volumes(of: folders) {
            if let lack = lack(of: volume, state) { return lack }
        }
        let remarks = Self.volumes(of: folders).compactMap(Self.remark)
        guard remarks.isEmpty else { return .warn(remarks.joined(separator: "; ")) }
        let least = folders.min { $0.available < $1.available }
        return .ok(
            least.map { "at least \(Self.spoken($0.available)) free, at \($0.path)" } ?? "nothing to look at"
        )
    }

    /// Folders that share a file system, in the order of their paths' first appearance.
    private static func volumes(of folders: [DiskSpace.Folder]) -> [[DiskSpace.Folder]] {
        var volumes: [[DiskSpace.Folder]] = []
        for folder in folders {
            if let index = volumes.firstIndex(where: { $0.first?.device == folder.device }) {
                volumes[index].append(folder)
            } else {
                volumes.append([folder])
            }
        }
        return volumes
    }

    /// What must be free for each purpose, and for what.
    private func need(for folder: DiskSpace.Folder, _ state: DiskSpace.Value) -> (bytes: Int64, why: String)? {
        switch folder.purpose {
        case .etcd:
            // Defragmentation writes the database a second time before it removes the first.
            let bytes = max(2 * state.databaseBytes, Self.etcdFloor)
            return (bytes, "\(Self.spoken(bytes)) for etcd (twice its database, at least 1 GiB)")
        case .kubernetes:
            // kubeadm copies etcd's data below /etc/kubernetes/tmp before each upgrade, and leaves the copy there.
            guard state.etcdBytes > 0 else { return nil }
            let bytes = 2 * state.etcdBytes + Self.gibibyte
            return (bytes, "\(Self.spoken(bytes)) for kubeadm's copies of etcd (two of them, and 1 GiB)")
        case .log: return (Self.logFloor, "\(Self.spoken(Self.logFloor)) for logs")
        case .kubelet, .runtime: return nil
        }
    }

    private func lack(of volume: [DiskSpace.Folder], _ state: DiskSpace.Value) -> Assessment? {
        guard let space = volume.first else { return nil }
        let place = Self.place(volume)
        let needs = volume.compactMap { need(for: $0, state) }
        let needed = needs.reduce(0) { $0 + $1.bytes }
        let remedy = Self.remedy(for: volume)
        if space.available < needed {
            let why = needs.map(\.why).joined(separator: ", ")
            return .fail("\(place): \(Self.spoken(space.available)) free, needed \(why)", remedy: remedy)
        }
        for folder in volume {
            guard let limit = Self.evictionPercent[folder.purpose] else { continue }
            if space.available * 100 < limit * space.total {
                let share = Self.percent(space.available, of: space.total)
                return .fail(
                    "\(folder.path): \(share) free; below \(limit) % the kubelet evicts pods",
                    remedy: remedy
                )
            }
        }
        if space.inodes > 0, space.inodesFree * 100 < Self.evictionInodesPercent * space.inodes {
            let share = Self.percent(space.inodesFree, of: space.inodes)
            return .fail(
                "\(place): \(share) of the inodes free; below \(Self.evictionInodesPercent) % nothing new can be made for long",
                remedy: "find / -xdev -type f -printf '%h\\n' | sort | uniq -c | sort -n | tail"
            )
        }
        return nil
    }

    private static func remark(of volume: [DiskSpace.Folder]) -> String? {
        guard let space = volume.first else { return nil }
        var found: [String] = []
        if space.available * 100 < comfortablePercent * space.total || space.available < comfortableBytes {
            found.append("\(spoken(space.available)) (\(percent(space.available, of: space.total))) free")
        }
        if space.inodes > 0, space.inodesFree * 100 < comfortableInodesPercent * space.inodes {
            found.append("\(percent(space.inodesFree, of: space.inodes)) of the inodes free")
        }
        return found.isEmpty ? nil : "\(place(volume)): \(found.joined(separator: ", "))"
    }

    /// Where to look first, by what fills such folders in practice.
    private static func remedy(for volume: [DiskSpace.Folder]) -> String {
        let purposes = volume.map(\.purpose)
        var commands: [String] = []
        if purposes.contains(.kubernetes) { commands.append("du -sh /etc/kubernetes/tmp/*") }
        if purposes.contains(.runtime) || purposes.contains(.kubelet) { commands.append("crictl rmi --prune") }
        if purposes.contains(.log) { commands.append("journalctl --vacuum-size=500M") }
        if let etcd = volume.first(where: { $0.purpose == .etcd }), commands.isEmpty {
            commands.append("du -sh \(etcd.path)/*")
        }
        return commands.joined(separator: "; ")
    }

    private static func place(_ volume: [DiskSpace.Folder]) -> String {
        volume.map(\.path).joined(separator: ", ")
    }

    /// Rounded down: never more than there is.
    static func spoken(_ bytes: Int64) -> String {
        for (unit, name) in [(gibibyte, "GiB"), (1 << 20, "MiB")] where bytes >= unit {
            return "\(bytes / unit).\(bytes % unit * 10 / unit) \(name)"
        }
        return "\(bytes >> 10) KiB"
    }

    private static func percent(_ part: Int64, of whole: Int64) -> String { "\(part * 100 / max(1, whole)) %" }
}

/// Space and inodes below the folders that matter on a host, and how much etcd has there.
package struct DiskSpace: Fact {
    package static let name = "host.disk"
    let paths: ClusterPaths

    package init(paths: ClusterPaths) { self.paths = paths }

    /// What a folder is for.
    package enum Purpose: String, Codable, Sendable, Hashable { case etcd, kubernetes, kubelet, runtime, log }

    package struct Folder: Codable, Sendable, Hashable {
        package let purpose: Purpose
        package let path: String
        /// Equal for folders on one file system.
        package let device: String
        package let type: String
        package let total: Int64
        /// What is left for everybody, without what is kept for root.
        package let available: Int64
        /// 0 on file systems that do not count them.
        package let inodes: Int64
        package let inodesFree: Int64
        package let isWritable: Bool
    }

    package struct Value: Codable, Sendable, Hashable {
        package let folders: [Folder]
        /// All of etcd's folder; 0 when there is none.
        package let etcdBytes: Int64
        /// The size of the database file, with what is free in it.
        package let databaseBytes: Int64
    }

    /// A folder that does not exist yet stands for the nearest one above it; the container runtime's only counts when it exists.
    package var command: RemoteCommand {
        RemoteCommand(
            """
            echo '[folders]'
            look() {
                at=$2
                while [ ! -e "$at" ] && [ -n "$at" ]; do at=${at%/*}; done
                at=${at:-/}
                if [ -w "$at" ]; then mode=rw; else mode=ro; fi
                printf '%s %s %s %s %s\\n' "$1" "$mode" "$(stat -Lc %d "$at")" "$(stat -fc '%T %S %b %a %c %d' "$at" | tr / _)" "$2"
            }
            look etcd "$1"; look kubernetes "$2"; look kubelet /var/lib/kubelet
            for folder in /var/lib/containerd /var/lib/containers /var/lib/docker; do
                [ -d "$folder" ] && look runtime "$folder"
            done
            look log /var/log
            echo '[etcd]'; [ -d "$1" ] && du -sB1 "$1" 2>/dev/null | cut -f1
            echo '[database]'; stat -Lc %s "$1/member/snap/db" 2>/dev/null
            echo '[end]'
            """,
            [paths.etcdData, paths.kubernetes]
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        let folders = try output.lines("folders").map { line throws(IncompleteAnswer) in try Self.folder(line) }
        guard !folders.isEmpty else { throw IncompleteAnswer(section: "folders") }
        return Value(
            folders: folders,
            etcdBytes: Int64(try output.line("etcd")) ?? 0,
            databaseBytes: Int64(try output.line("database")) ?? 0
        )
    }

    /// `purpose mode device type block-size blocks available inodes inodes-free path`; paths may have spaces.
    private static func folder(_ line: String) throws(IncompleteAnswer) -> Folder {
        let words = line.split(separator: " ", maxSplits: 9).map(String.init)
        guard words.count == 10, let purpose = Purpose(rawValue: words[0]), let block = Int64(words[4]),
            let blocks = Int64(words[5]), let available = Int64(words[6]), let inodes = Int64(words[7]),
            let inodesFree = Int64(words[8]), block > 0, blocks >= 0
        else { throw IncompleteAnswer(section: "folders") }
        func bytes(_ blocks: Int64) -> Int64 { blocks.multipliedReportingOverflow(by: block).partialValue }
        return Folder(
            purpose: purpose,
            path: words[9],
            device: words[2],
            type: words[3],
            total: bytes(blocks),
            available: bytes(available),
            inodes: inodes,
            inodesFree: inodesFree,
            isWritable: words[1] == "rw"
        )
    }

    /// Nothing here stays as it is from one second to the next.
    package func bound(_ value: Value) throws -> JSONValue? { nil }
}
