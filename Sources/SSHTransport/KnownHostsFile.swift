import ClusterModel
import Glibc
import SystemPackage

/// Reading the files whose content decides whom to trust, known hosts and the client configuration.
enum KnownHostsFile {
    /// Far above any real file; a bound so that a wrong path cannot fill the memory.
    static let largest = 64 << 20

    /// The content of the file at `path`, following symbolic links; nil when there is none.
    ///
    /// `/dev/null` and `none` are empty, as OpenSSH's users write them. Throws `security` for a file of another owner
    /// than root and this user, or one that group or others may write, and for anything but a regular file; `storage`
    /// when it cannot be read.
    static func read(_ path: String) throws(OperatorMessage) -> [UInt8]? {
        if path == "/dev/null" || path == "none" { return nil }
        let descriptor: FileDescriptor
        do {
            // Without O_NONBLOCK a named pipe would hold the program up before it can be refused.
            descriptor = try FileDescriptor.open(
                FilePath(path),
                .readOnly,
                options: [.closeOnExec, .nonBlocking]
            )
        } catch Errno.noSuchFileOrDirectory {
            return nil
        } catch {
            throw unreadable(path, error)
        }
        defer { try? descriptor.close() }
        try check(descriptor, path)
        return try content(of: descriptor, path)
    }

    /// Refuses what others could have written.
    static func check(_ descriptor: FileDescriptor, _ path: String) throws(OperatorMessage) {
        let status: Stat
        do { status = try descriptor.stat() } catch { throw unreadable(path, error) }
        guard status.type == .regular else {
            throw OperatorMessage(
                .security,
                at: path,
                "this is not a regular file",
                state: "Nothing was read",
                next: "name the file itself"
            )
        }
        let owner = status.userID.rawValue
        guard owner == 0 || owner == geteuid() else {
            throw OperatorMessage(
                .security,
                at: path,
                "the file belongs to user \(owner), who could change what is trusted",
                state: "Nothing was read",
                next: "chown \(geteuid()) '\(path)'"
            )
        }
        guard status.permissions.isDisjoint(with: [.groupWrite, .otherWrite]) else {
            throw OperatorMessage(
                .security,
                at: path,
                "others may write this file and so change what is trusted",
                state: "Nothing was read",
                next: "chmod go-w '\(path)'"
            )
        }
    }

    /// All bytes from the beginning.
    static func content(of descriptor: FileDescriptor, _ path: String) throws(OperatorMessage) -> [UInt8] {
        var bytes: [UInt8] = []
        do {
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            while bytes.count <= largest {
                let count = try unsafe chunk.withUnsafeMutableBytes {
                    try unsafe descriptor.read(fromAbsoluteOffset: Int64(bytes.count), into: $0)
                }
                if count == 0 { return bytes }
                bytes.append(contentsOf: chunk[..<count])
            }
        } catch {
            throw unreadable(path, error)
        }
        throw OperatorMessage(
            .storage,
            at: path,
            "the file is larger than \(largest >> 20) MiB",
            state: "Nothing was used of it",
            next: "name the right file"
        )
    }

    static func unreadable(_ path: String, _ error: any Error) -> OperatorMessage {
        OperatorMessage(
            .storage,
            at: path,
            "cannot read: \(error)",
            state: "Nothing was used of it",
            next: "ls -l '\(path)'"
        )
    }
}
