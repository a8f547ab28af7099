import Glibc
import SystemPackage

/// An open directory of ours: every path below it is reached one component at a time and never through a link.
///
/// Guarantee: every directory and file opened here belongs to this user, grants nothing to others and is no symbolic
/// link; otherwise `BackupError.unsafePath`. Names come from validated ids only. The module's unsafe code is
/// here, in FileBytes and SharedPaths only.
package final class Directory: Sendable {
    /// For messages and for child processes; the descriptor is what counts.
    let path: String
    let descriptor: FileDescriptor

    init(adopting descriptor: FileDescriptor, path: String) {
        self.path = path
        self.descriptor = descriptor
    }

    deinit { try? descriptor.close() }

    func path(of name: String) -> String { path == "/" ? "/" + name : path + "/" + name }

    /// Opens a subdirectory; throws `notFound` when there is none.
    func subdirectory(_ name: String) throws(BackupError) -> Directory {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        let number = unsafe openat(descriptor.rawValue, name, flags)
        guard number >= 0 else { throw failure(errno, "open", name) }
        let opened = Directory(adopting: FileDescriptor(rawValue: number), path: path(of: name))
        try opened.requirePrivate()
        return opened
    }

    /// Like `subdirectory`, with nil for one that is not there.
    func subdirectoryIfPresent(_ name: String) throws(BackupError) -> Directory? {
        do throws(BackupError) {
            return try subdirectory(name)
        } catch .notFound {
            return nil
        }
    }

    /// Makes a subdirectory with mode 0700; with `exclusive` it must not have been there.
    func makeSubdirectory(_ name: String, exclusive: Bool) throws(BackupError) -> Directory {
        if unsafe mkdirat(descriptor.rawValue, name, 0o700) != 0 {
            let number = errno
            guard number == EEXIST, !exclusive else { throw failure(number, "create", name) }
        }
        return try subdirectory(name)
    }

    /// Creates a file that was not there, mode 0600 whatever the umask.
    func createFile(_ name: String) throws(BackupError) -> FileDescriptor {
        let flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let number = unsafe openat(descriptor.rawValue, name, flags, 0o600)
        guard number >= 0 else { throw failure(errno, "create", name) }
        return FileDescriptor(rawValue: number)
    }

    /// Opens a regular file of ours for reading.
    func openFile(_ name: String) throws(BackupError) -> FileDescriptor {
        let flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
        let number = unsafe openat(descriptor.rawValue, name, flags)
        guard number >= 0 else { throw failure(errno, "open", name) }
        let file = FileDescriptor(rawValue: number)
        do throws(BackupError) {
            try requirePrivate(file: attributes(of: file, name), name)
        } catch {
            try? file.close()
            throw error
        }
        return file
    }

    /// What `name` is, without following it; nil when it is not there.
    func attributes(of name: String) throws(BackupError) -> FileAttributes? {
        var status = stat()
        guard unsafe fstatat(descriptor.rawValue, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            let number = errno
            if number == ENOENT { return nil }
            throw failure(number, "look at", name)
        }
        return FileAttributes(status)
    }

    func attributes(of file: FileDescriptor, _ name: String) throws(BackupError) -> FileAttributes {
        var status = stat()
        guard unsafe fstat(file.rawValue, &status) == 0 else { throw failure(errno, "look at", name) }
        return FileAttributes(status)
    }

    /// The names in this directory, sorted, without `.` and `..`.
    func names() throws(BackupError) -> [String] {
        let number = unsafe openat(descriptor.rawValue, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { throw failure(errno, "list", nil) }
        guard let stream = unsafe fdopendir(number) else {
            _ = close(number)
            throw failure(errno, "list", nil)
        }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        errno = 0
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { field in
                unsafe field.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
            errno = 0
        }
        guard errno == 0 else { throw failure(errno, "list", nil) }
        return names.sorted()
    }

    /// Renames `name` into `target`; throws `alreadyExists` rather than replace a file or a set.
    ///
    /// `rename(2)` of a directory replaces only an empty directory, and a set is never empty: two sets of one name cannot
    /// overwrite each other, without `RENAME_NOREPLACE`, which not every file system knows.
    func moveDirectory(_ name: String, to target: Directory) throws(BackupError) {
        guard unsafe renameat(descriptor.rawValue, name, target.descriptor.rawValue, name) == 0 else {
            let number = errno
            if number == ENOTEMPTY || number == EEXIST || number == ENOTDIR {
                throw .alreadyExists(target.path(of: name))
            }
            throw failure(number, "rename", name)
        }
    }

    /// Renames a file within this directory, replacing what has the new name.
    func replaceFile(_ name: String, from temporary: String) throws(BackupError) {
        guard unsafe renameat(descriptor.rawValue, temporary, descriptor.rawValue, name) == 0 else {
            throw failure(errno, "rename", temporary)
        }
    }

    /// Removes a file; one that is not there counts as removed.
    func removeFile(_ name: String) throws(BackupError) {
        guard unsafe unlinkat(descriptor.rawValue, name, 0) == 0 || errno == ENOENT else {
            throw failure(errno, "remove", name)
        }
    }

    /// Removes an empty directory; one that is not there counts as removed.
    func removeDirectory(_ name: String) throws(BackupError) {
        guard unsafe unlinkat(descriptor.rawValue, name, AT_REMOVEDIR) == 0 || errno == ENOENT else {
            throw failure(errno, "remove", name)
        }
    }

    /// Makes names in this directory durable.
    func sync() throws(BackupError) {
        guard fsync(descriptor.rawValue) == 0 else { throw failure(errno, "sync", nil) }
    }

    /// Takes the exclusive lock of this directory; false when another process (or handle) has it.
    ///
    /// The lock ends with the last copy of the descriptor, so a killed process leaves none behind.
    func lock() throws(BackupError) -> Bool {
        if flock(descriptor.rawValue, LOCK_EX | LOCK_NB) == 0 { return true }
        guard errno == EWOULDBLOCK else { throw failure(errno, "lock", nil) }
        return false
    }

    /// Bytes that this user may still write to the file system.
    func freeBytes() throws(BackupError) -> Int64 {
        var status = statvfs()
        guard unsafe fstatvfs(descriptor.rawValue, &status) == 0 else { throw failure(errno, "measure", nil) }
        return Int64(clamping: status.f_bavail) * Int64(clamping: status.f_frsize)
    }

    func failure(_ number: Int32, _ doing: String, _ name: String?) -> BackupError {
        let place = name.map(path(of:)) ?? path
        switch number {
        case ENOENT where doing == "open": return .notFound(place)
        case EEXIST: return .alreadyExists(place)
        case ELOOP: return .unsafePath(place, why: "is a symbolic link")
        case ENOTDIR:
            var status = stat()
            let known = name.map { unsafe fstatat(descriptor.rawValue, $0, &status, AT_SYMLINK_NOFOLLOW) == 0 }
            let isLink = known == true && FileAttributes(status).kind == .symbolicLink
            return .unsafePath(place, why: isLink ? "is a symbolic link" : "is not a directory")
        default: return .storage(path: place, doing: doing, errno: number)
        }
    }
}
