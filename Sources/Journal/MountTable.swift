/// The kernel's list of mounted file systems, `/proc/self/mountinfo`; proc_pid_mountinfo(5) has the format.
struct MountTable: Sendable {
    /// File systems on which `flock` or `fdatasync` do not promise what this module builds on.
    static let unsuitable: Set<String> = ["nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "coda", "ncpfs"]

    private var types: [String: String] = [:]

    init(_ text: String) {
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 4, let dash = fields.firstIndex(of: "-"), dash + 1 < fields.count else { continue }
            types[String(fields[2])] = String(fields[dash + 1])
        }
    }

    /// The type of the file system on device `major:minor`; nil for what the table does not name (btrfs subvolumes).
    func type(ofDevice device: UInt64) -> String? {
        // glibc's gnu_dev_major and gnu_dev_minor
        let major = (device >> 8) & 0xFFF | (device >> 32) & ~0xFFF
        let minor = device & 0xFF | (device >> 12) & ~0xFF
        return types["\(major):\(UInt32(truncatingIfNeeded: minor))"]
    }
}
