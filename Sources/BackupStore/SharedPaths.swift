import Glibc
import SystemPackage

/// Paths outside the store, which other users may own or read: the collector's folder, programs, keys.
extension Directory {
    /// A folder that others own or may read, such as the textfile collector's.
    static func shared(at path: String) throws(BackupError) -> Directory {
        let number = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { throw .storage(path: path, doing: "open", errno: errno) }
        return Directory(adopting: FileDescriptor(rawValue: number), path: path)
    }

    /// A small regular file as text, or nil when there is none that can be read.
    func sharedText(of name: String) -> String? {
        let number = unsafe openat(descriptor.rawValue, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
        guard number >= 0 else { return nil }
        let file = FileDescriptor(rawValue: number)
        defer { try? file.close() }
        guard let found = try? attributes(of: file, name), found.kind == .file else { return nil }
        return (try? file.readBytes(at: 0, upTo: 1 << 20)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Refuses a private key file that others can read, in ssh's words (fault I12).
    static func requirePrivateKey(at path: String) throws(BackupError) {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else {
            throw errno == ENOENT ? .noIdentity(path) : .storage(path: path, doing: "look at", errno: errno)
        }
        let found = FileAttributes(status)
        guard found.kind == .file, found.owner == geteuid() || found.owner == 0 else {
            throw .unsafePath(path, why: "is not a file of this user")
        }
        guard found.permissions & 0o077 == 0 else {
            throw .unsafePath(path, why: "has mode \(found.octalMode), want 0600")
        }
    }

    /// Whether `path` is a program that this user may run.
    static func isExecutableFile(_ path: String) -> Bool {
        var status = stat()
        guard unsafe stat(path, &status) == 0, FileAttributes(status).kind == .file else { return false }
        return unsafe access(path, X_OK) == 0
    }
}
