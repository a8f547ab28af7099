package import ClusterModel
import FoundationEssentials
package import SystemPackage

/// The folder in which this controller keeps what it remembers: runs, locks, backups.
///
/// Guarantee: a value exists only after owner, mode and every folder above were checked, so nobody but root and this
/// user can exchange anything in it; symbolic links are refused wherever they stand.
package struct StateDirectory: Sendable, Hashable {
    package let path: FilePath

    /// Makes the state folder where it is missing, with `runs` and `locks`, and checks it.
    package static func prepare(at path: FilePath) throws(JournalError) -> StateDirectory {
        let path = try absolute(path)
        try ensurePrivateFolder(path)
        let directory = StateDirectory(path: path)
        try directory.refuseUnsuitableFileSystem()
        try ensurePrivateFolder(directory.runsPath)
        try ensurePrivateFolder(directory.locksPath)
        return directory
    }

    /// Checks a state folder and makes nothing; nil when there is none, for commands that only read.
    package static func existing(at path: FilePath) throws(JournalError) -> StateDirectory? {
        let path = try absolute(path)
        if case .none = try? Stat(path, followTargetSymlink: false) { return nil }
        try checkParents(of: path)
        try checkPrivate(path)
        return StateDirectory(path: path)
    }

    private init(path: FilePath) { self.path = path }

    package func folder(of run: RunID) -> RunFolder {
        RunFolder(path: runsPath.appending(run.text), run: run)
    }

    /// Makes the folder of a new run; `JournalWriter.create` fills it.
    package func makeRun(_ run: RunID) throws(JournalError) -> RunFolder {
        let folder = folder(of: run)
        do throws(Errno) { try makeFolder(folder.path, mode: .folder) } catch {
            throw .writing(folder.path, "create the folder of the run", error, state: "Nothing was sent")
        }
        return folder
    }

    /// The folder of a recorded run, checked; nil when there is no such run.
    package func existingRun(_ run: RunID) throws(JournalError) -> RunFolder? {
        let folder = folder(of: run)
        if case .none = try? Stat(folder.path, followTargetSymlink: false) { return nil }
        try checkPrivate(folder.path)
        return folder
    }

    /// All runs, oldest first; whatever else lies among them is passed over, only exact run ids count.
    package func runs() throws(JournalError) -> [RunID] {
        if case .none = try? Stat(runsPath, followTargetSymlink: false) { return [] }
        try checkPrivate(runsPath)
        do {
            return try FileManager.default.contentsOfDirectory(atPath: runsPath.string).compactMap { RunID($0) }
                .sorted()
        } catch {
            throw .storage(path: runsPath.string, task: "list the runs", cause: "the folder cannot be read")
        }
    }

    /// What the newest run before `run` is remembered by: its last good record; nil when there is none that verifies.
    package func witness(before run: RunID) throws(JournalError) -> RunWitness? {
        for earlier in try runs().reversed() where earlier < run {
            guard let recorded = try? JournalReader.verify(folder(of: earlier)), let head = recorded.head else {
                continue
            }
            return RunWitness(run: earlier, head: head)
        }
        return nil
    }

    /// What later runs of this folder remember of `run`, for `JournalReader.verify`.
    package func witnesses(of run: RunID) throws(JournalError) -> [ContentHash] {
        var hashes: [ContentHash] = []
        for later in try runs() where later > run {
            guard let previous = JournalReader.begin(of: folder(of: later))?.previous else { continue }
            if previous.run == run { hashes.append(previous.head) }
        }
        return hashes
    }

    /// What tells this controller from others: 16 hexadecimal digits, made once out of `candidate`.
    ///
    /// Two processes that ask for the first time at once get the same answer.
    package func controllerID(orElse candidate: UInt64) throws(JournalError) -> String {
        let file = path.appending("controller")
        do throws(Errno) {
            if let known = try readFile(file, limit: 64), let id = Self.identifier(known) { return id }
            let digits = String(candidate, radix: 16)
            let text = String(repeating: "0", count: 16 - digits.count) + digits + "\n"
            try publishNew(Array(text.utf8), as: "controller", in: path, mode: .readOnlyFile)
            if let made = try readFile(file, limit: 64), let id = Self.identifier(made) { return id }
        } catch { throw .writing(file, "keep this controller's id", error, state: "Nothing was sent") }
        throw .integrity(path: file.string, reason: "it does not hold 16 hexadecimal digits")
    }

    private static func identifier(_ bytes: [UInt8]) -> String? {
        let digits = bytes.prefix(16)
        guard bytes.count == 17, bytes.last == UInt8(ascii: "\n"),
            digits.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else { return nil }
        return String(decoding: digits, as: UTF8.self)
    }

    /// The lock of a cluster.
    package func lock(of cluster: ClusterID) -> FilePath { locksPath.appending("cluster-\(cluster).lock") }

    /// The short lock for housekeeping in this folder.
    package var controllerLock: FilePath { locksPath.appending("controller.lock") }

    private var runsPath: FilePath { path.appending("runs") }
    private var locksPath: FilePath { path.appending("locks") }

    private static func absolute(_ path: FilePath) throws(JournalError) -> FilePath {
        let plain = path.lexicallyNormalized()
        guard path.isAbsolute, !path.components.contains(where: { $0.kind != .regular }) else {
            throw .security(
                path: path.string,
                reason: "is not an absolute path without '.' and '..'",
                remedy: "write the path in full"
            )
        }
        return plain
    }

    private func refuseUnsuitableFileSystem() throws(JournalError) {
        guard let device = try? Stat(path, followTargetSymlink: false).deviceID.rawValue,
            let bytes = try? readFile("/proc/self/mountinfo", limit: 16 << 20)
        else { return }
        guard let type = MountTable(String(decoding: bytes, as: UTF8.self)).type(ofDevice: UInt64(device)),
            MountTable.unsuitable.contains(type)
        else { return }
        throw .storage(
            path: path.string,
            task: "keep a journal here",
            cause: "\(type): neither locks nor syncing can be relied on",
            state: "Nothing was sent"
        )
    }
}
