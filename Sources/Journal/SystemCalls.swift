#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import SystemPackage

// The system calls that swift-system does not have. This is the only file of the module that touches unsafe memory:
// each pointer lives for one call and none is kept. All of them throw `Errno`, and none is tried again except after
// EINTR.

extension FileDescriptor {
    /// `fdatasync(2)`: the contents, and what is needed to read them back, are on the disk.
    func syncData() throws(Errno) { try check { fdatasync(rawValue) } }

    /// `fsync(2)`: contents and attributes are on the disk; on a folder, its entries.
    func sync() throws(Errno) { try check { fsync(rawValue) } }

    /// `flock(2)` with `LOCK_EX | LOCK_NB`; false when another open file holds the lock.
    func lockExclusively() throws(Errno) -> Bool {
        do throws(Errno) {
            try check { flock(rawValue, LOCK_EX | LOCK_NB) }
            return true
        } catch {
            if error == .wouldBlock || error == .resourceTemporarilyUnavailable { return false }
            throw error
        }
    }

    /// `fallocate(2)` beyond the end, which stays where it is (`FALLOC_FL_KEEP_SIZE`).
    ///
    /// The C library shows it only to programs that ask for GNU extensions, which Swift's module of it does not, so it
    /// is looked up by name; where it is missing this is `noFunction`.
    func reserve(from offset: Int64, bytes: Int64) throws(Errno) {
        typealias Fallocate = @convention(c) (CInt, CInt, off_t, off_t) -> CInt
        guard let symbol = unsafe dlsym(nil, "fallocate") else { throw .noFunction }
        let fallocate = unsafe unsafeBitCast(symbol, to: Fallocate.self)
        try check { fallocate(rawValue, 1, off_t(offset), off_t(bytes)) }
    }

    /// `fchmod(2)`: the mode is as asked for whatever the umask is.
    func setMode(_ mode: FilePermissions) throws(Errno) { try check { fchmod(rawValue, mode.rawValue) } }

    /// One `write(2)`; returns how many bytes it took.
    func writeOnce(_ bytes: some Sequence<UInt8>) throws(Errno) -> Int {
        let contiguous = Array(bytes)
        do { return try unsafe contiguous.withUnsafeBytes { try unsafe write($0) } } catch { throw asErrno(error) }
    }

    /// Everything from the start of the file, at most `limit` bytes and one more.
    func readAll(limit: Int) throws(Errno) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 256 * 1024)
        while bytes.count <= limit {
            let count: Int
            do {
                count = try unsafe buffer.withUnsafeMutableBytes {
                    try unsafe read(fromAbsoluteOffset: Int64(bytes.count), into: $0)
                }
            } catch { throw asErrno(error) }
            if count == 0 { break }
            bytes += buffer[..<count]
        }
        return bytes
    }
}

/// `mkdir(2)` with exactly `mode`.
func makeFolder(_ path: FilePath, mode: FilePermissions) throws(Errno) {
    try check { unsafe path.withPlatformString { unsafe mkdir($0, mode.rawValue) } }
    // Only the umask can differ, and nobody else may change what was just made, so the name still is that folder.
    try check { unsafe path.withPlatformString { unsafe chmod($0, mode.rawValue) } }
}

/// Renames, over what bears the new name (`rename(2)`).
func renameFile(_ old: FilePath, to new: FilePath) throws(Errno) {
    try check {
        unsafe old.withPlatformString { from in unsafe new.withPlatformString { to in unsafe rename(from, to) } }
    }
}

/// A second name for a file, unless something has it already (`link(2)`).
func linkFile(_ old: FilePath, to new: FilePath) throws(Errno) {
    try check {
        unsafe old.withPlatformString { from in unsafe new.withPlatformString { to in unsafe link(from, to) } }
    }
}

/// Removes a name (`unlink(2)`).
func removeFile(_ path: FilePath) throws(Errno) {
    try check { unsafe path.withPlatformString { unsafe unlink($0) } }
}

/// The user whose rights this process has.
var effectiveUser: UserID { UserID(rawValue: geteuid()) }

/// This process.
var processNumber: Int { Int(getpid()) }

/// swift-system's calls throw nothing but `Errno`, without saying so in their types.
func asErrno(_ error: any Error) -> Errno { error as? Errno ?? .ioError }

private func check(_ call: () -> CInt) throws(Errno) {
    while call() != 0 {
        let code = Errno(rawValue: errno)
        if code != .interrupted { throw code }
    }
}

extension OutputFile {
    /// Stores the bytes of a transfer.
    package func append(_ bytes: RawSpan) { unsafe bytes.withUnsafeBytes { unsafe append($0) } }
}
