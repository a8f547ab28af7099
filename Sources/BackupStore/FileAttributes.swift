import Glibc

/// What `stat` says of a name, as far as safety needs it.
struct FileAttributes: Sendable, Hashable {
    enum Kind: Sendable, Hashable { case file, directory, symbolicLink, other }

    let kind: Kind
    let permissions: UInt32
    let owner: UInt32
    let links: UInt64
    let bytes: Int64

    init(_ status: stat) {
        switch status.st_mode & S_IFMT {
        case S_IFREG: kind = .file
        case S_IFDIR: kind = .directory
        case S_IFLNK: kind = .symbolicLink
        default: kind = .other
        }
        permissions = UInt32(status.st_mode & 0o7777)
        owner = status.st_uid
        links = UInt64(status.st_nlink)
        bytes = Int64(status.st_size)
    }

    var octalMode: String {
        let digits = String(permissions, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}

extension Directory {
    /// Opens `path` as the root of a store, making what is missing; every component is checked on the way.
    ///
    /// The folders above may belong to root or to this user, and may be writable by others only when sticky (as `/tmp`);
    /// the last one must be private. Symbolic links are refused everywhere.
    package static func root(at path: String, create: Bool) throws(BackupError) -> Directory {
        let parts = path.split(separator: "/").map(String.init)
        guard path.hasPrefix("/"), !parts.isEmpty, !parts.contains(where: { $0 == "." || $0 == ".." }) else {
            throw .unsafePath(path, why: "is not an absolute path without '.' and '..'")
        }
        var current = Directory(adopting: try openTop(), path: "/")
        for (depth, name) in parts.enumerated() {
            let next = try current.step(into: name, create: create)
            if depth < parts.count - 1 { try next.requireSafeAncestor() }
            current = next
        }
        try current.requirePrivate()
        return current
    }

    /// Refuses a directory that is not ours alone.
    func requirePrivate() throws(BackupError) {
        let found = try attributes(of: descriptor, ".")
        guard found.owner == geteuid() else {
            throw .unsafePath(path, why: "belongs to user \(found.owner), not to \(geteuid())")
        }
        guard found.permissions & 0o077 == 0 else {
            throw .unsafePath(path, why: "has mode \(found.octalMode), want 0700")
        }
    }

    /// Refuses a file that is not regular, not ours, open to others, or has a second name.
    func requirePrivate(file found: FileAttributes, _ name: String) throws(BackupError) {
        let place = path(of: name)
        guard found.kind == .file else { throw .unsafePath(place, why: "is not a regular file") }
        guard found.owner == geteuid() else {
            throw .unsafePath(place, why: "belongs to user \(found.owner), not to \(geteuid())")
        }
        guard found.permissions & 0o077 == 0 else {
            throw .unsafePath(place, why: "has mode \(found.octalMode), want 0600")
        }
        guard found.links <= 1 else { throw .unsafePath(place, why: "has \(found.links) hard links, want 1") }
    }

    private func requireSafeAncestor() throws(BackupError) {
        let found = try attributes(of: descriptor, ".")
        guard found.owner == 0 || found.owner == geteuid() else {
            throw .unsafePath(path, why: "belongs to user \(found.owner), who could replace what is below it")
        }
        guard found.permissions & 0o022 == 0 || found.permissions & 0o1000 != 0 else {
            throw .unsafePath(path, why: "has mode \(found.octalMode): others could replace what is below it")
        }
    }
}
