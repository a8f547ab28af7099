import Synchronization
import SystemPackage

/// What the file system says about a journal file.
struct JournalFileStatus: Sendable, Hashable {
    let device: UInt64
    let inode: UInt64
    let links: Int
    let size: Int64
}

/// An open journal file: the port under `JournalWriter`, so that tests can make the n-th call fail.
protocol JournalFile: Sendable {
    var path: FilePath { get }
    /// One `write(2)` at the end; returns how many bytes were taken.
    func append(_ bytes: [UInt8]) throws(Errno) -> Int
    func syncData() throws(Errno)
    func cut(to length: Int64) throws(Errno)
    func reserve(from offset: Int64, bytes: Int64) throws(Errno)
    /// The status of the open file.
    func status() throws(Errno) -> JournalFileStatus
    /// The status of what is found under the file's name now.
    func statusOfName() throws(Errno) -> JournalFileStatus
    /// Lets go of the file; nothing else is called afterwards.
    func close()
}

/// A journal file on disk, held with `flock` until it is closed.
final class DiskJournalFile: JournalFile {
    let path: FilePath
    private let descriptor: FileDescriptor
    private let isClosed = Atomic(false)

    /// Creates the file; it must not be there.
    static func create(_ path: FilePath) throws(JournalError) -> DiskJournalFile {
        do throws(Errno) {
            let descriptor = try openFile(
                path,
                .readWrite,
                [.append, .create, .exclusiveCreate],
                permissions: .privateFile
            )
            let file = DiskJournalFile(path: path, descriptor: descriptor)
            try descriptor.setMode(.privateFile)
            guard try descriptor.lockExclusively() else { throw .wouldBlock }
            return file
        } catch { throw .writing(path, "create the journal", error, state: "Nothing was sent") }
    }

    /// Opens the file of an earlier process, provided that nobody else writes it or could.
    static func open(_ path: FilePath) throws(JournalError) -> DiskJournalFile {
        let file: DiskJournalFile
        let status: Stat
        do throws(Errno) {
            file = DiskJournalFile(path: path, descriptor: try openFile(path, .readWrite, .append))
            guard try file.descriptor.lockExclusively() else { throw .wouldBlock }
            status = try file.descriptor.status()
        } catch {
            if error == .wouldBlock { throw .locked(what: "the journal \(path)", holder: nil) }
            throw .writing(path, "open the journal", error)
        }
        guard status.type == .regular, status.userID == effectiveUser, status.linkCount == 1,
            status.permissions.isDisjoint(with: [.groupReadWriteExecute, .otherReadWriteExecute])
        else {
            throw .security(
                path: path.string,
                reason: "is not a file of mode 0600 and this user's own, under one name only",
                remedy: "look at who changed it; chown and chmod 0600, or remove the other name"
            )
        }
        return file
    }

    private init(path: FilePath, descriptor: FileDescriptor) {
        self.path = path
        self.descriptor = descriptor
    }

    deinit { close() }

    func close() {
        if !isClosed.exchange(true, ordering: .relaxed) { descriptor.discard() }
    }

    func append(_ bytes: [UInt8]) throws(Errno) -> Int { try descriptor.writeOnce(bytes) }
    func syncData() throws(Errno) { try descriptor.syncData() }
    func cut(to length: Int64) throws(Errno) { try descriptor.cut(to: length) }
    func reserve(from offset: Int64, bytes: Int64) throws(Errno) { try descriptor.reserve(from: offset, bytes: bytes) }
    func status() throws(Errno) -> JournalFileStatus { JournalFileStatus(try descriptor.status()) }
    func statusOfName() throws(Errno) -> JournalFileStatus {
        JournalFileStatus(try Stat(path, followTargetSymlink: false))
    }

    func readAll(limit: Int) throws(Errno) -> [UInt8] { try descriptor.readAll(limit: limit) }
    /// Makes attributes durable too, as after creation.
    func sync() throws(Errno) { try descriptor.sync() }
}

extension JournalFileStatus {
    init(_ status: Stat) {
        device = UInt64(status.deviceID.rawValue)
        inode = UInt64(status.inode.rawValue)
        links = status.linkCount
        size = status.size
    }
}
