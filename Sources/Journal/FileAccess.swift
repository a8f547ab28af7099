import SystemPackage

// Opening and publishing files the way this module's guarantees need it: never through a symbolic link, never inherited
// by a child, with an explicit mode, durable before the call returns.

extension FilePermissions {
    static let folder: FilePermissions = [.ownerReadWriteExecute]
    static let privateFile: FilePermissions = [.ownerReadWrite]
    static let readOnlyFile: FilePermissions = [.ownerRead]
}

func openFile(
    _ path: FilePath,
    _ mode: FileDescriptor.AccessMode,
    _ options: FileDescriptor.OpenOptions = [],
    permissions: FilePermissions? = nil
) throws(Errno) -> FileDescriptor {
    do {
        return try FileDescriptor.open(
            path,
            mode,
            options: options.union([.noFollow, .closeOnExec]),
            permissions: permissions
        )
    } catch { throw asErrno(error) }
}

extension FileDescriptor {
    func status() throws(Errno) -> Stat { try Stat(self) }

    /// Cuts or extends the file (`ftruncate(2)`).
    func cut(to length: Int64) throws(Errno) {
        do { try resize(to: length) } catch { throw asErrno(error) }
    }

    /// Writes everything; a short write is an error.
    func writeWhole(_ bytes: some Collection<UInt8>) throws(Errno) {
        guard try writeOnce(bytes) == bytes.count else { throw .noSpace }
    }

    /// Closes; an error then says nothing any more about data that were synced.
    func discard() { try? close() }
}

/// Makes the entries of a folder durable.
func syncFolder(_ path: FilePath) throws(Errno) {
    let folder = try openFile(path, .readOnly, .directory)
    defer { folder.discard() }
    try folder.sync()
}

/// Writes `bytes` under a temporary name, syncs, and renames over `name`: readers see all or nothing, also after a
/// crash.
///
/// A left-over temporary file of an earlier try is replaced.
func publish(_ bytes: [UInt8], as name: String, in folder: FilePath, mode: FilePermissions) throws(Errno) {
    let part = folder.appending(".\(name).part")
    do throws(Errno) { try removeFile(part) } catch  where error == .noSuchFileOrDirectory {}
    let file = try openFile(part, .writeOnly, [.create, .exclusiveCreate], permissions: .privateFile)
    do throws(Errno) {
        defer { file.discard() }
        try file.writeWhole(bytes)
        try file.setMode(mode)
        try file.sync()
    } catch {
        try? removeFile(part)
        throw error
    }
    try renameFile(part, to: folder.appending(name))
    try syncFolder(folder)
}

/// Like `publish`, but leaves a file that is there already as it is.
func publishNew(_ bytes: [UInt8], as name: String, in folder: FilePath, mode: FilePermissions) throws(Errno) {
    let part = folder.appending(".\(name).\(ProcessIdentity.current?.pid ?? 0)")
    do throws(Errno) { try removeFile(part) } catch  where error == .noSuchFileOrDirectory {}
    let file = try openFile(part, .writeOnly, [.create, .exclusiveCreate], permissions: mode)
    defer { try? removeFile(part) }
    defer { file.discard() }
    try file.writeWhole(bytes)
    try file.sync()
    do throws(Errno) { try linkFile(part, to: folder.appending(name)) } catch  where error == .fileExists {}
    try syncFolder(folder)
}

/// The contents of a regular file, or nil when there is none; more than `limit` bytes is `fileTooLarge`.
func readFile(_ path: FilePath, limit: Int) throws(Errno) -> [UInt8]? {
    let file: FileDescriptor
    do throws(Errno) { file = try openFile(path, .readOnly) } catch  where error == .noSuchFileOrDirectory {
        return nil
    }
    defer { file.discard() }
    guard try file.status().type == .regular else { throw .invalidArgument }
    let bytes = try file.readAll(limit: limit)
    guard bytes.count <= limit else { throw .fileTooLarge }
    return bytes
}
