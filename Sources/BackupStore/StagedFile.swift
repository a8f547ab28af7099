import Crypto
import Synchronization
import SystemPackage

/// A file that is being written into a staged backup: hashed and counted on the way, durable before it has its name.
///
/// Calls never overlap, but may come from different threads. Until `finish` the bytes lie in a `.part` file.
package final class StagedFile: Sendable {
    package let name: BackupFileName
    private let folder: Directory
    private let hook: CheckpointHook
    private let finished: @Sendable (FileDigest) -> Void
    private let state: Mutex<State>

    private struct State {
        var descriptor: FileDescriptor?
        var hash = SHA256()
        var bytes: Int64 = 0
        var failure: BackupError?
    }

    init(
        _ name: BackupFileName,
        in folder: Directory,
        hook: @escaping CheckpointHook,
        finished: @escaping @Sendable (FileDigest) -> Void
    ) throws(BackupError) {
        self.name = name
        self.folder = folder
        self.hook = hook
        self.finished = finished
        guard try folder.attributes(of: name.leaf) == nil else { throw .alreadyExists(folder.path(of: name.leaf)) }
        let descriptor = try folder.createFile(name.leaf + ".part")
        state = Mutex(State(descriptor: descriptor))
        try hook(.fileCreated)
    }

    deinit { state.withLock { try? $0.descriptor?.close() } }

    /// Bytes taken so far.
    package var bytes: Int64 { state.withLock { $0.bytes } }

    /// Appends bytes; after one failure every later call fails with the same error.
    package func append(_ bytes: RawSpan) throws(BackupError) {
        let failure: BackupError? = state.withLock { state in
            if let failure = state.failure { return failure }
            guard let descriptor = state.descriptor else {
                return .unpublishable(name.description, why: "bytes came after the end of the file")
            }
            do throws(Errno) {
                try descriptor.writeCompletely(bytes)
            } catch {
                state.failure = folder.failure(error.rawValue, "write", name.leaf + ".part")
                return state.failure
            }
            state.hash.update(bytes)
            state.bytes += Int64(bytes.byteCount)
            return nil
        }
        if let failure { throw failure }
    }

    /// Makes the file durable, gives it its name and returns length and SHA-256 of what was written.
    ///
    /// With `expecting`, the digest the source host reported must be equal; otherwise nothing gets the name.
    package func finish(expecting expected: FileDigest? = nil) throws(BackupError) -> FileDigest {
        let (descriptor, digest, failure) = state.withLock { state in
            let result = (
                state.descriptor, FileDigest(bytes: state.bytes, sha256: state.hash.finalize()), state.failure
            )
            state.descriptor = nil
            return result
        }
        guard let descriptor else { throw .unpublishable(name.description, why: "the file was finished twice") }
        defer { try? descriptor.close() }
        if let failure { throw failure }
        if let expected, expected != digest {
            let what = "\(digest.bytes) bytes arrived, \(expected.bytes) were sent, or their SHA-256 differs"
            throw .integrity(name.description, [Finding(level: 1, path: name.description, what: what)])
        }
        try hook(.fileWritten)
        do throws(Errno) {
            try descriptor.synchronize()
        } catch {
            throw folder.failure(error.rawValue, "sync", name.leaf + ".part")
        }
        try hook(.fileSynced)
        try folder.replaceFile(name.leaf, from: name.leaf + ".part")
        try hook(.fileNamed)
        finished(digest)
        return digest
    }

    /// Gives up: the partial file is removed.
    package func discard() throws(BackupError) {
        state.withLock { state in
            try? state.descriptor?.close()
            state.descriptor = nil
        }
        try folder.removeFile(name.leaf + ".part")
    }
}
