import Crypto
import Glibc
import SystemPackage

/// Reading and writing whole buffers on descriptors.
extension FileDescriptor {
    /// Writes all of `bytes`, or throws the error number.
    func writeCompletely(_ bytes: RawSpan) throws(Errno) {
        var failure: Errno?
        unsafe bytes.withUnsafeBytes { buffer in
            var written = 0
            while written < buffer.count {
                let place = unsafe buffer.baseAddress.map { unsafe $0 + written }
                let count = unsafe Glibc.write(rawValue, place, buffer.count - written)
                if count > 0 {
                    written += count
                } else if count < 0 && errno != EINTR {
                    failure = Errno(rawValue: errno)
                    return
                }
            }
        }
        if let failure { throw failure }
    }

    func writeCompletely(_ bytes: [UInt8]) throws(Errno) { unsafe try writeCompletely(bytes.span.bytes) }

    /// Reads at most `limit` bytes from `offset`; an empty result is the end of the file.
    func readBytes(at offset: Int64, upTo limit: Int) throws(Errno) -> [UInt8] {
        var failure: Errno?
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, filled in
            while filled < limit {
                let place = unsafe buffer.baseAddress.map { unsafe UnsafeMutableRawPointer($0 + filled) }
                let count = unsafe Glibc.pread(rawValue, place, limit - filled, off_t(offset) + off_t(filled))
                if count > 0 {
                    filled += count
                } else if count == 0 {
                    return
                } else if errno != EINTR {
                    failure = Errno(rawValue: errno)
                    return
                }
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Length and SHA-256 of the whole file, read from the descriptor with constant memory.
    func digest() throws(Errno) -> FileDigest {
        var hash = SHA256()
        var offset: Int64 = 0
        while true {
            let chunk = try readBytes(at: offset, upTo: 1 << 20)
            if chunk.isEmpty { return FileDigest(bytes: offset, sha256: hash.finalize()) }
            hash.update(data: chunk)
            offset += Int64(chunk.count)
        }
    }

    /// Makes the file's content and length durable.
    func synchronize() throws(Errno) {
        guard fsync(rawValue) == 0 else { throw Errno(rawValue: errno) }
    }

    /// Sets the permission bits whatever the umask was.
    func setMode(_ mode: UInt32) throws(Errno) {
        guard fchmod(rawValue, mode_t(mode)) == 0 else { throw Errno(rawValue: errno) }
    }
}

extension SHA256 {
    /// Hashes bytes without copying them.
    mutating func update(_ bytes: RawSpan) { unsafe bytes.withUnsafeBytes { unsafe update(bufferPointer: $0) } }
}

/// The C library's text for an error number.
func errorText(_ number: Int32) -> String { Errno(rawValue: number).description }

extension Directory {
    /// A whole small file; throws `integrity` beyond `limit` bytes.
    func contents(of name: String, limit: Int) throws(BackupError) -> [UInt8] {
        let file = try openFile(name)
        defer { try? file.close() }
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try file.readBytes(at: 0, upTo: limit + 1)
        } catch {
            throw failure(error.rawValue, "read", name)
        }
        guard bytes.count <= limit else {
            throw .integrity(path(of: name), [Finding(level: 0, path: name, what: "is larger than \(limit) bytes")])
        }
        return bytes
    }

    /// Length and SHA-256 of a file, from its bytes on disk.
    func digest(of name: String) throws(BackupError) -> FileDigest {
        let file = try openFile(name)
        defer { try? file.close() }
        do throws(Errno) {
            return try file.digest()
        } catch {
            throw failure(error.rawValue, "read", name)
        }
    }

    /// Writes a small file durably under a temporary name and renames it into place; the caller syncs the directory.
    func writeFile(_ name: String, _ bytes: [UInt8]) throws(BackupError) {
        let temporary = name + ".part"
        try removeFile(temporary)
        let file = try createFile(temporary)
        defer { try? file.close() }
        do throws(Errno) {
            try file.writeCompletely(bytes)
            try file.synchronize()
        } catch {
            throw failure(error.rawValue, "write", temporary)
        }
        try replaceFile(name, from: temporary)
    }

    /// Removes `name` and everything below it, never through a link; what is not there counts as removed.
    func removeTree(_ name: String, depth: Int = 0, after: (() throws(BackupError) -> Void)? = nil) throws(BackupError)
    {
        guard let found = try attributes(of: name) else { return }
        guard found.kind == .directory else { return try removeFile(name) }
        guard depth < 32 else { throw .unsafePath(path(of: name), why: "is nested more than 32 deep") }
        let inner = try step(into: name, create: false)
        for entry in try inner.names() {
            try inner.removeTree(entry, depth: depth + 1)
            try after?()
        }
        try removeDirectory(name)
    }

    /// Opens (or makes) one component without the checks of `subdirectory`; the caller makes its own.
    func step(into name: String, create: Bool) throws(BackupError) -> Directory {
        if create, unsafe mkdirat(descriptor.rawValue, name, 0o700) != 0, errno != EEXIST {
            throw failure(errno, "create", name)
        }
        let number = unsafe openat(descriptor.rawValue, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard number >= 0 else { throw failure(errno, "open", name) }
        return Directory(adopting: FileDescriptor(rawValue: number), path: path(of: name))
    }

    static func openTop() throws(BackupError) -> FileDescriptor {
        let number = unsafe open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { throw .storage(path: "/", doing: "open", errno: errno) }
        return FileDescriptor(rawValue: number)
    }
}
